"""The report as a Word document."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from imaging.study import StudyImage
from reporting.draft import Draft
from reporting.exports.content import Table, algorithms, content_of

if TYPE_CHECKING:
    from docx.document import Document

_UNDATED = datetime(1980, 1, 1, tzinfo=UTC)


def docx(draft: Draft, image: StudyImage | None) -> bytes:
    """The document; with the film and its marks where it is given.

    The same draft gives the same bytes: the document carries no date of its own.
    """
    import docx as word
    from docx.shared import Cm, Pt

    content = content_of(draft)
    document = word.Document()
    document.styles["Normal"].font.size = Pt(10.5)
    document.add_heading(content.title, level=0)
    document.add_paragraph().add_run(content.notice).bold = True
    document.add_paragraph(content.meta)
    if content.signed:
        document.add_paragraph(content.signed)
    for section in content.sections:
        document.add_heading(f"{section.heading}:", level=1)
        for paragraph in section.paragraphs:
            line = document.add_paragraph()
            if paragraph.lead:
                line.add_run(f"{paragraph.lead}. ").bold = True
            line.add_run(paragraph.text)
    if content.limits.texts:
        document.add_heading(content.limits.heading, level=1)
    for text in content.limits.texts:
        document.add_paragraph(text)
    if image is not None:
        from reporting.overlay import overlay_png

        document.add_picture(io.BytesIO(overlay_png(image, draft)), width=Cm(16))
    for table in content.tables:
        _table(document, table)
    properties = document.core_properties
    properties.title, properties.author = content.title, "Reading Room"
    properties.comments = "; ".join((content.notice, *algorithms(draft)))[:255]
    properties.created = properties.modified = _UNDATED
    properties.last_modified_by = ""
    stream = io.BytesIO()
    document.save(stream)
    return _undated(stream.getvalue())


def _undated(content: bytes) -> bytes:
    """The archive with no time of its own, so that the same draft gives the same bytes."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            part = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            part.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(part, old.read(name))
    return stream.getvalue()


def _table(document: Document, table: Table) -> None:
    from docx.shared import Pt

    document.add_heading(table.heading, level=2)
    grid = document.add_table(rows=1, cols=len(table.columns), style="Light Grid Accent 1")
    for cell, text in zip(grid.rows[0].cells, table.columns, strict=True):
        cell.text = text
    for row in table.rows:
        for cell, text in zip(grid.add_row().cells, row, strict=True):
            cell.text = text
    for line in grid.rows:
        for cell in line.cells:
            for paragraph in cell.paragraphs:
                for run in paragraph.runs:
                    run.font.size = Pt(8.5)
