"""The steps that choose, join and vary documents."""
