"""`readingroom label`: the report labeler on its own, one JSON object per line of text."""

from __future__ import annotations

from typing import TextIO

import click

from findings.errors import ReportError


@click.command()
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
@click.option("--language", type=click.Choice(["en", "es"]), default="en", show_default=True)
def label(file: TextIO, language: str) -> None:
    """Read claims out of FILE (or - for standard input), one JSON object per line of it."""
    from findings.labeler import label_line
    from findings.vocabulary import Language

    try:
        for line in file:
            text = line.rstrip("\r\n")
            click.echo(label_line(text, Language(language)).model_dump_json())
    except UnicodeDecodeError:
        raise ReportError(
            "The file is not UTF-8 text, so no report can be read in it. Save it as plain text."
        ) from None
