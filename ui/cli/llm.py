"""`readingroom llm`: the language model server of this machine."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from agents.serving.process import ServerProcess, Stage
    from agents.serving.record import ServerRecord
    from agents.settings import Settings

READY = "ready"


@click.group()
def llm() -> None:
    """Serve a language model for drafts by vLLM, see what is served, end it."""


@llm.command()
@click.option(
    "--model",
    default="embedded",
    show_default=True,
    help="embedded, a folder of safetensors, or hf:ORG/NAME as pulled before.",
)
@click.option(
    "--adapter",
    "adapters",
    multiple=True,
    metavar="NAME=PATH",
    help="A LoRA adapter that drafts may ask for by NAME; may be given again.",
)
@click.option("--gpu/--cpu", "gpu", default=None, help="What to compute on [what was built].")
@click.option(
    "--merged/--dynamic",
    default=None,
    help="Put the one adapter into the weights [on a CPU], or apply it per request [on a GPU].",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind to.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--context", default=4096, show_default=True, type=click.IntRange(256), help="Tokens."
)
@click.option(
    "--requests", default=16, show_default=True, type=click.IntRange(1), help="Batched together."
)
@click.option("--tensor-parallel", default=1, type=click.IntRange(1), help="GPUs to split over.")
@click.option("--pipeline-parallel", default=1, type=click.IntRange(1), help="Stages of layers.")
@click.option("--ray", is_flag=True, help="Use the GPUs of a Ray cluster.")
@click.option("--quantization", help="Quantise while loading, as vLLM names it: fp8, bitsandbytes.")
@click.option("--memory-share", type=click.FloatRange(0.05, 1), help="Of the GPU's memory.")
@click.option("--compile", "compiled", is_flag=True, help="On a CPU: slower start, faster answers.")
@click.option(
    "--tools",
    default="auto",
    show_default=True,
    help="How the model writes tool calls: auto (by its chat template), none, or a vLLM parser.",
)
@click.option("--wait", default=900.0, show_default=True, help="Seconds until it must be healthy.")
def serve(
    model: str,
    adapters: tuple[str, ...],
    gpu: bool | None,
    merged: bool | None,
    host: str,
    port: int,
    context: int,
    requests: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    ray: bool,
    quantization: str | None,
    memory_share: float | None,
    compiled: bool,
    tools: str,
    wait: float,
) -> None:
    """Start a vLLM server and keep it until interrupted.

    It speaks OpenAI's protocol. An adapter must match the model, prompt and answer schema that it
    was tuned with, else it is refused.
    """
    from agents.serving.environment import Device, find_environment
    from agents.serving.planning import ServerRequest, adapter_named, plan_server
    from agents.serving.server import served
    from agents.settings import load_settings

    settings = load_settings()
    environment = find_environment(settings.llm.server_environment)
    request = ServerRequest(
        model=model,
        adapters=tuple(adapter_named(text) for text in adapters),
        device=None if gpu is None else (Device.GPU if gpu else Device.CPU),
        merged=merged,
        host=host,
        port=port,
        context=context,
        requests_at_once=requests,
        tensor_parallel=tensor_parallel,
        pipeline_parallel=pipeline_parallel,
        ray=ray,
        quantization=quantization,
        memory_share=memory_share,
        compiled=compiled,
        tools=tools,
    )
    plan, names = plan_server(request, environment, settings)
    if plan.adapters and plan.device is Device.CPU:
        click.echo(
            "On a CPU an adapter applied per request is several times slower than one merged in "
            "(--merged).",
            err=True,
        )
    with (
        _ended_by_signals(),
        served(plan, names, environment, settings, wait_seconds=wait, on_stage=_stages()) as (
            process,
            record,
        ),
    ):
        _tell(record, settings)
        _keep(process)


@llm.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(as_json: bool) -> None:
    """Say what answers at the settings' address, and what this machine runs.

    Exits with 0 where a server answers, else with 5.
    """
    import json

    from agents.serving.health import look
    from agents.serving.record import running_server
    from agents.settings import load_settings
    from findings.errors import ResourceError

    settings = load_settings()
    record = running_server(settings.cache_dir)
    health = look(settings.llm.base_url, settings.llm.api_key)
    if as_json:
        own = None if record is None else record.model_dump(mode="json")
        click.echo(json.dumps({"endpoint": health.model_dump(mode="json"), "server": own}))
    else:
        click.echo(f"{settings.llm.base_url}: {health.summary}")
        if record is not None:
            click.echo(f"Started here (process {record.pid}) on the {record.device.value.upper()}:")
            _list(record)
    if not health.healthy:
        raise click.exceptions.Exit(ResourceError.exit_code)


@llm.command()
def stop() -> None:
    """End the server that runs on this machine."""
    from agents.serving.server import stop_server
    from agents.settings import load_settings

    record = stop_server(load_settings().cache_dir)
    click.echo("No server runs here." if record is None else f"Ended {record.address}.")


def _tell(record: ServerRecord, settings: Settings) -> None:
    click.echo(f"Serving at {record.address} (research use only). Ctrl-C ends it.")
    _list(record)
    if record.address != settings.llm.base_url:
        click.echo(f"For drafts: READINGROOM_LLM__BASE_URL={record.address}")
    click.echo("Try: readingroom draft STUDY --aggregator vllm")


def _list(record: ServerRecord) -> None:
    for one in record.served:
        about = f", tuned for {one.prompt}, version {one.version}" if one.prompt else ""
        click.echo(f"  {one.name}: {one.kind}{about}")
    click.echo(f"  tool calls: {f'read by {record.tools}' if record.tools else 'none'}")


def _keep(process: ServerProcess) -> None:
    """Wait for the server's end. Raises `BackendError` where nobody asked for it."""
    from findings.errors import BackendError

    code = process.wait()
    raise BackendError(
        f"The language model server ended by itself (status {code}). Its log is server.log in the "
        "cache folder's 'serving'."
    )


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does: in order, and without an error."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Stopped.", err=True)
    finally:
        signal.signal(signal.SIGTERM, before)


def _stages() -> Stage:
    """Shows what a starting server does: one line that changes, or one line for each step."""
    live = sys.stderr.isatty()
    shown: set[str] = set()

    def on_stage(stage: str, seconds: float) -> None:
        text = f"Starting the server: {stage} ({seconds:.0f} s)"
        if live:
            click.echo(f"\r\x1b[K{text}", err=True, nl=stage == READY)
        elif stage not in shown:
            click.echo(text, err=True)
        shown.add(stage)

    return on_stage
