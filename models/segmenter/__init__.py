"""Anatomy segmenter: lungs, heart and clavicles as masks."""
