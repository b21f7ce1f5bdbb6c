"""Low-rank adapters (Hu et al., LoRA, ICLR 2022) on any network, by the peft library."""

from __future__ import annotations

import warnings
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

ALL_LINEAR: Final = (
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
)
"""The linear layers of a Llama, Gemma or Mistral block, attention and feed-forward."""


class LoraSettings(BaseModel):
    """Rank, scale (alpha / rank), dropout before the adapters, and which layers carry one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(default=16, gt=0, le=1024)
    alpha: float = Field(default=32.0, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: tuple[str, ...] | str = Field(
        default=ALL_LINEAR,
        description="ends of layers' names, or a regular expression of whole ones",
    )


def add_lora(network: nn.Module, settings: LoraSettings, name: str = "default") -> None:
    """Freeze ``network`` and put adapters, which alone are trained, on its layers, in place.

    An adapter starts at zero, so the network's outputs do not change. Called again under another
    name it puts a second set of adapters beside the first, which is frozen; both act.

    Raises:
        ValueError: no layer has such a name.
    """
    from peft import LoraConfig, inject_adapter_in_model

    targets = settings.targets if isinstance(settings.targets, str) else list(settings.targets)
    made: Any = LoraConfig
    config = made(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        bias="none",
    )
    network.requires_grad_(False)
    with warnings.catch_warnings():
        # It warns of a second set of adapters, which is what is wanted.
        warnings.simplefilter("ignore", UserWarning)
        inject_adapter_in_model(config, network, adapter_name=name)
    for module in network.modules():
        layers = getattr(module, "lora_A", None)
        if isinstance(layers, nn.ModuleDict):
            module.set_adapter(sorted(layers))  # type: ignore[operator]
    for parameter_name, parameter in network.named_parameters():
        adapter = "lora_" in parameter_name
        parameter.requires_grad_(adapter and f".{name}." in parameter_name)
        if adapter and parameter.requires_grad and parameter.device.type != "meta":
            # Small steps vanish in half precision.
            parameter.data = parameter.data.float()


def adapters_of(network: nn.Module) -> tuple[str, ...]:
    """The names of the adapters that a network carries."""
    found: set[str] = set()
    for module in network.modules():
        layers = getattr(module, "lora_A", None)
        if isinstance(layers, nn.ModuleDict):
            found |= set(layers)
    return tuple(sorted(found))
