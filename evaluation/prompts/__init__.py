"""Prompts of the evaluations that ask a language model, as versioned data."""
