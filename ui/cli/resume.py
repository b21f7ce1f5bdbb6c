"""`readingroom resume`: go on with a draft that was cut off."""

from __future__ import annotations

from pathlib import Path

import click

from ui.cli.draft import read_report, show
from ui.cli.progress import NodeProgress


@click.command()
@click.argument("thread", required=False)
@click.option("--prior-report", type=click.Path(path_type=Path), help="The same as at the start.")
@click.option("--indication", help="The same as at the start.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the results.")
def resume(
    thread: str | None, prior_report: Path | None, indication: str | None, out: Path | None
) -> None:
    """Go on with the draft THREAD that was cut off; without THREAD, list those there are.

    Experts that had answered are not run again. Texts given at the start are not stored, so they
    are given again.
    """
    from agents.drafting import resume_draft, unfinished_drafts
    from agents.journal import start_journal
    from agents.settings import load_settings

    settings = load_settings()
    start_journal(settings.log_level)
    if thread is None:
        for unfinished in unfinished_drafts(settings):
            click.echo(f"{unfinished.thread_id}  stopped before: {unfinished.next_node}")
        return
    with NodeProgress() as progress:
        outcome = resume_draft(
            thread,
            settings,
            indication=indication,
            prior_report=read_report(prior_report),
            out=out,
            on_event=progress.show,
        )
    show(outcome)
