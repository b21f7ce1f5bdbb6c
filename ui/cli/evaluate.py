"""`readingroom evaluate`: reproduce the measured figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from pydantic import BaseModel

_DATA = click.option("--data", type=click.Path(path_type=Path), required=True)
_JSON = click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write here too.")


@click.group()
def evaluate() -> None:
    """Measure the experts, the input gate and the report labeler."""


@evaluate.command()
@_DATA
@_JSON
@click.option("--split", type=click.Choice(["val", "all"]), default="val", show_default=True)
def experts(data: Path, json_file: Path | None, split: Literal["val", "all"]) -> None:
    """Measure every expert on DATA, a folder laid out like the project's data."""
    from evaluation.experts import evaluate_experts

    report = evaluate_experts(data, split)
    click.echo(report.markdown())
    _write(report, json_file)


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
    _write(report, json_file)


@evaluate.command("labeler")
@_JSON
def evaluate_report_labeler(json_file: Path | None) -> None:
    """Measure the report labeler on the fetched report corpora."""
    from agents.settings import load_settings
    from evaluation.labeler import evaluate_labeler
    from models.weights import locate

    report = evaluate_labeler(locate("report-corpora", load_settings().cache_dir))
    click.echo(report.markdown())
    _write(report, json_file)


def _write(report: BaseModel, json_file: Path | None) -> None:
    if json_file is not None:
        json_file.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
