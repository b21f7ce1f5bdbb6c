"""`readingroom train`: train an expert's network from a preset."""

from __future__ import annotations

from pathlib import Path

import click

from models.training.roles import Role


def _show_presets(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if not asked or context.resilient_parsing:
        return
    from models.training.catalogue import list_presets

    for entry in list_presets():
        click.echo(f"{entry.role:14} {entry.name:16} {entry.summary}")
    context.exit()


@click.command()
@click.argument("role", type=click.Choice([role.value for role in Role]))
@click.option("--preset", default="small", show_default=True, help="Name of a preset, or a file.")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of data.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the run.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
@click.option("--dry-run", is_flag=True, help="Make three steps and say how long all would take.")
@click.option("--from", "source", help="A folder of downloaded wheels, instead of the registry.")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_presets,
    help="List roles and presets.",
)
def train(
    role: str,
    preset: str,
    data: Path,
    out: Path,
    resume: bool,
    dry_run: bool,
    source: str | None,
) -> None:
    """Train the network of ROLE; checkpoint, metrics, curves and weights go to --out.

    The trunk starts from ImageNet weights, which are fetched where they are not here yet. On
    several GPUs or machines: accelerate launch -m ui.cli.main train ROLE ...
    """
    from agents.settings import load_settings
    from models.training.machine import launched_as_main
    from models.training.run import rehearse
    from models.training.run import train as run

    cache = load_settings().cache_dir
    if dry_run:
        found = rehearse(role, preset, data, out, cache=cache, source=source)
        if launched_as_main():
            click.echo(found.text())
        return
    weights = run(role, preset, data, out, resume=resume, cache=cache, source=source)
    if launched_as_main():
        click.echo(weights)
