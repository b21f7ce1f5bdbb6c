"""What a language model adds to the writing: one ledger, written by several writers, compared."""
