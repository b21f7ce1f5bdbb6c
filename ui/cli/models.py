"""`readingroom models`: which weights there are, where they come from, and how to get them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ui.cli.progress import transfer_progress

if TYPE_CHECKING:
    from models.artefacts import Artefact


@click.group()
def models() -> None:
    """List, fetch and describe model weights and report corpora."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
def list_models(as_json: bool) -> None:
    """List every artefact with its role, size, licence and whether it is here."""
    from agents.settings import load_settings
    from models.published.hub import pulled
    from models.weights import status

    cache = load_settings().cache_dir
    for one in status(cache):
        if as_json:
            click.echo(one.model_dump_json())
            continue
        artefact = one.artefact
        click.echo(f"{artefact.name:28} {one.state.value:8} {_size(artefact):>10}  {artefact.role}")
        known = one.sha256 or artefact.sha256
        checksum = f"sha256 {known[:12]}" if known else "checksum recorded when first pulled"
        click.echo(f"{'':28} {artefact.licence}; {checksum}")
    for receipt in pulled(cache):
        if as_json:
            click.echo(receipt.model_dump_json())
            continue
        size = sum(file.size for file in receipt.files) / 1e6
        click.echo(f"{receipt.name:28} present  {size:7.1f} MB  Hugging Face model")
        click.echo(f"{'':28} {receipt.licence}; sha256 {receipt.sha256[:12]}")
    click.echo(
        "A Hugging Face model is pulled by hf:ORG/NAME (docs/stronger-experts.md).", err=True
    )


def _size(artefact: Artefact) -> str:
    if artefact.shipped:
        return "shipped"
    return f"{artefact.size / 1e6:7.1f} MB" if artefact.size else "? MB"


@models.command()
@click.argument("names", nargs=-1)
@click.option(
    "--from",
    "source",
    help="A folder of downloads, or a file: or https: address, instead of the usual source.",
)
@click.option(
    "--sha256",
    help="Checksum that the download must have, where its publisher states none (one NAME only).",
)
def pull(names: tuple[str, ...], source: str | None, sha256: str | None) -> None:
    """Fetch artefacts by NAME; without a name, all that the default draft uses.

    What is already here is left alone; every file's checksum is verified. Where a publisher states
    no checksum, the first one pulled is recorded and required from then on. hf:ORG/NAME fetches a
    model of the Hugging Face hub: its JSON and safetensors files, no code.
    """
    from agents.settings import load_settings
    from models.published.hub import PREFIX
    from models.weights import Manifest

    if sha256 is not None and (len(names) != 1 or names[0].startswith(PREFIX)):
        raise click.UsageError("--sha256 goes with exactly one NAME of 'readingroom models list'.")
    cache = load_settings().cache_dir
    manifest = Manifest.load()
    for name in names or manifest.default_names():
        if name.startswith(PREFIX):
            _pull_from_hub(name, cache, source)
        else:
            _pull_artefact(manifest.entry(name), cache, source, sha256)


def _pull_artefact(artefact: Artefact, cache: Path, source: str | None, sha256: str | None) -> None:
    """Fetch one artefact; where it is not our default's, say first whose it is."""
    from models.weights import pull as pull_artefact
    from models.weights import status_of

    if artefact.offered:
        click.echo(f"{artefact.name}: {artefact.licence}, from {artefact.source}", err=True)
    with transfer_progress(artefact.name) as progress:
        path = pull_artefact(artefact.name, cache, progress, source, sha256=sha256)
    if artefact.offered:
        click.echo(f"{artefact.name}: sha256 {status_of(artefact.name, cache).sha256}", err=True)
    click.echo(f"{artefact.name}: {path}")


def _pull_from_hub(name: str, cache: Path, source: str | None) -> None:
    """Fetch one model of the Hugging Face hub, or take it from a folder."""
    from findings.errors import UserInputError
    from models.published import hub

    model = hub.HubModel.named(name, cache)
    if model.local:
        raise UserInputError(f"'{model.shown}' is a folder of your own; there is nothing to pull.")
    receipt = model.receipt()
    if source is not None:
        receipt = hub.take(model, Path(source.removeprefix("file://")))
    elif receipt is None:
        offer = hub.ask(model)
        click.echo(
            f"{name}: licence {offer.licence}, {offer.size / 1e6:.1f} MB, "
            f"commit {offer.revision[:12]}",
            err=True,
        )
        receipt = hub.pull(model, offer)
    click.echo(f"{name}: sha256 {receipt.sha256}, licence {receipt.licence}", err=True)
    click.echo(f"{name}: {model.folder}")


@models.command()
@click.argument("name")
def card(name: str) -> None:
    """Print the model card of NAME: data, licence, split, measured figures, how to reproduce."""
    from models.weights import card as model_card

    click.echo(model_card(name))
