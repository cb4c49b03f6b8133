"""Personal data: find it, mask it."""
