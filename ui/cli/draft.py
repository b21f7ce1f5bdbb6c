"""`readingroom draft`: a study in, a report with its evidence out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ui.cli.progress import NodeProgress, transfer_progress

if TYPE_CHECKING:
    from agents.drafting import DraftOutcome
    from agents.settings import Settings


@click.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--prior", type=click.Path(path_type=Path), help="The prior study.")
@click.option("--prior-report", type=click.Path(path_type=Path), help="The prior report.")
@click.option("--language", type=click.Choice(["en", "es"]), help="Language of the report.")
@click.option("--indication", help="Why the study was done; quoted in the report.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results.")
@click.option("--seed", type=int, help="A fixed seed gives a fixed draft.")
@click.option("--aggregator", type=click.Choice(["embedded", "vllm", "phraser"]))
@click.option("--crude", help="Who writes the crude report: a report model's name, or an expert's.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole draft as JSON.")
def draft(
    study: Path,
    prior: Path | None,
    prior_report: Path | None,
    language: str | None,
    indication: str | None,
    out: Path | None,
    seed: int | None,
    aggregator: str | None,
    crude: str | None,
    as_json: bool,
) -> None:
    """Draft a report for STUDY: a DICOM file, a folder of them, or a PNG or JPEG.

    Writes draft.json, report.md, overlay.png and audit.jsonl into the --out folder (default:
    out/<study key>) and prints the report.
    """
    from agents.drafting import DraftOptions, draft_study
    from agents.journal import start_journal
    from agents.settings import load_settings

    settings = load_settings(language=language, seed=seed)
    if crude is not None:
        from agents.crude_choice import with_crude_report

        settings = with_crude_report(settings, crude)
    start_journal(settings.log_level)
    options = DraftOptions(
        prior=prior,
        prior_report=read_report(prior_report),
        language=settings.language,
        indication=indication,
        seed=settings.seed,
        aggregator=aggregator or settings.llm.aggregator,
        out=out,
    )
    ensure_index(settings, study)
    with NodeProgress() as progress:
        outcome = draft_study(study, options, settings, on_event=progress.show)
    show(outcome, as_json=as_json)


def show(outcome: DraftOutcome, *, as_json: bool = False) -> None:
    """Print the report, or the whole draft; say what to mind and where everything lies."""
    from reporting.files import draft_json
    from reporting.render import report_text

    drafted = outcome.draft
    click.echo(draft_json(drafted) if as_json else report_text(drafted))
    for text in (*(reason.text for reason in drafted.gate.reasons), *drafted.warnings):
        click.echo(f"Warning: {text}", err=True)
    click.echo(f"Written to {outcome.out}", err=True)


def ensure_index(settings: Settings, study: Path) -> None:
    """Build the index of similar reports on first use, where its corpus has been fetched.

    That takes a minute, so the study is tried first. Raises `StudyError` where it cannot be read.
    """
    from imaging.loading import load_study
    from retrieval.build import build_from_cache, can_build

    language = settings.language
    if not settings.retrieval.enabled or not can_build(
        settings.cache_dir, settings.index_dir, language
    ):
        return
    load_study(study)
    click.echo("Building the index of similar reports; this happens once.", err=True)
    with transfer_progress("index") as progress:
        build_from_cache(settings.cache_dir, settings.index_dir, (language,), progress)


def read_report(path: Path | None) -> str | None:
    """The text of a prior report, if one was given. Raises `ReportError`."""
    from reporting.report_files import read_report_file

    return None if path is None else read_report_file(path)
