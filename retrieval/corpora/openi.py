"""Open-i: the Indiana University chest radiograph reports (Demner-Fushman et al., JAMIA 2016)."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.parsers import expat

from findings.errors import IndexUnavailableError
from findings.vocabulary import Language
from retrieval.corpora.report import CorpusReport, ReportView, clean, patient_key

SOURCE: Final = "openi"
ARCHIVE: Final = "NLMCXR_reports.tgz"

_MOST_BYTES: Final = 1 << 20
_MOST_FILES: Final = 50_000
_REMOVED: Final = re.compile(r"\bX{3,}(?:-X{3,})*\b")
_FRONTAL: Final = re.compile(r"\b(?:pa|frontal|2v|two[ -](?:\(2\) )?views?|2[ -]views?)\b", re.I)
_PORTABLE: Final = re.compile(r"\b(?:ap|portable)\b", re.I)
_LATERAL: Final = re.compile(r"\b(?:lat|lateral|2v|two[ -](?:\(2\) )?views?|2[ -]views?)\b", re.I)


def read_openi(source: Path) -> Iterator[CorpusReport]:
    """Every report with text, in the order of the archive.

    `source` is the archive of XML files as published, or a folder of them. A file that is not
    well-formed, declares a document type or entities, or has no text, is left out.

    Raises `IndexUnavailableError` where `source` cannot be read at all.
    """
    for content in _contents(source):
        report = _parse(content)
        if report is not None:
            yield report


def _contents(source: Path) -> Iterator[bytes]:
    try:
        if source.is_dir():
            for path in sorted(source.rglob("*.xml"))[:_MOST_FILES]:
                if path.stat().st_size <= _MOST_BYTES:
                    yield path.read_bytes()
            return
        with tarfile.open(source, "r|gz") as archive:
            for count, member in enumerate(archive):
                if count >= _MOST_FILES:
                    return
                if member.isfile() and member.size <= _MOST_BYTES:
                    stream = archive.extractfile(member)
                    if stream is not None:
                        yield stream.read()
    except (OSError, tarfile.TarError, EOFError) as error:
        raise IndexUnavailableError(
            "The Open-i reports cannot be read; the file is absent or damaged. "
            "Run 'readingroom models pull report-corpora'."
        ) from error


class _UnwantedDeclarationError(Exception):
    """The document declares what no report needs."""


class _Reader:
    """Collects the few elements that matter; document types and entities are refused."""

    def __init__(self) -> None:
        self.sections: dict[str, str] = {}
        self.captions: list[str] = []
        self.identifier = ""
        self._label: str | None = None
        self.terms: list[str] = []
        self._inside = ""
        self._text: list[str] = []

    def parse(self, content: bytes) -> None:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.Parse(content, True)

    def _refuse(self, *_: object) -> None:
        raise _UnwantedDeclarationError

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "AbstractText":
            self._label = attributes.get("Label", "").upper()
        elif name == "uId":
            self.identifier = attributes.get("id", "")
        self._inside = name
        self._text = []

    def _end(self, name: str) -> None:
        if name == "AbstractText" and self._label is not None:
            self.sections[self._label] = clean("".join(self._text))
            self._label = None
        elif name == "caption":
            self.captions.append("".join(self._text))
        elif name == "major":
            self.terms.append(clean("".join(self._text)))
        self._inside = ""

    def _characters(self, text: str) -> None:
        if self._label is not None or self._inside in ("caption", "major"):
            self._text.append(text)


def _parse(content: bytes) -> CorpusReport | None:
    reader = _Reader()
    try:
        reader.parse(content)
    except (expat.ExpatError, _UnwantedDeclarationError, UnicodeError):
        return None
    if not re.fullmatch(r"CXR[0-9]{1,8}", reader.identifier):
        return None
    findings = _prettify(reader.sections.get("FINDINGS", ""))
    impression = _prettify(reader.sections.get("IMPRESSION", ""))
    text = clean(f"{findings} {impression}")
    if not text:
        return None
    parts = (("Findings", findings), ("Impression", impression))
    return CorpusReport(
        report_id=f"{SOURCE}-{reader.identifier}",
        source=SOURCE,
        language=Language.ENGLISH,
        text=text,
        display=clean(" ".join(f"{name}: {part}" for name, part in parts if part)),
        views=_views(" ".join(reader.captions)),
        tags=tuple(dict.fromkeys(reader.terms)),
        # The collection holds one examination of each patient.
        patient=patient_key(SOURCE, reader.identifier),
    )


def _prettify(text: str) -> str:
    """Show words that de-identification took out as an ellipsis, and drop numbering."""
    text = _REMOVED.sub("…", text)
    return re.sub(r"(?:^|(?<=\s))[0-9]{1,2}[.)]\s+(?=[A-Z])", "", text)


def _views(caption: str) -> tuple[ReportView, ...]:
    views = []
    if _FRONTAL.search(caption):
        views.append(ReportView.PA)
    elif _PORTABLE.search(caption):
        views.append(ReportView.AP)
    if _LATERAL.search(caption):
        views.append(ReportView.LATERAL)
    return tuple(views)
