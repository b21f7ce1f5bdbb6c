"""`readingroom export`: a draft as a file of another kind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from findings.errors import UserInputError

if TYPE_CHECKING:
    from imaging.study import StudyImage
    from reporting.draft import Draft

_FORMATS = ("txt", "md", "json", "docx", "pdf", "fhir", "sr", "png")
_OF_THE_STUDY = ("sr", "png")


@click.command()
@click.argument("draft", type=click.Path(path_type=Path))
@click.option(
    "--format", "wanted", type=click.Choice(_FORMATS), required=True, help="What to write."
)
@click.option("--study", type=click.Path(path_type=Path), help="The study; needed for sr and png.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write, or a folder for it.")
def export(draft: Path, wanted: str, study: Path | None, out: Path | None) -> None:
    """Write the DRAFT of a folder as plain text, Markdown, JSON, DOCX, PDF, FHIR, DICOM SR or PNG.

    A DICOM structured report (sr) refers to the study's DICOM files and carries their patient; no
    other format holds a patient identifier. With --study, DOCX and PDF show the film.
    """
    from reporting.exports import FORMATS, Format
    from reporting.exports import export as exported
    from reporting.files import DRAFT_FILE, read_draft, require_writable, write_atomically

    if study is None and wanted in _OF_THE_STUDY:
        raise click.UsageError(f"--format {wanted} needs --study: what the draft was made of.")
    kind = Format(wanted)
    read = read_draft(draft / DRAFT_FILE if draft.is_dir() else draft)
    folder = draft if draft.is_dir() else draft.parent
    target = out or folder
    if target.is_dir():
        target /= f"report{FORMATS[kind].suffix}"
    require_writable(target.absolute().parent)
    image = None if study is None else _film(study, read)
    content = exported(read, kind, image=image, source=study)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, content)
    click.echo(f"Written to {target}", err=True)


def _film(path: Path, draft: Draft) -> StudyImage:
    """The film that the draft is about. Raises `UserInputError` where the study is another."""
    from imaging.loading import load_study

    study = load_study(path)
    if study.study_key != draft.study_key:
        raise UserInputError(
            "The study is not the one that the draft is about: its pixels differ. Give the same "
            "file or folder that the draft was made of."
        )
    return study.frontal
