"""Radixpert, first version: hierarchical cross-modal fusion and selective cross-modal tuning."""
