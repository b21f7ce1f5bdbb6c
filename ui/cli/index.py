"""`readingroom index`: the index of similar prior reports."""

from __future__ import annotations

import click

from findings.errors import UserInputError
from ui.cli.progress import transfer_progress


@click.group()
def index() -> None:
    """Build, search and describe the index of similar prior reports."""


@index.command()
@click.option(
    "--language",
    "languages",
    type=click.Choice(["en", "es"]),
    multiple=True,
    help="Corpora of these languages only (default: all).",
)
def build(languages: tuple[str, ...]) -> None:
    """Build the index; the old one stays in use until the new one is complete."""
    from agents.settings import load_settings
    from findings.vocabulary import Language
    from retrieval.build import build_from_cache

    settings = load_settings()
    chosen = tuple(Language(code) for code in languages or ("en", "es"))
    with transfer_progress("index") as progress:
        info = build_from_cache(settings.cache_dir, settings.index_dir, chosen, progress)
    click.echo(info.summary())


@index.command()
@click.argument("text")
@click.option("--language", type=click.Choice(["en", "es"]), default="en", show_default=True)
@click.option("-k", "count", type=click.IntRange(1, 50), default=5, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def search(text: str, language: str, count: int, as_json: bool) -> None:
    """Find the prior reports most like TEXT."""
    from pydantic import ValidationError

    from agents.settings import load_settings
    from findings.vocabulary import Language
    from retrieval.index import Query, ReportIndex

    settings = load_settings()
    try:
        query = Query(
            text=text.strip() or None,
            language=Language(language),
            k=count,
            floor=settings.retrieval.floor,
        )
    except ValidationError:
        raise UserInputError(
            "The text to search for is empty or far too long. Describe a finding or a report."
        ) from None
    reports = ReportIndex.open(settings.index_dir, settings.cache_dir)
    for hit in reports.search(query):
        if as_json:
            click.echo(hit.model_dump_json())
        else:
            click.echo(f"{hit.similarity:5.3f}  {hit.report_id}  {hit.text}")


@index.command()
def info() -> None:
    """Describe the index: corpora, counts, versions, size."""
    from agents.settings import load_settings
    from retrieval.index import ReportIndex

    settings = load_settings()
    click.echo(ReportIndex.open(settings.index_dir, settings.cache_dir).info().summary())
