"""`readingroom evaluate writing`: what a language model adds to the phraser's words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from ui.cli.figures import leave
from ui.cli.stages import stages

if TYPE_CHECKING:
    from agents.aggregator.contract import RewordingBackend


@click.command()
@click.option("--cases", "most", type=click.IntRange(2), default=100, show_default=True)
@click.option("--language", type=click.Choice(["en", "es"]), default="en", show_default=True)
@click.option(
    "--ledgers",
    "source",
    type=click.Choice(["report", "experts"]),
    default="report",
    show_default=True,
    help="As the reports state them, or as the experts' measured errors make them.",
)
@click.option("--untuned/--no-untuned", default=True, help="Measure the embedded model as it is.")
@click.option(
    "--adapter",
    "adapters",
    multiple=True,
    metavar="NAME=FILE",
    help="A tuned model to measure: a GGUF file with its card ('readingroom tune export').",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Keep the figures here.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Refresh the table of a page.")
def writing(
    most: int,
    language: str,
    source: Literal["report", "experts"],
    untuned: bool,
    adapters: tuple[str, ...],
    seed: int,
    json_file: Path | None,
    markdown: Path | None,
) -> None:
    """Write held-out ledgers with and without language models, and measure the reports."""
    from agents.settings import load_settings
    from evaluation.writing.cases import held_out_cases
    from evaluation.writing.report import evaluate_writing
    from findings.vocabulary import Language
    from models.weights import locate

    corpora = locate("report-corpora", load_settings().cache_dir)
    spoken = Language(language)
    cases = held_out_cases(corpora, spoken, source, most, seed)
    writers = _writers(untuned, adapters, spoken)
    with stages() as progress:
        report = evaluate_writing(cases, writers, source, progress)
    click.echo("\n".join(report.markdown()))
    leave(report, json_file, markdown, {f"writing-{language}-{source}": report.markdown()})


def _writers(
    untuned: bool, adapters: tuple[str, ...], language: object
) -> dict[str, RewordingBackend | None]:
    """The phraser, and every model that writes the language."""
    from agents.aggregator.backends import embedded_backend
    from agents.aggregator.prompt import EMBEDDED_PROMPT, load_prompt
    from agents.settings import load_settings

    writers: dict[str, RewordingBackend | None] = {"phraser": None}
    if language not in load_prompt(EMBEDDED_PROMPT).languages:
        return writers
    settings = load_settings()
    if untuned:
        writers["untuned"] = embedded_backend(settings)
    for given in adapters:
        name, _, file = given.partition("=")
        if not file:
            raise click.UsageError("Give an adapter as NAME=FILE.")
        llm = settings.llm.model_copy(update={"embedded_adapter": Path(file)})
        writers[name] = embedded_backend(settings.model_copy(update={"llm": llm}))
    return writers
