"""Which documents, and which parts of documents, are copies."""
