"""Readers of public report corpora, one module each, all giving `CorpusReport`."""
