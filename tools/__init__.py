"""The experts as agents see them: one file per expert, one contract, one registry."""
