"""The report as a PDF for printing: black on white, its font inside, tagged with its language."""

from __future__ import annotations

import io
from importlib import resources
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

from imaging.study import StudyImage
from reporting.draft import Draft
from reporting.exports.content import Content, Table, algorithms, content_of

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

_FONT: Final = "ReportSans"


def pdf(draft: Draft, image: StudyImage | None) -> bytes:
    """The document; with the film and its marks where it is given.

    The same draft gives the same bytes: the document carries no date of its own. Texts are put in
    escaped, so that none of them is read as markup.
    """
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer

    content = content_of(draft)
    styles = _styles()

    def line(text: str, style: str) -> Paragraph:
        return Paragraph(text, styles[style])

    story: list[Flowable] = [
        line(escape(content.title), "title"),
        line(escape(content.notice), "notice"),
        line(escape(content.meta), "small"),
    ]
    if content.signed:
        story.append(line(escape(content.signed), "text"))
    for section in content.sections:
        story.append(line(f"{escape(section.heading)}:", "heading"))
        for part in section.paragraphs:
            lead = f"{escape(part.lead)}. " if part.lead else ""
            story.append(line(f"{lead}{escape(part.text)}", "text"))
    if content.limits.texts:
        story.append(line(escape(content.limits.heading), "heading"))
    story += [line(escape(text), "text") for text in content.limits.texts]
    if image is not None:
        story += [Spacer(0, 4 * mm), _film(draft, image)]
    for table in content.tables:
        story += _table(table, styles)
    stream = io.BytesIO()
    document = SimpleDocTemplate(
        stream,
        pagesize=A4,
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=18 * mm,
        bottomMargin=20 * mm,
        title=content.title,
        author="Reading Room",
        subject=content.notice,
        keywords=", ".join(algorithms(draft)),
        lang=draft.language.value,
        invariant=1,
    )

    def foot(canvas: Any, page: Any) -> None:
        canvas.saveState()
        canvas.setFont(_FONT, 7)
        canvas.drawString(20 * mm, 11 * mm, _shortened(content))
        canvas.drawRightString(190 * mm, 11 * mm, str(page.page))
        canvas.restoreState()

    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return stream.getvalue()


def _shortened(content: Content) -> str:
    return content.notice if len(content.notice) <= 130 else content.notice[:129] + "…"


def _styles() -> dict[str, Any]:
    from reportlab.lib.colors import HexColor
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    if _FONT not in pdfmetrics.getRegisteredFontNames():
        font = resources.files("reporting").joinpath("data", "fonts", "DejaVuSans-latin.ttf")
        pdfmetrics.registerFont(TTFont(_FONT, io.BytesIO(font.read_bytes())))
    text = ParagraphStyle("text", fontName=_FONT, fontSize=10, leading=14, spaceAfter=4)
    return {
        "text": text,
        "title": ParagraphStyle("title", text, fontSize=17, leading=22, spaceAfter=6),
        "notice": ParagraphStyle("notice", text, fontSize=9, textColor=HexColor("#8a1f11")),
        "small": ParagraphStyle("small", text, fontSize=8, leading=11),
        "cell": ParagraphStyle("cell", text, fontSize=7, leading=9, spaceAfter=0),
        "heading": ParagraphStyle("heading", text, fontSize=12, leading=16, spaceBefore=8),
    }


def _film(draft: Draft, image: StudyImage) -> Flowable:
    from PIL import Image as PillowImage
    from reportlab.lib.units import mm
    from reportlab.platypus import Image

    from reporting.overlay import overlay_png

    content = overlay_png(image, draft)
    with PillowImage.open(io.BytesIO(content)) as picture:
        width, height = picture.size
    scale = min(170 * mm / width, 150 * mm / height)
    return Image(io.BytesIO(content), width=width * scale, height=height * scale)


def _table(table: Table, styles: dict[str, Any]) -> list[Flowable]:
    from reportlab.lib.colors import HexColor
    from reportlab.lib.units import mm
    from reportlab.platypus import LongTable, Paragraph, TableStyle

    rows = [
        [Paragraph(escape(text), styles["cell"]) for text in row]
        for row in (table.columns, *table.rows)
    ]
    grid = LongTable(rows, colWidths=[170 * mm / len(table.columns)] * len(table.columns))
    grid.repeatRows = 1
    grid.setStyle(
        TableStyle(
            [
                ("GRID", (0, 0), (-1, -1), 0.3, HexColor("#9aa5ad")),
                ("BACKGROUND", (0, 0), (-1, 0), HexColor("#e8eef2")),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("TOPPADDING", (0, 0), (-1, -1), 2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
            ]
        )
    )
    return [Paragraph(escape(table.heading), styles["heading"]), grid]
