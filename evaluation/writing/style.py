"""Measures of style that need no reference: readability, length and repetition."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from findings.vocabulary import Language

_SENTENCE: Final = re.compile(r"(?<!\d)[.!?](?:\s|$)")
_WORD: Final = re.compile(r"[a-záéíóúüñ]+", re.IGNORECASE)
_VOWELS: Final = re.compile(r"[aeiouyáéíóúü]+", re.IGNORECASE)
_GRAM: Final = 4


def reading_ease(text: str, language: Language) -> float:
    """Flesch's reading ease (1948); in Spanish as fitted by Fernández Huerta (1959).

    From 0 (hard) to 100 (easy), and beyond for very short sentences. Syllables are counted as
    groups of vowels, an English final "e" not. 0 for a text without words.
    """
    words = _WORD.findall(text)
    sentences = max(1, len(_SENTENCE.findall(text)))
    if not words:
        return 0.0
    syllables = sum(_syllables(word, language) for word in words) / len(words)
    length = len(words) / sentences
    if language is Language.SPANISH:
        return 206.84 - 60.0 * syllables - 1.02 * length
    return 206.835 - 84.6 * syllables - 1.015 * length


def words_per_sentence(text: str) -> float:
    """Mean length of a sentence in words."""
    return len(_WORD.findall(text)) / max(1, len(_SENTENCE.findall(text)))


def repetition(sentences: Sequence[str]) -> float:
    """Share of runs of four words, within sentences, that stood in the text before."""
    grams: Counter[tuple[str, ...]] = Counter()
    for sentence in sentences:
        words = [word.lower() for word in _WORD.findall(sentence)]
        grams.update(tuple(words[i : i + _GRAM]) for i in range(len(words) - _GRAM + 1))
    total = sum(grams.values())
    return (total - len(grams)) / total if total else 0.0


def _syllables(word: str, language: Language) -> int:
    groups = len(_VOWELS.findall(word))
    silent = language is Language.ENGLISH and word.lower().endswith("e") and groups > 1
    return max(1, groups - silent)
