"""Form: whether a model's text is one plain sentence, before anyone reads what it says."""

from __future__ import annotations

import re
from typing import Final

from findings.vocabulary import Language

_ALLOWED: Final = re.compile(r"[A-Za-z0-9 ,()%./'’\-áéíóúüñÁÉÍÓÚÜÑ]+")
_SENTENCE_END: Final = re.compile(r"[.!?](?=\s+\S)")
_CUES: Final = {
    Language.ENGLISH: re.compile(r"\b(possibl[ey]|probabl[ey]|likely|may|might|could)\b", re.I),
    Language.SPANISH: re.compile(r"\b(posibles?|probables?|podría|puede)\b", re.I),
}
_GROWTH: Final = 2.0
_SLACK: Final = 40


def ill_formed(text: str, original: str, language: Language) -> str | None:
    """What is wrong with the form of a rewording, in words; `None` where nothing is.

    One sentence of Latin letters, digits and few marks (no colon, which would open a section) that
    begins with a capital, ends with a full stop, is not much longer than the original and hedges at
    most once.
    """
    if not text or not _ALLOWED.fullmatch(text):
        return "It is not plain text."
    if "://" in text or "www." in text.lower() or "@" in text:
        return "It holds an address."
    if not text[0].isupper() or not text.endswith("."):
        return "It is not a whole sentence."
    if _SENTENCE_END.search(re.sub(r"\d\.\d", "0", text)):
        return "It is more than one sentence."
    if len(text) > _GROWTH * len(original) + _SLACK:
        return "It is too long."
    if len(_CUES[language].findall(text)) > 1:
        return "It says twice how sure it is."
    return None
