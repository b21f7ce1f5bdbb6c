"""The text that a language model wrote, as report sentences."""

from __future__ import annotations

import re
from typing import Final

_END: Final = re.compile(r"(?<=[.!?])\s+")
_SPACED_STOP: Final = re.compile(r"\s+([.,;:!?])")
_MOST_SENTENCES: Final = 40


def tidy(text: str) -> str:
    """One line with single spaces, stops close to their words, each sentence capitalised."""
    joined = _SPACED_STOP.sub(r"\1", " ".join(text.split()))
    parts = (part for part in _END.split(joined) if part.strip(" .!?"))
    return " ".join(part[0].upper() + part[1:] for part in parts)


def split_report(text: str) -> tuple[str, ...]:
    """The sentences of a written report, each with its full stop.

    What breaks off at the end without one, and a sentence that was written before, are left out.
    """
    found = _END.split(tidy(text))
    whole = [part for part in found if part.endswith((".", "!", "?")) and len(part) > 1]
    return tuple(dict.fromkeys(whole))[:_MOST_SENTENCES]
