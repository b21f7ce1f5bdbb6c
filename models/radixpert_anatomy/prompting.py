"""The prompt of Radixpert's second version, with or without reports of similar images."""

from __future__ import annotations

from collections.abc import Sequence

from findings.vocabulary import Language
from models.reports.prompts import REPORT_PROMPT, SIMILAR


def prompt_with(reports: Sequence[str], language: Language, most_words: int) -> str:
    """The request, after reports of similar images where there are any, each cut."""
    examples = [
        f"{SIMILAR[language]} {' '.join(report.split()[:most_words])}\n" for report in reports
    ]
    return "".join(examples) + REPORT_PROMPT[language]
