"""From the recipe's ``model`` section to a transformers model, its isolation and its loss."""
