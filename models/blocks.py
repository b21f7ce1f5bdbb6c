"""Network blocks shared by the experts: the ImageNet trunk, a light decoder, a pooling head."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

TRUNK_NAME = "tf_efficientnet_lite0"


def normalise(images: Tensor) -> Tensor:
    """Scale intensities in [0, 1] to what the ImageNet weights expect: (255 x - 127) / 128.

    Takes ``(batch, 1, height, width)`` and repeats the single channel three times.
    """
    return ((images * 255.0 - 127.0) / 128.0).expand(-1, 3, -1, -1)


def pyramid_trunk() -> nn.Module:
    """EfficientNet-lite0 that returns five feature maps, at strides 2, 4, 8, 16 and 32."""
    trunk: nn.Module = timm.create_model(
        TRUNK_NAME, pretrained=False, features_only=True, out_indices=(0, 1, 2, 3, 4)
    )
    return trunk


def early_layers(trunk: Any, blocks: int) -> list[nn.Module]:
    """The trunk's layers from the input up to the end of its first ``blocks`` blocks."""
    if blocks == 0:
        return []
    return [trunk.conv_stem, trunk.bn1, *list(trunk.blocks)[:blocks]]


class ConvolutionBlock(nn.Sequential):
    """3 x 3 convolution, batch normalisation, ReLU."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        )


class DecoderStage(nn.Module):
    """Double the resolution, add the trunk's map of that resolution, refine.

    The two are added after 1 x 1 projections rather than concatenated, which keeps the 3 x 3
    convolution, where most of a training step's time goes, narrow.
    """

    def __init__(self, channels_in: int, channels_skip: int, channels_out: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels_in, channels_out, 1)
        self.project = nn.Conv2d(channels_skip, channels_out, 1) if channels_skip else None
        self.refine = ConvolutionBlock(channels_out, channels_out)

    def forward(self, coarse: Tensor, skip: Tensor | None) -> Tensor:
        raised = functional.interpolate(
            self.reduce(coarse), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        if self.project is not None and skip is not None:
            raised = raised + self.project(skip)
        refined: Tensor = self.refine(raised)
        return refined


class PyramidDecoder(nn.Module):
    """Five stages from stride 32 back to the input's resolution, one logit map per structure."""

    def __init__(
        self, trunk_channels: tuple[int, ...], widths: tuple[int, ...], structures: int
    ) -> None:
        super().__init__()
        skips = (*reversed(trunk_channels[:-1]), 0)
        if len(skips) != len(widths):
            raise ValueError(f"the decoder needs {len(skips)} widths, not {len(widths)}")
        incoming = (trunk_channels[-1], *widths[:-1])
        self.stages = nn.ModuleList(
            DecoderStage(channels, skip, width)
            for channels, skip, width in zip(incoming, skips, widths, strict=True)
        )
        self.classify = nn.Conv2d(widths[-1], structures, 1)

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        current = pyramid[-1]
        skips: list[Tensor | None] = [*reversed(pyramid[:-1]), None]
        for stage, skip in zip(self.stages, skips, strict=True):
            current = stage(current, skip)
        logits: Tensor = self.classify(current)
        return logits


class PoolingHead(nn.Module):
    """Average and maximum over the map, dropout, one logit per finding."""

    def __init__(self, channels: int, findings: int, dropout: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.classify = nn.Linear(2 * channels, findings)

    def pool(self, features: Tensor) -> Tensor:
        """``(batch, channels, height, width)`` -> ``(batch, 2 * channels)``."""
        return torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.classify(self.drop(self.pool(features)))
        return logits
