"""`readingroom evaluate reports` and `papers`: the report models compared, and their sizes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from findings.errors import UserInputError
from ui.cli.figures import leave
from ui.cli.stages import stages

if TYPE_CHECKING:
    from evaluation.reports.field_metrics import FieldMetric
    from evaluation.reports.writers import WriterName

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)
_ALL = "all"


@click.command()
@click.option("--models", default=_ALL, show_default=True, help="Names with commas between.")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of data.")
@click.option("--split", type=click.Choice(["val", "all"]), default="val", show_default=True)
@click.option("--most", type=click.IntRange(0), default=0, help="At most so many films; 0: all.")
@click.option("--weights", type=_FOLDER, help="Folder with a folder for each report model.")
@click.option("--reports", "keep", type=_FOLDER, help="Keep the reports here, and go on from them.")
@click.option("--encoder", type=_FOLDER, help="Folder of an encoder for BERTScore.")
@click.option("--field-metrics", default="", help="Of RadEval: f1chexbert,radgraph,radcliq,...")
@click.option("--java", is_flag=True, help="METEOR 1.5 as well, which needs Java.")
@click.option("--json", "json_file", type=_FILE, help="Write the figures here too.")
@click.option("--markdown", type=_FILE, help="Refresh the tables of a page.")
def reports(
    models: str,
    data: Path,
    split: Literal["val", "all"],
    most: int,
    weights: Path | None,
    keep: Path | None,
    encoder: Path | None,
    field_metrics: str,
    java: bool,
    json_file: Path | None,
    markdown: Path | None,
) -> None:
    """Compare report writers on DATA: a data set with reports, or one with labels alone.

    The five report models, the shipped generator, the nearest training film, phrased labels, a
    constant report and the whole state machine write of the same films. Where DATA is one that a
    paper reports on, its own figures are printed beside ours.
    """
    from agents.settings import load_settings
    from evaluation.reports.comparison import compare_reports
    from evaluation.reports.score import Metrics

    settings = load_settings()
    writers, field = chosen_writers(models), _field_metrics(field_metrics)
    with stages() as progress:
        found = compare_reports(
            data,
            writers,
            settings.cache_dir,
            every=split == "all",
            most=most,
            weights=weights or settings.experts.report_models,
            keep=keep,
            encoder=encoder,
            wanted=Metrics(java=java, field=field),
            progress=progress,
        )
    click.echo(found.markdown())
    leave(found, json_file, markdown, found.tables())


@click.command()
@click.option("--markdown", type=_FILE, help="Refresh the table of a page.")
def papers(markdown: Path | None) -> None:
    """Count each paper's network at its own size, beside the paper's figures.

    The networks are built without weights, so that nothing is downloaded.
    """
    from evaluation.page import refresh_tables
    from evaluation.reports.parameters import parameter_table

    table = parameter_table()
    click.echo("\n".join(table))
    if markdown is not None:
        refresh_tables(markdown, {"paper-parameters": table})


def chosen_writers(names: str) -> tuple[WriterName, ...]:
    """The writers that `--models` names. Raises `UserInputError` where there is no such one."""
    from evaluation.reports.writers import WriterName

    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if wanted == [_ALL]:
        return tuple(WriterName)
    unknown = [name for name in wanted if name not in set(WriterName)]
    if unknown or not wanted:
        raise UserInputError(f"--models takes '{_ALL}' or names of: {', '.join(WriterName)}.")
    return tuple(name for name in WriterName if name in wanted)


def _field_metrics(names: str) -> tuple[FieldMetric, ...]:
    from evaluation.reports.field_metrics import FieldMetric

    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if any(name not in set(FieldMetric) for name in wanted):
        raise UserInputError(f"--field-metrics takes names of: {', '.join(FieldMetric)}.")
    return tuple(FieldMetric(name) for name in wanted)
