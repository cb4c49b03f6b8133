"""What happened to the text, to be read by people: a page and a dataset card."""
