"""A report of a corpus, as every reader gives it: bounded, cleaned, with its patient hashed."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from enum import StrEnum
from typing import Final

from pydantic import Field

from findings.claims import Claim, Frozen
from findings.vocabulary import Finding, Language

LONGEST_TEXT: Final = 4000
"""Characters of a report that are kept; the longest real one has fewer than 2,500."""

_BLANK: Final = re.compile(r"\s+")
_SENTENCE_END: Final = re.compile(r"(?<=[.?!;])\s+")
_HEADING: Final = re.compile(r"^(?:findings|impression|conclusion)\s*:\s*", re.IGNORECASE)
_NOT_WORD: Final = re.compile(r"[\W_]+")
_MOST_SENTENCES: Final = 60


class ReportView(StrEnum):
    """Projections that a report may describe (the values of DICOM ViewPosition used here)."""

    PA = "PA"
    AP = "AP"
    LATERAL = "LATERAL"


class CorpusReport(Frozen):
    """One prior report."""

    report_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,80}$")
    source: str = Field(pattern=r"^[a-z0-9_-]{1,40}$", description="the corpus")
    language: Language
    text: str = Field(description="what is embedded: prose, or empty where there is none to show")
    display: str = Field(description="what a person is shown")
    views: tuple[ReportView, ...] = ()
    claims: tuple[Claim, ...] = Field(default=(), description="from the corpus's own labels")
    tags: tuple[str, ...] = Field(default=(), description="index terms; for measurements only")
    patient: str = Field(pattern=r"^[0-9a-f]{16}$", description="see `patient_key`")

    @property
    def labels(self) -> tuple[Finding, ...]:
        """The findings that the corpus's labels affirm, in the order given."""
        return tuple(dict.fromkeys(c.finding for c in self.claims if c.present))


def patient_key(source: str, patient_id: str) -> str:
    """A patient's key within a corpus: enough to keep the patient out, not to name them."""
    digest = hashlib.blake2b(f"{source}\x00{patient_id}".encode(), digest_size=8)
    return digest.hexdigest()


def clean(text: str) -> str:
    """Text of unknown origin as one printable line of at most `LONGEST_TEXT` characters.

    Control, format (bidirectional overrides, zero-width), private and unassigned characters go.
    """
    text = _BLANK.sub(" ", text[: 4 * LONGEST_TEXT])
    text = "".join(char for char in text if not unicodedata.category(char).startswith("C"))
    # What goes may have kept blanks, or a letter and its accent, apart.
    text = _BLANK.sub(" ", unicodedata.normalize("NFC", text))
    return text.strip()[:LONGEST_TEXT].rstrip()


def fold(text: str) -> str:
    """Words alone, lower case: equal for texts that differ in punctuation, case or spacing."""
    return _NOT_WORD.sub(" ", text.casefold()).strip()


def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a cleaned text that hold a word, without headings; at most sixty."""
    parts = (_HEADING.sub("", part.strip()) for part in _SENTENCE_END.split(text))
    return tuple(part for part in parts if fold(part))[:_MOST_SENTENCES]
