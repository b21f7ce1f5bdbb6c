"""`readingroom tune`: data for the language models that word drafts, tuning, merging, export."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from models.language.adapter_card import Method
    from models.language.tuning import TuningRequest

_FOLDER = click.Path(path_type=Path, file_okay=False)
_THERE = click.Path(path_type=Path, file_okay=False, exists=True)


@click.group()
def tune() -> None:
    """Tune the language models that word drafts, by adapters."""


@tune.command()
@click.option("--out", type=_FOLDER, required=True, help="Folder for pairs and card.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option(
    "--reports",
    "most_reports",
    type=click.IntRange(0),
    default=400,
    show_default=True,
    help="Reports of each part and language for the whole-report form.",
)
@click.option(
    "--edits",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="File of what people changed before they signed (the room keeps it).",
)
def data(out: Path, seed: int, most_reports: int, edits: Path | None) -> None:
    """Make pairs and preferences of real reports, each one verified, with a card."""
    from agents.settings import load_settings
    from agents.tuning.build import build_tuning_data
    from models.weights import locate
    from ui.cli.progress import transfer_progress

    corpora = locate("report-corpora", load_settings().cache_dir)
    with transfer_progress("reports") as progress:
        card = build_tuning_data(
            corpora,
            out,
            seed=seed,
            most_reports=most_reports,
            edits=edits,
            command=_command(),
            progress=progress,
        )
    click.echo(card.markdown())


def _run_options(command: click.decorators.FC) -> click.decorators.FC:
    for option in (
        click.option("--preset", default="small", show_default=True, help="Name, or a TOML file."),
        click.option("--data", type=_THERE, help="Folder that 'tune data' wrote."),
        click.option("--out", type=_FOLDER, help="Folder for the run."),
        click.option("--name", default="radiologist", show_default=True, help="Of the adapter."),
        click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out."),
        click.option("--count", is_flag=True, help="Only count the network, without weights."),
    ):
        command = option(command)
    return command


@tune.command()
@_run_options
def sft(
    preset: str, data: Path | None, out: Path | None, name: str, resume: bool, count: bool
) -> None:
    """Tune an adapter on pairs (LoRA; the loss is taken over the answers)."""
    from models.language.adapter_card import Method

    if count:
        _count(Method.SFT, preset)
        return
    from models.language.sft import tune_sft

    request = _request(Method.SFT, preset, data, out, name, resume, None)
    _show(request, tune_sft(request))


@tune.command()
@_run_options
@click.option("--start", type=_THERE, help="Adapter to go on from.")
def dpo(
    preset: str,
    data: Path | None,
    out: Path | None,
    name: str,
    resume: bool,
    count: bool,
    start: Path | None,
) -> None:
    """Tune an adapter on preferences: verified drafts over corrupted ones, edits over drafts."""
    from models.language.adapter_card import Method

    if count:
        _count(Method.DPO, preset)
        return
    from models.language.dpo import tune_dpo

    request = _request(Method.DPO, preset, data, out, name, resume, start)
    _show(request, tune_dpo(request))


@tune.command()
@click.option("--adapter", type=_THERE, required=True, help="Folder of the adapter.")
@click.option("--base", default="embedded", show_default=True, help="Its base model.")
@click.option("--out", type=_FOLDER, required=True, help="Folder for the merged model.")
def merge(adapter: Path, base: str, out: Path) -> None:
    """Write base model and adapter as one ordinary model folder."""
    from agents.aggregator.matching import match_wanted_of
    from agents.settings import load_settings
    from models.language.adapter_card import read_adapter_card, require_match
    from models.language.loading import located
    from models.language.merging import merge_adapter

    cache = load_settings().cache_dir
    card = read_adapter_card(adapter)
    require_match(card, match_wanted_of(card, base, cache))
    click.echo(merge_adapter(located(base, cache), adapter, out))


@tune.command()
@click.option("--adapter", type=_THERE, required=True, help="Folder of the adapter.")
@click.option("--out", type=_FOLDER, required=True, help="Folder for the GGUF file and its card.")
@click.option(
    "--as",
    "form",
    type=click.Choice(["adapter", "model"]),
    default="adapter",
    show_default=True,
    help="A small file beside the base model, or base and adapter as one quantised model.",
)
def export(adapter: Path, out: Path, form: str) -> None:
    """Write an adapter of the embedded model as GGUF, for llm.embedded_adapter."""
    from agents.aggregator.matching import EMBEDDED, match_wanted_of
    from agents.settings import load_settings
    from models.language.adapter_card import read_adapter_card, require_match
    from models.language.gguf_export import export_adapter, export_model
    from models.weights import locate

    settings = load_settings()
    card = read_adapter_card(adapter)
    require_match(card, match_wanted_of(card, EMBEDDED, settings.cache_dir))
    base = locate(settings.llm.embedded_model, settings.cache_dir)
    write = export_adapter if form == "adapter" else export_model
    click.echo(write(base, adapter, out))


def _request(
    method: Method,
    preset: str,
    data: Path | None,
    out: Path | None,
    name: str,
    resume: bool,
    start: Path | None,
) -> TuningRequest:
    from agents.aggregator.matching import adapter_match
    from agents.aggregator.prompt import REPORT_PROMPT
    from agents.journal import start_journal
    from agents.settings import load_settings
    from agents.tuning.build import TUNED_PROMPT
    from models.language.pairs import Form
    from models.language.tuning import TuningRequest, read_tuning_preset

    if data is None or out is None:
        raise click.UsageError("Give --data and --out (or --count).")
    settings = load_settings()
    start_journal("info")
    chosen = read_tuning_preset(method, preset)
    prompt = TUNED_PROMPT if chosen.form is Form.SENTENCE else REPORT_PROMPT
    return TuningRequest(
        name=name,
        version="1.0.0",
        preset=chosen,
        data=data,
        out=out,
        cache=settings.cache_dir,
        match=adapter_match(chosen.base, settings.cache_dir, prompt),
        command=_command(),
        resume=resume,
        start=start,
    )


def _count(method: Method, preset: str) -> None:
    from models.language.tuning import count, read_tuning_preset

    counted = count(read_tuning_preset(method, preset))
    click.echo(
        f"{counted.architecture}: {counted.parameters:,} parameters, {counted.trained:,} trained "
        f"({counted.trained / counted.parameters:.2%})"
    )


def _show(request: TuningRequest, figures: dict[str, float]) -> None:
    from models.language.tuning import ADAPTER, shown

    click.echo(shown(figures))
    click.echo(request.out / ADAPTER)


def _command() -> str:
    """The command as it was typed, without the folders of this machine."""
    words = [Path(word).name if "/" in word else word for word in sys.argv[1:]]
    return shlex.join(["readingroom", *words])
