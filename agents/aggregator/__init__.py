"""Writing: language models that may reword the phraser's sentences, and are held to the ledger."""
