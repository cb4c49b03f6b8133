"""The sections of the objectives: what the recipe says about each, and the numbers that follow. No torch here."""
