"""The steps that look at one document and decide about it, or tidy its text."""
