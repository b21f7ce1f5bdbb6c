"""Prompts as data: one versioned TOML file per back end."""
