"""Words and marks of a report text, folded for matching, with their places in the original."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    r"[^\W\d_][^\W\d_\u0300-\u036f]*(?:[\u0300-\u036f]+[^\W\d_]*)*"  # a word, composed or not
    r"|\d+(?:[.,]\d+)?"  # a number, with point or decimal comma
    r"|[^\w\s]"  # one mark
    r"|\n",
    re.UNICODE,
)
_LONGEST_WORD: Final = 48
_MEMORY: Final = 1 << 16
_folded: dict[str, str] = {}


class Token(NamedTuple):
    """One word, number or mark: folded text and half-open character span in the original."""

    text: str
    start: int
    end: int


def fold(word: str) -> str:
    """Lower case without accents, cut at 48 characters (no term of the lexicon is longer)."""
    if word.isascii():
        return word.lower()[:_LONGEST_WORD]
    known = _folded.get(word)
    if known is None:
        spelled = unicodedata.normalize("NFKD", word[:_LONGEST_WORD])
        known = "".join(c for c in spelled if not unicodedata.combining(c)).lower()
        if len(_folded) >= _MEMORY:
            _folded.clear()
        _folded[word[:_LONGEST_WORD]] = known
    return known


def tokenize(text: str) -> list[Token]:
    """The words, numbers, marks and line ends of a text, in order. Linear in its length."""
    tokens = (
        Token(fold(found.group()), found.start(), found.end()) for found in _TOKEN.finditer(text)
    )
    return [token for token in tokens if token.text]
