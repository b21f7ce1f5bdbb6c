"""The words of a report as the metrics count them."""

from __future__ import annotations

import re
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+(?:[-'/.,](?=\w)[^\W_]+)*")


def words(text: str) -> list[str]:
    """Lower-case words in order; punctuation is left out, as COCO's caption evaluation does.

    A hyphen, apostrophe, slash, comma or full stop stays inside a word or number ("right-sided",
    "1.5").
    """
    return _WORD.findall(text.lower())


def joined(text: str) -> str:
    """The words with one space between, for libraries that split at spaces."""
    return " ".join(words(text))
