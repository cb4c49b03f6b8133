"""Views of a text that steps share: words, sentences, n-grams, and what is known about languages."""
