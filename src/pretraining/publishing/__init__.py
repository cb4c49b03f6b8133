"""What others read about a run: the report and the model card."""
