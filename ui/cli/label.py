"""`readingroom label`: the report labeler on its own, one JSON object per line of text."""

from __future__ import annotations

from typing import TextIO

import click


@click.command()
@click.argument("file", type=click.File("r", encoding="utf-8", errors="replace"))
@click.option("--language", type=click.Choice(["en", "es"]), default="en", show_default=True)
def label(file: TextIO, language: str) -> None:
    """Read claims out of FILE (or - for standard input), one JSON object per line of it."""
    from findings.labeler import label_line
    from findings.vocabulary import Language

    for line in file:
        text = line.rstrip("\r\n")
        click.echo(label_line(text, Language(language)).model_dump_json())
