"""Language models of the papers' sizes, built on the meta device from their configs alone."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from findings.errors import SettingsError

if TYPE_CHECKING:
    from torch import nn

_FILE: Final = Path(__file__).with_name("architectures.toml")

_CLASSES: Final = {
    "gemma3_text": ("Gemma3TextConfig", "Gemma3ForCausalLM"),
    "mistral": ("MistralConfig", "MistralForCausalLM"),
    "opt": ("OPTConfig", "OPTForCausalLM"),
    "llama": ("LlamaConfig", "LlamaForCausalLM"),
}

Size = int | float | bool | list[int]


class Architecture(BaseModel):
    """A published model's config; ``hub`` is where its weights are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    hub: str
    licence: str
    kind: Literal["mllama", "gemma3_text", "mistral", "opt", "llama"]
    text: dict[str, Size]
    vision: dict[str, Size] | None = None


@cache
def architectures() -> dict[str, Architecture]:
    """Every known architecture by name.

    Raises:
        SettingsError: the list is damaged.
    """
    try:
        table = tomllib.loads(_FILE.read_text(encoding="utf-8"))
        found = [Architecture.model_validate(entry) for entry in table["architecture"]]
    except (OSError, KeyError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise SettingsError(
            f"the list of language models cannot be read ({type(error).__name__}): reinstall the "
            "application"
        ) from error
    return {entry.name: entry for entry in found}


def architecture(name: str) -> Architecture:
    """The architecture of that name, or of that hub id.

    Raises:
        SettingsError: there is none.
    """
    for entry in architectures().values():
        if name in (entry.name, entry.hub):
            return entry
    known = ", ".join(architectures())
    raise SettingsError(f"there is no language model {name!r}: use one of {known}")


def meta_language_model(name: str) -> nn.Module:
    """The language model of that name or hub id, without weights, on the meta device.

    Raises:
        SettingsError: there is no such architecture.
    """
    import torch

    with torch.device("meta"):
        return _build(architecture(name))


def _build(entry: Architecture) -> nn.Module:
    import transformers

    made: Any = transformers
    if entry.kind == "mllama":
        config = made.MllamaConfig(text_config=entry.text, vision_config=entry.vision)
        network: nn.Module = made.MllamaForConditionalGeneration(config)
    else:
        config_name, model_name = _CLASSES[entry.kind]
        network = getattr(made, model_name)(getattr(made, config_name)(**entry.text))
    return network
