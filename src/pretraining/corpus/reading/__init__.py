"""Documents from files: one module per format, all over the same chunks, lines and account of what is broken."""
