"""`readingroom train`: train an expert's network from a preset."""

from __future__ import annotations

from pathlib import Path

import click

from findings.errors import UserInputError
from models.training.roles import Role


def _show_presets(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if not asked or context.resilient_parsing:
        return
    from models.training.catalogue import list_presets

    for entry in list_presets():
        click.echo(f"{entry.role:15} {entry.name:25} {entry.summary}")
    context.exit()


_EVERY_ROW = "all"


def _rows(role: str, preset: str, row: str) -> tuple[str, ...]:
    """The rows to train: the one that is named, or every one of the model's table."""
    if row != _EVERY_ROW:
        return (row,)
    if role != Role.REPORT:
        raise UserInputError(f"--row goes with the role {Role.REPORT} only.")
    from models.reports.preset import model_of
    from models.reports.registry import REPORT_MODELS

    return REPORT_MODELS[model_of(preset)].rows()


def _of_model(role: str, preset: str, model: str | None) -> str:
    """The preset's whole name: those of report models are named for the model first.

    Raises:
        UserInputError: the model is unknown, or the role is not trained by model.
    """
    if role != Role.REPORT:
        if model is not None:
            raise UserInputError(f"--model goes with the role {Role.REPORT} only.")
        return preset
    if model is None:
        return preset
    from models.reports.contract import ReportModelName

    if model not in set(ReportModelName):
        known = ", ".join(ReportModelName)
        raise UserInputError(f"There is no report model of that name. Choose one of: {known}.")
    return preset if preset.endswith(".toml") else f"{model}-{preset}"


@click.command()
@click.argument("role", type=click.Choice([role.value for role in Role]))
@click.option("--preset", default="small", show_default=True, help="Name of a preset, or a file.")
@click.option("--model", "model", help="Which report model, for the role report.")
@click.option("--row", default="", help="A row of that model's ablation table, or 'all' in turn.")
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
    model: str | None,
    row: str,
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

    preset = _of_model(role, preset, model)
    cache = load_settings().cache_dir
    if dry_run:
        click.echo("Trying three steps; reading the data may take minutes.", err=True)
        found = rehearse(role, preset, data, out, cache=cache, source=source, row=row)
        if launched_as_main():
            click.echo(found.text())
        return
    for named in _rows(role, preset, row):
        own = out / named if row == _EVERY_ROW else out
        weights = run(role, preset, data, own, resume=resume, cache=cache, source=source, row=named)
        if launched_as_main():
            click.echo(weights)
