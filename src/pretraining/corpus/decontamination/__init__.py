"""Keeping benchmarks out of the training data."""
