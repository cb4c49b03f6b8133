"""From raw text to a published, evaluated language model, in Hugging Face formats."""

__version__ = "0.1.0"
