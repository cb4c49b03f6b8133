"""One YAML file, and all that it extends, to a valid recipe whose every value knows where it came from."""
