"""Radixpert, second version: anatomy-guided dual frozen branch and a LoRA decoder."""
