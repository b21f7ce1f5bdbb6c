"""`readingroom train`: train an expert's network from a preset."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("role", type=click.Choice(["segmenter", "classifier"]))
@click.option("--preset", default="small", show_default=True, help="Name of a preset.")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of data.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the run.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
def train(role: str, preset: str, data: Path, out: Path, resume: bool) -> None:
    """Train the network of ROLE; checkpoints, metrics and log go to --out."""
    from models.training.run import train as run

    run(role, preset, data=data, out=out, resume=resume)
