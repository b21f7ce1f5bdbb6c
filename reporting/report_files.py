"""The text of a report file: plain text, DOCX, a DICOM structured report, or FHIR JSON.

Everything read is untrusted: sizes are bounded, nothing is executed, no entity is resolved.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from findings.errors import ReportError

if TYPE_CHECKING:
    from pydicom import Dataset

MOST_BYTES: Final = 4 * 2**20
_MOST_XML: Final = 16 * 2**20
_DEEPEST: Final = 32
_WORD: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRUCTURED_REPORTS: Final = "1.2.840.10008.5.1.4.1.1.88."


def read_report_file(path: Path) -> str:
    """The report's text, one line per paragraph; headings keep a colon.

    Raises:
        ReportError: the file cannot be opened, is too large, is of none of the four kinds, or
            holds no words.
    """
    text = _text_of(path)
    if not any(character.isalpha() for character in text):
        raise ReportError("The report holds no words. Give the file with the report's text.")
    return text


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ReportError("The report file is larger than 4 MB. Give the report's text alone.")
        content = path.read_bytes()
    except OSError:
        raise ReportError("The report file cannot be opened. Check the path.") from None
    if content[128:132] == b"DICM":
        return _structured_report(content)
    if content.startswith(b"PK\x03\x04"):
        return _docx(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ReportError(
            "The report is neither UTF-8 text, DOCX, a DICOM structured report nor FHIR JSON. "
            "Save it as plain text."
        ) from None
    return _fhir(text) if text.lstrip().startswith("{") else text


def _docx(content: bytes) -> str:
    """The paragraphs of a Word document (ECMA-376, part 1, 17.2)."""
    from xml.etree import ElementTree

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entry = archive.getinfo("word/document.xml")
            if entry.file_size > _MOST_XML:
                raise ReportError("The Word document is too large. Give the report's text alone.")
            xml = archive.read(entry)
        if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
            raise ReportError("The Word document declares entities, which no report needs.")
        root = ElementTree.fromstring(xml)
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, RuntimeError, OSError) as error:
        raise ReportError(
            f"The file is not a readable Word document ({type(error).__name__}). "
            "Save the report as plain text."
        ) from None
    paragraphs = root.iter(f"{_WORD}p")
    return "\n".join("".join(run.text or "" for run in p.iter(f"{_WORD}t")) for p in paragraphs)


def _structured_report(content: bytes) -> str:
    """The text items of a DICOM structured report, with their headings (PS3.3, A.35)."""
    import pydicom

    try:
        dataset = pydicom.dcmread(io.BytesIO(content))
        if not str(dataset.get("SOPClassUID", "")).startswith(_STRUCTURED_REPORTS):
            raise ReportError(
                "The DICOM file is no structured report. Give the report, not the image."
            )
        lines = list(_items(dataset, 0))
    except ReportError:
        raise
    except Exception as error:
        raise ReportError(
            f"The DICOM structured report cannot be read ({type(error).__name__}). "
            "Save the report as plain text."
        ) from None
    if not lines:
        raise ReportError("The DICOM structured report holds no text.")
    return "\n".join(lines)


def _items(dataset: Dataset, depth: int) -> Iterator[str]:
    for item in dataset.get("ContentSequence", ()) if depth < _DEEPEST else ():
        names = item.get("ConceptNameCodeSequence", ())
        heading = str(names[0].get("CodeMeaning", "")) if len(names) else ""
        kind = str(item.get("ValueType", ""))
        if kind == "CONTAINER" and heading:
            yield f"{heading}:"
        elif kind == "TEXT":
            yield str(item.get("TextValue", ""))
        elif kind == "CODE":
            codes = item.get("ConceptCodeSequence", ())
            yield f"{heading}: {codes[0].get('CodeMeaning', '')}" if len(codes) else heading
        yield from _items(item, depth + 1)


class _Words(HTMLParser):
    """Text of a fragment of HTML, a line per element; scripts and styles left out."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if self._hidden <= 0:
            self.parts.append(data)


def _fhir(text: str) -> str:
    """The text of a FHIR DiagnosticReport (R4), alone or the first of a bundle.

    Its attached plain text wins over its narrative, that over its conclusion alone.
    """
    try:
        resource = json.loads(text)
    except (ValueError, RecursionError):
        raise ReportError(
            "The file begins like JSON and is none. Give the report's text."
        ) from None
    report = _diagnostic_report(resource)
    if report is None:
        raise ReportError("The JSON file holds no FHIR DiagnosticReport.")
    for form in _dictionaries(report.get("presentedForm")):
        if str(form.get("contentType", "")).startswith("text/plain"):
            try:
                return base64.b64decode(str(form.get("data", "")), validate=True).decode("utf-8")
            except (binascii.Error, UnicodeDecodeError):
                continue
    narrative = report.get("text")
    if isinstance(narrative, dict) and isinstance(narrative.get("div"), str):
        words = _Words()
        words.feed(narrative["div"])
        found = re.sub(r"[ \t]*\n\s*", "\n", "".join(words.parts)).strip()
        if found:
            return found
    conclusion = report.get("conclusion")
    if isinstance(conclusion, str) and conclusion.strip():
        return f"Impression:\n{conclusion}"
    raise ReportError("The FHIR DiagnosticReport holds no text.")


def _diagnostic_report(resource: Any) -> dict[str, Any] | None:
    if not isinstance(resource, dict):
        return None
    if resource.get("resourceType") == "DiagnosticReport":
        return resource
    for entry in _dictionaries(resource.get("entry")):
        found = entry.get("resource")
        if isinstance(found, dict) and found.get("resourceType") == "DiagnosticReport":
            return found
    return None


def _dictionaries(value: Any) -> Iterator[dict[str, Any]]:
    yield from (
        item for item in (value if isinstance(value, list) else ()) if isinstance(item, dict)
    )
