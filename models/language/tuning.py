"""What a tuning run is told: its preset, its pairs, and where it leaves its adapter."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from findings.errors import SettingsError
from findings.vocabulary import Language
from models.language.adapter_card import AdapterMatch, Method
from models.language.adapters import LoraSettings
from models.language.pairs import Form

ADAPTER: Final = "adapter"
"""The folder within a run's that holds the finished adapter."""


class _Described(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunSettings(_Described):
    """The optimisation; a step is `batch_size` times `accumulate` examples."""

    epochs: float = Field(gt=0)
    batch_size: int = Field(gt=0)
    accumulate: int = Field(default=1, gt=0)
    learning_rate: float = Field(gt=0)
    warmup_share: float = Field(ge=0, lt=1)
    max_tokens: int = Field(gt=0, description="of prompt and answer; what is longer is left out")
    packing: bool = Field(description="fill rows with several examples; they do not see each other")
    validate_every: int = Field(gt=0, description="steps; as often, the run is saved")
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    gradient_checkpointing: bool = False
    clip_norm: float = Field(default=1.0, gt=0)
    most_examples: int = Field(default=0, ge=0, description="0: all")
    beta: float = Field(default=0.1, gt=0, description="of DPO: how firmly the start is held to")
    seed: int = 20261122


class TuningPreset(_Described):
    """One tuning run, fully described but for where its data lie."""

    method: Method
    base: str = Field(description="source of the base model, as `load_language_model` takes it")
    architecture: str = Field(description="its entry among the architectures, to count it by")
    form: Form
    languages: tuple[Language, ...]
    quantised: Literal["none", "nf4"] = Field(
        default="none", description="nf4: QLoRA (Dettmers et al., NeurIPS 2023), on a GPU"
    )
    lora: LoraSettings
    run: RunSettings


@dataclass(frozen=True, slots=True)
class TuningRequest:
    """One run: `data` holds the pairs, `out` takes checkpoints, figures and the adapter.

    `start` is the adapter that a preference run goes on from. `match` says what the adapter will
    depend on, `command` what a person would type.
    """

    name: str
    version: str
    preset: TuningPreset
    data: Path
    out: Path
    cache: Path
    match: AdapterMatch
    command: str
    resume: bool = False
    start: Path | None = None


class Counted(_Described):
    """A preset's network, counted without weights."""

    architecture: str
    parameters: int
    trained: int


def tuning_presets() -> tuple[str, ...]:
    """The names of the presets that come with the application: `sft-small`, …"""
    folder = resources.files("models.language.presets")
    return tuple(
        sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml"))
    )


def read_tuning_preset(method: Method, name: str) -> TuningPreset:
    """A preset by its name within the method (`small`), or by the path of a TOML file.

    Raises `SettingsError` where there is none, it is for another method, or a setting is wrong.
    """
    if name.endswith(".toml"):
        path = Path(name)
        text = path.read_text(encoding="utf-8") if path.is_file() else None
    else:
        found = resources.files("models.language.presets").joinpath(f"{method}-{name}.toml")
        text = found.read_text("utf-8") if found.is_file() else None
    if text is None:
        known = [n.removeprefix(f"{method}-") for n in tuning_presets() if n.startswith(method)]
        raise SettingsError(
            f"There is no tuning preset {name!r} for {method}. Use one of {', '.join(known)}."
        )
    try:
        preset = TuningPreset.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise SettingsError(f"The tuning preset {name!r} cannot be used: {error}") from error
    if preset.method is not method:
        raise SettingsError(f"The tuning preset {name!r} is for {preset.method}, not {method}.")
    return preset


def count(preset: TuningPreset) -> Counted:
    """Build the preset's network with its adapters on the meta device, and count it.

    Raises `SettingsError` where its architecture or its target modules are not known.
    """
    import torch

    from models.language.adapters import add_lora
    from models.language.architectures import meta_language_model

    network = meta_language_model(preset.architecture)
    whole = sum(parameter.numel() for parameter in network.parameters())
    try:
        with torch.device("meta"):
            add_lora(network, preset.lora)
    except ValueError as error:
        raise SettingsError("No layer of the base model has the names in 'targets'.") from error
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return Counted(architecture=preset.architecture, parameters=whole, trained=trained)


def shown(figures: Mapping[str, float]) -> str:
    """Figures as one line: `loss 1.2345  tokens_per_second 240`."""
    return "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
