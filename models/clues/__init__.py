"""Clue retriever: radiographs and sentences in one space, and the disease clues nearest an image.

Stage 1 of TRRG (sentence-level contrastive training) and its clue prompts.
"""
