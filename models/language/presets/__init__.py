"""Presets of tuning runs as data: one TOML file per run."""
