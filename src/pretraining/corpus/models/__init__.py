"""Steps that ask a model: language, perplexity, quality, toxicity."""
