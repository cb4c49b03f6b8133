"""Raw text to a clean, deduplicated Parquet dataset, with a ledger of every document and byte."""
