"""From what a person asks for to a server's plan: the model found, its adapters checked."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from agents.serving.environment import Device, ServerEnvironment
from agents.serving.plan import ServedAdapter, ServerPlan, plain_name
from agents.serving.record import Served
from agents.serving.tool_calls import AUTO, tool_calls_of
from agents.settings import Settings
from findings.claims import Frozen
from findings.errors import SettingsError

BASE: Final = "base"
ADAPTER: Final = "adapter"
MERGED: Final = "merged"


class ServerRequest(Frozen):
    """What a person asks of a server."""

    model: str = "embedded"
    """As `models.language.loading` names sources: embedded, a folder, hf:ORG/NAME, file:…"""
    adapters: tuple[tuple[str, Path], ...] = ()
    """Names and folders."""
    device: Device | None = None
    """`None`: what the environment was built for."""
    merged: bool | None = None
    """Put the one adapter into the weights; `None`: on a CPU, where adapters are slow."""
    host: str = "127.0.0.1"
    port: int = 8000
    context: int = 4096
    requests_at_once: int = 16
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    ray: bool = False
    quantization: str | None = None
    memory_share: float | None = None
    compiled: bool = False
    tools: str = AUTO
    """How the model writes tool calls: auto, none, or the name of a parser of vLLM's."""


def adapter_named(text: str) -> tuple[str, Path]:
    """NAME=PATH taken apart. Raises `SettingsError`."""
    name, sign, path = text.partition("=")
    if not sign or not path:
        raise SettingsError("--adapter is NAME=PATH: a name for clients, and the adapter's folder.")
    return plain_name(name), Path(path).expanduser().absolute()


def plan_server(
    request: ServerRequest, environment: ServerEnvironment, settings: Settings
) -> tuple[ServerPlan, tuple[Served, ...]]:
    """The plan of a server, and what stands behind each name that it will serve.

    A merged model is made here, once, in the cache. Raises `SettingsError` for a request that
    cannot be served, `WeightsError` where the model is absent or an adapter does not match it.
    """
    from models.language.loading import located

    device = request.device or environment.device
    if device not in environment.devices:
        raise SettingsError(
            f"The server was built for {environment.device.value.upper()} alone. Build the other "
            f"one with 'make vllm VLLM={device.value}'."
        )
    _require_key(request.host, settings.llm.api_key)
    names = [name for name, _ in request.adapters]
    if len(set(names)) < len(names) or settings.llm.model in names:
        raise SettingsError(
            f"Each adapter needs a name of its own, and none may be the model's "
            f"('{settings.llm.model}')."
        )
    base = located(request.model, settings.cache_dir).absolute()
    adapters = tuple(
        _checked(name, folder, request.model, settings.cache_dir)
        for name, folder in request.adapters
    )
    plan = ServerPlan(
        model=base,
        name=settings.llm.model,
        device=device,
        tools=tool_calls_of(base, request.tools),
        **request.model_dump(exclude={"model", "adapters", "device", "merged", "tools"}),
    )
    if _merges(request, device):
        [adapter] = adapters
        plan = plan.model_copy(
            update={"model": _merged(base, adapter, settings.cache_dir), "name": adapter.name}
        )
        return plan, (_served(adapter, MERGED),)
    shown = (Served(name=plan.name, kind=BASE), *(_served(one, ADAPTER) for one in adapters))
    return plan.model_copy(update={"adapters": adapters}), shown


def _require_key(host: str, key: str) -> None:
    import ipaddress

    try:
        here = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = False
    if not here and key == "none":
        raise SettingsError(
            "Serving beyond this machine needs a key. Set READINGROOM_LLM__API_KEY, or leave "
            "--host as it is."
        )


def _merges(request: ServerRequest, device: Device) -> bool:
    if request.merged and len(request.adapters) != 1:
        raise SettingsError("--merged goes with exactly one --adapter: only one can be merged in.")
    if request.merged is None:
        return device is Device.CPU and len(request.adapters) == 1
    return request.merged


def _checked(name: str, folder: Path, source: str, cache_dir: Path) -> ServedAdapter:
    """An adapter that fits the model and the prompts in use. Raises `WeightsError`."""
    from agents.aggregator.matching import match_wanted_of
    from models.language.adapter_card import read_adapter_card, require_match

    card = read_adapter_card(folder)
    require_match(card, match_wanted_of(card, source, cache_dir))
    return ServedAdapter(
        name=name,
        folder=folder,
        rank=card.rank,
        prompt=card.match.prompt,
        version=card.version,
        licence=card.licence,
        sha256=card.weights_sha256,
    )


def _merged(base: Path, adapter: ServedAdapter, cache_dir: Path) -> Path:
    """The folder of the model with the adapter put into its weights, made the first time."""
    from models.language.loading import folder_sha256
    from models.language.merging import merge_adapter

    made_of = f"{folder_sha256(base)[:12]}-{adapter.sha256[:12]}"
    target = cache_dir / "merged" / f"{adapter.name}-{made_of}"
    if not (target / "config.json").is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        merge_adapter(base, adapter.folder, target)
    return target


def _served(adapter: ServedAdapter, kind: str) -> Served:
    return Served(
        name=adapter.name,
        kind=kind,
        prompt=adapter.prompt,
        version=adapter.version,
        licence=adapter.licence,
        sha256=adapter.sha256,
    )
