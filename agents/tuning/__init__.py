"""Tuning data: what the language models that word a draft are taught, made of real reports."""
