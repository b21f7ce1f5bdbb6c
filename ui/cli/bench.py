"""`readingroom bench`: how fast this machine is at it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from ui.cli.figures import leave
from ui.cli.progress import transfer_progress


@click.group()
def bench() -> None:
    """Measure speed on this machine."""


@bench.command()
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1), help="Of 4 films.")
@click.option("--at-once", default=8, show_default=True, type=click.IntRange(2), help="Drafts.")
@click.option("--embedded/--no-embedded", default=True, help="Measure the embedded model.")
@click.option("--server/--no-server", default=True, help="Measure the server, where one answers.")
@click.option(
    "--clock",
    type=click.Choice(["wall", "cpu"]),
    default="wall",
    show_default=True,
    help="Of the embedded model: cpu, with READINGROOM_THREADS=1, where the machine is busy.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write here too.")
def llm(
    rounds: int,
    at_once: int,
    embedded: bool,
    server: bool,
    clock: Literal["wall", "cpu"],
    json_file: Path | None,
) -> None:
    """Time the language models: drafts by the embedded one, its engine, and a server's batches.

    The machine should do nothing else meanwhile.
    """
    import os

    from agents.settings import load_settings
    from evaluation.llm_speed import bench as prepared
    from evaluation.llm_speed import measure_embedded, measure_engine, measure_server
    from evaluation.llm_speed_table import SpeedReport
    from findings.errors import BackendError, WeightsError

    settings = load_settings()
    patient = settings.llm.model_copy(update={"embedded_seconds": 600.0, "timeout_seconds": 600.0})
    experts = settings.experts.model_copy(update={"time_limit_seconds": 600.0})
    settings = settings.model_copy(update={"llm": patient, "experts": experts})
    report = SpeedReport(threads=settings.threads or os.cpu_count() or 1, clock=clock)
    notes = []
    with prepared(settings) as ready:
        if embedded:
            try:
                with transfer_progress("embedded model") as progress:
                    drafts = measure_embedded(ready, rounds, progress, clock)
                engine = measure_engine(settings, clock=clock)
                report = report.model_copy(update={"drafts": drafts, "engine": engine})
            except (BackendError, WeightsError) as error:
                notes.append(f"The embedded model was not measured: {error}")
        if server:
            try:
                with transfer_progress("served model") as progress:
                    batch = measure_server(ready, at_once, progress)
                report = report.model_copy(update={"server": batch})
            except BackendError as error:
                notes.append(f"The server was not measured: {error}")
    report = report.model_copy(update={"notes": tuple(notes)})
    click.echo(report.markdown())
    leave(report, json_file)
