"""The report as a file of another kind: text, documents, and the standards of hospital systems.

Every export says that it is AI-generated and unverified until signed, names the algorithms with
their versions, and holds no patient identifier, except a DICOM structured report, which must carry
those of the images it is about to be filed with them.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Final

from findings.claims import Frozen
from findings.errors import UserInputError
from imaging.study import StudyImage
from reporting.draft import Draft


class Format(StrEnum):
    """What a report may be exported as."""

    TEXT = "txt"
    MARKDOWN = "md"
    JSON = "json"
    DOCX = "docx"
    PDF = "pdf"
    FHIR = "fhir"
    SR = "sr"
    OVERLAY = "png"


class Kind(Frozen):
    """What a format is called, and how its files end."""

    label: str
    suffix: str
    media_type: str
    needs: str = ""
    """What must be given besides the draft: `image` or `source`."""


FORMATS: Final[dict[Format, Kind]] = {
    Format.TEXT: Kind(label="Plain text", suffix=".txt", media_type="text/plain"),
    Format.MARKDOWN: Kind(label="Markdown", suffix=".md", media_type="text/markdown"),
    Format.JSON: Kind(label="JSON, the whole draft", suffix=".json", media_type="application/json"),
    Format.DOCX: Kind(
        label="Word (DOCX)",
        suffix=".docx",
        media_type="application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    Format.PDF: Kind(label="PDF", suffix=".pdf", media_type="application/pdf"),
    Format.FHIR: Kind(
        label="FHIR DiagnosticReport (R4)",
        suffix=".fhir.json",
        media_type="application/fhir+json",
    ),
    Format.SR: Kind(
        label="DICOM structured report (TID 1500)",
        suffix=".sr.dcm",
        media_type="application/dicom",
        needs="source",
    ),
    Format.OVERLAY: Kind(
        label="Film with marks (PNG)", suffix=".png", media_type="image/png", needs="image"
    ),
}


def export(
    draft: Draft, wanted: Format, image: StudyImage | None = None, source: Path | None = None
) -> bytes:
    """The draft in one format.

    Args:
        image: the frontal film; drawn in the PDF and the Word document where it is given.
        source: the study's DICOM file or folder, which a structured report refers to.

    Raises:
        UserInputError: the format needs a film or a DICOM study, and none was given.
    """
    if wanted is Format.TEXT:
        from reporting.exports.content import algorithms
        from reporting.render import report_text, signed_by

        foot = [line for line in (signed_by(draft), "; ".join(algorithms(draft))) if line]
        return "\n".join((report_text(draft), *foot, "")).encode("utf-8")
    if wanted is Format.MARKDOWN:
        from reporting.render import report_markdown

        return report_markdown(draft).encode("utf-8")
    if wanted is Format.JSON:
        from reporting.files import draft_json

        return draft_json(draft).encode("utf-8")
    if wanted is Format.DOCX:
        from reporting.exports.docx import docx

        return docx(draft, image)
    if wanted is Format.PDF:
        from reporting.exports.pdf import pdf

        return pdf(draft, image)
    if wanted is Format.FHIR:
        from reporting.exports.fhir import diagnostic_report

        return diagnostic_report(draft)
    if wanted is Format.SR:
        from reporting.exports.structured import structured_report

        return structured_report(draft, source, image)
    from reporting.overlay import overlay_png

    if image is None:
        raise UserInputError("The film is needed to draw on. Give the study.")
    return overlay_png(image, draft)
