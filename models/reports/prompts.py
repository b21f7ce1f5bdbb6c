"""What a language model is asked for, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from findings.vocabulary import Language

REPORT_PROMPT: Final[Mapping[Language, str]] = {
    Language.ENGLISH: "Report of this chest radiograph:",
    Language.SPANISH: "Informe de esta radiografía de tórax:",
}
"""Stands right before the report; short, since every word costs a small machine time."""

SIMILAR: Final[Mapping[Language, str]] = {
    Language.ENGLISH: "Report of a similar radiograph:",
    Language.SPANISH: "Informe de una radiografía similar:",
}
