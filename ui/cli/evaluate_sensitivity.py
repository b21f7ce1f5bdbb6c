"""`readingroom evaluate sensitivity`: how CLALA-Net's reports depend on labels and regions."""

from __future__ import annotations

from pathlib import Path

import click

from ui.cli.figures import leave
from ui.cli.stages import stages

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of data.")
@click.option("--weights", type=_FOLDER, required=True, help="A trained CLALA-Net's folder.")
@click.option("--most", type=click.IntRange(0), default=0, help="At most so many films; 0: all.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the corruption.")
@click.option("--json", "json_file", type=_FILE, help="Write the figures here too.")
@click.option("--figure", type=_FILE, help="Draw the curves into this PNG file.")
@click.option("--markdown", type=_FILE, help="Refresh the table of a page.")
def sensitivity(
    data: Path,
    weights: Path,
    most: int,
    seed: int,
    json_file: Path | None,
    figure: Path | None,
    markdown: Path | None,
) -> None:
    """Describe films of DATA with lesion labels and regions of different quality."""
    from agents.settings import load_settings
    from evaluation.label_sensitivity import evaluate_sensitivity
    from models.clala.inference import load_clala

    cache = load_settings().cache_dir
    writer = load_clala(weights, cache)
    with stages() as progress:
        report = evaluate_sensitivity(data, writer, cache, most, seed, progress)
    click.echo("\n".join(report.markdown()))
    leave(report, json_file, markdown, {"sensitivity": report.markdown()})
    if figure is not None:
        report.draw(figure)
