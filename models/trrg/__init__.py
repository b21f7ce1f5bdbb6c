"""TRRG: a frozen language model is shown a film and the disease clues nearest to it.

"TRRG: Towards Truthful Radiology Report Generation With Cross-modal Disease Clue Enhanced Large
Language Models". Its first stage is `models.clues`; here is the second.
"""
