"""`readingroom evaluate consistency` and `label-extraction`: what needs a served language model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from ui.cli.figures import leave
from ui.cli.stages import stages

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)
_MODEL = click.option("--model", default="", help="The served model's name, where it has several.")
_REMOTE = click.option(
    "--allow-remote",
    is_flag=True,
    help="Let reports' text, without dates, long numbers and names, leave this machine.",
)
_MOST = click.option("--most", type=click.IntRange(0), default=0, help="At most so many; 0: all.")
_JSON = click.option("--json", "json_file", type=_FILE, help="Write the figures here too.")
_PAGE = click.option("--markdown", type=_FILE, help="Refresh the table of a page.")


@click.command()
@click.option("--reports", "kept", type=_FOLDER, required=True, help="As 'evaluate reports' left.")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="The same as there.")
@click.option("--models", default="all", show_default=True, help="Names with commas between.")
@click.option("--split", type=click.Choice(["val", "all"]), default="val", show_default=True)
@_MOST
@_MODEL
@_REMOTE
@_JSON
@_PAGE
def consistency(
    kept: Path,
    data: Path,
    models: str,
    split: Literal["val", "all"],
    most: int,
    model: str,
    allow_remote: bool,
    json_file: Path | None,
    markdown: Path | None,
) -> None:
    """Let a served language model grade kept reports against their references.

    Clinical accuracy, completeness, language and structure, 1 to 5 each, as CLALA-Net's authors
    do. Grades are kept in the folder of the reports.
    """
    from agents.judging import served_judge
    from agents.settings import load_settings
    from evaluation.consistency import evaluate_consistency
    from ui.cli.evaluate_reports import chosen_writers

    settings, writers = load_settings(), chosen_writers(models)
    judge = served_judge(settings, model, allow_remote=allow_remote)
    with stages() as progress:
        found = evaluate_consistency(
            data,
            kept,
            writers,
            judge,
            settings.cache_dir,
            every=split == "all",
            most=most,
            progress=progress,
        )
    click.echo("\n".join(found.markdown()))
    leave(found, json_file, markdown, {"consistency": found.markdown()})


@click.command("label-extraction")
@_MOST
@_MODEL
@_REMOTE
@_JSON
@_PAGE
def label_extraction(
    most: int, model: str, allow_remote: bool, json_file: Path | None, markdown: Path | None
) -> None:
    """Let a served language model label Open-i reports, beside the labeler and people's tags."""
    from agents.judging import served_judge
    from agents.settings import load_settings
    from evaluation.label_extraction import evaluate_extraction
    from models.weights import locate

    settings = load_settings()
    judge = served_judge(settings, model, allow_remote=allow_remote)
    corpora = locate("report-corpora", settings.cache_dir)
    with stages() as progress:
        found = evaluate_extraction(corpora, judge, most, progress)
    click.echo("\n".join(found.markdown()))
    leave(found, json_file, markdown, {"label-extraction": found.markdown()})
