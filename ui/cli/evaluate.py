"""`readingroom evaluate`: reproduce the measured figures."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from ui.cli.evaluate_adversarial import adversarial
from ui.cli.evaluate_judged import consistency, label_extraction
from ui.cli.evaluate_reports import papers, reports
from ui.cli.evaluate_sensitivity import sensitivity
from ui.cli.evaluate_writing import writing
from ui.cli.figures import leave
from ui.cli.stages import stages

_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
_DATA = click.option("--data", type=_FOLDER, required=True)
_JSON = click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write here too.")
_SPLIT = click.option(
    "--split", type=click.Choice(["val", "all"]), default="val", show_default=True
)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group()
def evaluate() -> None:
    """Measure the experts, the report models, the input gate and the report labeler."""


@evaluate.command()
@_DATA
@_JSON
@_SPLIT
@click.option("--figures", type=_FOLDER, help="Write the curves as pictures into this folder.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Refresh the tables of a page.")
@click.option("--votes", type=click.Path(path_type=Path), help="Keep the votes here for refits.")
@click.option("--cost/--no-cost", default=True, help="Measure time and memory as well.")
def experts(
    data: Path,
    json_file: Path | None,
    split: Literal["val", "all"],
    figures: Path | None,
    markdown: Path | None,
    votes: Path | None,
    cost: bool,
) -> None:
    """Measure every expert on DATA, a folder laid out like the project's data.

    The experts are those that the settings choose.
    """
    from agents.settings import load_settings
    from evaluation.experts import Lineup, evaluate_experts

    cache = load_settings().cache_dir
    with stages() as progress:
        report = evaluate_experts(
            data, split, Lineup.chosen(), progress, cache=cache, votes=votes, cost=cost
        )
    click.echo(report.markdown())
    leave(report, json_file, markdown, report.tables())
    if figures is not None:
        report.draw(figures)


@evaluate.command()
@_DATA
@_SPLIT
@click.option("--out", type=_FOLDER, required=True, help="Folder, not among tracked files.")
@click.option("--most", type=click.IntRange(1), default=3, show_default=True, help="Of each kind.")
def overlays(data: Path, split: Literal["val", "all"], out: Path, most: int) -> None:
    """Draw what people drew and what the experts found on films of DATA, good and bad.

    The pictures show real films under their publishers' licences: look, do not pass on.
    """
    from evaluation.experts import Lineup, Readings
    from evaluation.overlays import check_untracked, write_overlays

    check_untracked(out)
    with stages() as progress:
        readings = Readings(Lineup.chosen().build(), progress)
        written = write_overlays(data, out, readings, split, most)
    click.echo(f"{len(written)} montages in {out}")


@evaluate.command()
@_DATA
@_SPLIT
@_JSON
@click.option("--votes", type=click.Path(path_type=Path), help="Keep the votes here for refits.")
@click.option("--write", type=click.Path(path_type=Path), help="Write fusion.toml, fitted, here.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Refresh the tables of a page.")
def fusion(
    data: Path,
    split: Literal["val", "all"],
    json_file: Path | None,
    votes: Path | None,
    write: Path | None,
    markdown: Path | None,
) -> None:
    """Fit the reconciler's weights on the experts' votes on DATA, and measure the pool."""
    from agents.reconciliation import default_fusion
    from evaluation.experts import Lineup, Readings
    from evaluation.experts.fusion_report import evaluate_fusion, training_shares, write_fusion
    from evaluation.experts.votes import kept_votes

    with stages() as progress:
        readings = Readings(Lineup.chosen().build(), progress)
        heard = kept_votes(votes, data, split, readings)
    report = evaluate_fusion(heard, default_fusion(), training_shares(data))
    click.echo("\n".join(report.markdown()))
    leave(report, json_file, markdown, {"fusion": report.markdown()})
    if write is not None:
        write_fusion(write, report, "readingroom evaluate fusion --data DIR --write FILE")


@evaluate.command("gate")
@_DATA
@_JSON
@click.option("--split", type=click.Choice(["val", "train", "all"]), default="val")
@click.option("--most", type=click.IntRange(1), help="At most so many pictures of a group.")
def evaluate_input_gate(data: Path, json_file: Path | None, split: str, most: int | None) -> None:
    """Measure the input gate on DATA."""
    from evaluation.gate import evaluate_gate

    report = evaluate_gate(data, split=split, most=most)
    click.echo(report.markdown())
    leave(report, json_file)


@evaluate.command("labeler")
@_JSON
def evaluate_report_labeler(json_file: Path | None) -> None:
    """Measure the report labeler on the fetched report corpora."""
    from agents.settings import load_settings
    from evaluation.labeler import evaluate_labeler
    from models.weights import locate

    report = evaluate_labeler(locate("report-corpora", load_settings().cache_dir))
    click.echo(report.markdown())
    leave(report, json_file)


evaluate.add_command(reports)
evaluate.add_command(papers)
evaluate.add_command(writing)
evaluate.add_command(adversarial)
evaluate.add_command(sensitivity)
evaluate.add_command(consistency)
evaluate.add_command(label_extraction)
