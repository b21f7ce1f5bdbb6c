"""Causal language models: loading them by name, folder or address, and adapters on them."""
