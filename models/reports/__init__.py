"""What the report models of the papers share: cases, encoders, prefixes, training, checkpoints."""
