"""A report that somebody wrote, read into sections, sentences and claims."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from findings.claims import Claim, Frozen
from findings.errors import ReportError
from findings.labeler import ReportLabeler, detect_language
from findings.vocabulary import Language
from reporting.draft import SectionName

MOST_CHARACTERS: Final = 100_000

_HEADINGS: Final[dict[SectionName, tuple[str, ...]]] = {
    SectionName.INDICATION: (
        "indication",
        "history",
        "clinical history",
        "clinical information",
        "reason for exam",
        "indicación",
        "información clínica",
        "datos clínicos",
        "motivo",
    ),
    SectionName.TECHNIQUE: ("technique", "procedure", "examination", "exam", "técnica"),
    SectionName.COMPARISON: ("comparison", "comparisons", "comparación", "estudios previos"),
    SectionName.FINDINGS: ("findings", "hallazgos", "descripción", "informe"),
    SectionName.IMPRESSION: (
        "impression",
        "conclusion",
        "opinion",
        "impresión",
        "impresión diagnóstica",
        "conclusión",
        "juicio diagnóstico",
    ),
}
_SECTION_OF: Final = {name: section for section, names in _HEADINGS.items() for name in names}
_HEADING: Final = re.compile(
    r"(?im)^[ \t#*]*(" + "|".join(sorted(map(re.escape, _SECTION_OF), key=len, reverse=True)) + r")"
    r"[ \t*]*(?::[ \t*]*|$)"
)
_NOTHING_TO_COMPARE: Final = re.compile(
    r"(?i)\b(none|no (prior|previous|comparison)|not available|unavailable|n/?a|ningun[oa]|sin "
    r"estudios?)\b"
)


class ReadSentence(Frozen):
    """One sentence of the report, the section it stands in and what it claims."""

    section: SectionName
    text: str
    claims: tuple[Claim, ...] = ()


class ExistingReport(Frozen):
    """A whole report. Text before the first heading counts as findings."""

    language: Language
    sentences: tuple[ReadSentence, ...]

    @property
    def compares(self) -> bool:
        """Whether it refers to an earlier study: by its comparison section or by a change."""
        return any(
            sentence.section is SectionName.COMPARISON
            and not _NOTHING_TO_COMPARE.search(sentence.text)
            for sentence in self.sentences
        ) or any(claim.change is not None for s in self.sentences for claim in s.claims)


def read_report(text: str, language: Language | None = None) -> ExistingReport:
    """Read a report; its language is guessed where none is given.

    Sentences of the indication, technique and comparison sections claim nothing.

    Raises:
        ReportError: the text is empty or longer than any report.
    """
    if not text.strip():
        raise ReportError("The report is empty. Give a file with the report's text.")
    if len(text) > MOST_CHARACTERS:
        raise ReportError(
            f"The report has more than {MOST_CHARACTERS:,} characters, which no chest report has. "
            "Give the report of this one study."
        )
    language = language or detect_language(text)
    labeler = ReportLabeler(language)
    sentences = []
    for section, part in _sections(text):
        claiming = section in (SectionName.FINDINGS, SectionName.IMPRESSION)
        for sentence in labeler.label(part):
            claims = tuple(claim.without_span() for claim in sentence.claims) if claiming else ()
            words = " ".join(sentence.text.split())
            if words:
                sentences.append(ReadSentence(section=section, text=words, claims=claims))
    return ExistingReport(language=language, sentences=tuple(sentences))


def _sections(text: str) -> Iterator[tuple[SectionName, str]]:
    section, start = SectionName.FINDINGS, 0
    for heading in _HEADING.finditer(text):
        yield section, text[start : heading.start()]
        section, start = _SECTION_OF[heading[1].lower()], heading.end()
    yield section, text[start:]
