"""The sections of ``corpus``: sources and steps. Nothing heavier than pydantic is imported here."""
