"""Adapters on the image encoder (section VII's visual LoRA), which must then see pixels."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from findings.errors import SettingsError
from models.language.adapters import LoraSettings, add_lora
from models.reports.vision import HubEncoder, ImageEncoder, TrunkEncoder

_ATTENTION: Final = ("query", "value", "q_proj", "v_proj")
_POINTWISE: Final = r"trunk\..*\.conv_pwl?"


class AdaptedEncoder(nn.Module):
    """A copy of a frozen encoder whose adapters learn; the encoder itself is left as it is."""

    def __init__(self, encoder: ImageEncoder, settings: LoraSettings) -> None:
        """Adapters go on queries and values of a transformer, on 1 × 1 convolutions of the trunk.

        Raises:
            SettingsError: the encoder is of a kind that carries none.
        """
        super().__init__()
        self._source: HubEncoder | TrunkEncoder
        if isinstance(encoder, HubEncoder):
            self.network: nn.Module = copy.deepcopy(encoder.network)
            names = {name.rpartition(".")[2] for name, _ in self.network.named_modules()}
            targets: tuple[str, ...] | str = tuple(own for own in _ATTENTION if own in names)
        elif isinstance(encoder, TrunkEncoder):
            self.network = copy.deepcopy(encoder.network)
            targets = _POINTWISE
        else:
            raise SettingsError(
                "visual adapters go on a vision transformer or on the shared trunk: name another "
                "image encoder, or switch visual_lora off"
            )
        self._source = encoder
        add_lora(self.network, settings.model_copy(update={"targets": targets}), "visual")

    def pixels(self, displays: Sequence[NDArray[np.float32]]) -> Tensor:
        """What the encoder is shown of displays."""
        return self._source.pixels(displays)

    def forward(self, pixels: Tensor) -> Tensor:
        """Patch vectors ``(batch, patches, width)``, with gradients for the adapters."""
        vectors: Tensor = self._source.vectors(pixels, self.network)
        return vectors

    @torch.inference_mode()
    def encode(self, displays: Sequence[NDArray[np.float32]]) -> Tensor:
        """As `models.reports.vision.ImageEncoder.encode`, with the adapters."""
        found: Any = self(self.pixels(displays))
        vectors: Tensor = found.float().clone()
        return vectors
