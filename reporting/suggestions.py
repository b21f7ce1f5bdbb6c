"""Proposed wording for a line of a review: the report's own sentence mended, or a new one."""

from __future__ import annotations

import re
from typing import Final

from findings.claims import Measurement
from findings.vocabulary import Language, Side
from reporting.entailment import decimals
from reporting.ledger import Ledger, LedgerEntry
from reporting.planning import plan_findings
from reporting.wording import Wording

_SIDE_WORDS: Final[tuple[tuple[str, str], ...]] = (
    ("left", "right"),
    ("left-sided", "right-sided"),
    ("izquierdo", "derecho"),
    ("izquierda", "derecha"),
    ("izquierdos", "derechos"),
    ("izquierdas", "derechas"),
)
_LEFT_TO_RIGHT: Final = dict(_SIDE_WORDS)
_RIGHT_TO_LEFT: Final = {right: left for left, right in _SIDE_WORDS}
_REMOVE: Final = {
    Language.ENGLISH: "Remove, or confirm on the image: “{text}”",
    Language.SPANISH: "Suprimir, o confirmar en la imagen: «{text}»",
}


def state(entry: LedgerEntry, language: Language) -> str | None:
    """The phraser's sentence for one entry of the ledger; `None` where it says nothing of it."""
    statements = plan_findings(Ledger(entries=(entry,)), has_prior=False)
    return Wording(language).sentence(statements[0]) if statements else None


def with_side(text: str, wrong: Side | None, right: Side | None) -> str | None:
    """The sentence with its side turned; `None` where it names both sides or none."""
    if {wrong, right} != {Side.LEFT, Side.RIGHT}:
        return None
    table = _LEFT_TO_RIGHT if wrong is Side.LEFT else _RIGHT_TO_LEFT
    other = _RIGHT_TO_LEFT if wrong is Side.LEFT else _LEFT_TO_RIGHT
    words = re.findall(r"[\w-]+", text.lower())
    if not any(word in table for word in words) or any(word in other for word in words):
        return None

    def turned(match: re.Match[str]) -> str:
        word = match[0]
        found = table.get(word.lower())
        if found is None:
            return word
        return found.capitalize() if word[0].isupper() else found

    return re.sub(r"[\w-]+", turned, text)


def with_number(text: str, wrong: Measurement, right: Measurement) -> str | None:
    """The sentence with the measured number in place of its own; `None` where units differ."""
    if wrong.unit != right.unit:
        return None
    for shown in {f"{wrong.value:g}", f"{wrong.value:.1f}", f"{wrong.value:.2f}"}:
        for printed in (shown, shown.replace(".", ",")):
            pattern = rf"(?<![\d.,]){re.escape(printed)}(?![\d]|[.,]\d)"
            if re.search(pattern, text):
                new = f"{right.value:.{decimals(right)}f}"
                new = new.replace(".", ",") if "," in printed else new
                return re.sub(pattern, new, text, count=1)
    return None


def remove(text: str, language: Language) -> str:
    """The advice to take a sentence out unless a person sees it on the image."""
    return _REMOVE[language].format(text=text)
