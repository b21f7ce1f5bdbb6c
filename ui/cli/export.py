"""`readingroom export`: a draft as a file of another kind."""

from __future__ import annotations

from pathlib import Path

import click

_FORMATS = ("txt", "md", "json", "docx", "pdf", "fhir", "sr", "png")


@click.command()
@click.argument("draft", type=click.Path(path_type=Path))
@click.option(
    "--format", "wanted", type=click.Choice(_FORMATS), required=True, help="What to write."
)
@click.option("--study", type=click.Path(path_type=Path), help="The study; needed for sr and png.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write.")
def export(draft: Path, wanted: str, study: Path | None, out: Path | None) -> None:
    """Write the DRAFT of a folder as plain text, Markdown, JSON, DOCX, PDF, FHIR, DICOM SR or PNG.

    A DICOM structured report (sr) refers to the study's DICOM files and carries their patient; no
    other format holds a patient identifier. With --study, DOCX and PDF show the film.
    """
    from imaging.loading import load_study
    from reporting.exports import FORMATS, Format
    from reporting.exports import export as exported
    from reporting.files import DRAFT_FILE, read_draft, write_atomically

    kind = Format(wanted)
    read = read_draft(draft / DRAFT_FILE if draft.is_dir() else draft)
    image = load_study(study).frontal if study is not None else None
    content = exported(read, kind, image=image, source=study)
    folder = draft if draft.is_dir() else draft.parent
    target = out or folder / f"report{FORMATS[kind].suffix}"
    write_atomically(target, content)
    click.echo(f"Written to {target}", err=True)
