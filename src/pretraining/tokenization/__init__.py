"""From clean text to a tokenizer and a token store."""
