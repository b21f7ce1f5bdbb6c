"""The two encoders that share a space: small heads over frozen ones, or TRRG's at full size."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.clues.preset import ImageEncoderSettings, TextEncoderSettings

_IMAGENET_MEAN, _IMAGENET_DEVIATION = 0.449, 0.226
LARGEST_SCALE = 100.0
"""Bound of one over the temperature, as in CLIP (Radford et al., ICML 2021)."""


class MapHead(nn.Module):
    """``(batch, channels, rows, columns)`` of a frozen trunk -> ``(batch, width)``.

    Every cell is projected and told its place; learnt queries attend to the cells, and what they
    gather is joined with the cells' mean and maximum. Places are learnt on a square grid and
    interpolated to maps of other sizes.
    """

    def __init__(
        self, channels: int, hidden: int, width: int, queries: int, grid: int, dropout: float
    ) -> None:
        super().__init__()
        # Whole channels are dropped: the trunk learnt from the very images that the head learns
        # from, so single channels tell their labels too plainly.
        self.drop_channels = nn.Dropout2d(dropout)
        self.project = nn.Linear(channels, hidden)
        self.place = nn.Parameter(torch.zeros(1, hidden, grid, grid))
        self.norm = nn.LayerNorm(hidden)
        self.queries = nn.Parameter(torch.randn(queries, hidden) * hidden**-0.5)
        self.drop = nn.Dropout(dropout)
        self.join = nn.Linear((queries + 2) * hidden, width)

    def forward(self, maps: Tensor) -> Tensor:
        rows, columns = maps.shape[2:]
        place: Tensor = self.place
        if place.shape[2:] != (rows, columns):
            place = functional.interpolate(
                place, size=(rows, columns), mode="bilinear", align_corners=False
            )
        maps = self.drop_channels(maps)
        cells = self.project(maps.flatten(2).transpose(1, 2)) + place.flatten(2).transpose(1, 2)
        cells = self.drop(functional.gelu(self.norm(cells)))
        heed = (self.queries @ cells.transpose(1, 2)).softmax(dim=-1)
        gathered = (heed @ cells).flatten(1)
        joined: Tensor = self.join(
            torch.cat([gathered, cells.mean(dim=1), cells.amax(dim=1)], dim=1)
        )
        return joined


class PooledBackbone(nn.Module):
    """A timm backbone with pooled features and a projection, on ``(batch, 1, size, size)``.

    Grey intensities in [0, 1] are scaled by the mean of ImageNet's three channels' statistics.
    """

    def __init__(self, name: str, width: int) -> None:
        super().__init__()
        import timm

        backbone: Any = timm.create_model(name, pretrained=False, num_classes=0)
        self.backbone = backbone
        self.project = nn.Linear(int(backbone.num_features), width)

    def forward(self, images: Tensor) -> Tensor:
        projected: Tensor = self.project(
            self.backbone((images.expand(-1, 3, -1, -1) - 0.45) / 0.23)
        )
        return projected


class PooledText(nn.Module):
    """A BERT encoder, the first token's state projected; input ``(batch, 2, length)`` holds token
    numbers and the attention mask."""

    def __init__(self, settings: TextEncoderSettings, width: int) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel

        shape = BertConfig(
            vocab_size=settings.vocabulary,
            hidden_size=settings.hidden,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            intermediate_size=4 * settings.hidden,
        )
        self.encoder: Any = BertModel(shape, add_pooling_layer=False)
        self.project = nn.Linear(settings.hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        ids, mask = tokens[:, 0], tokens[:, 1]
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        projected: Tensor = self.project(states[:, 0])
        return projected


class ClueNetwork(nn.Module):
    """An image and a text encoder that give unit vectors of one width, and a learnt temperature."""

    def __init__(self, image: nn.Module, text: nn.Module, temperature: float) -> None:
        super().__init__()
        self.image = image
        self.text = text
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))

    @property
    def scale(self) -> Tensor:
        """One over the temperature."""
        return self.log_scale.exp().clamp(max=LARGEST_SCALE)

    def embed_images(self, seen: Tensor) -> Tensor:
        """Unit vectors ``(batch, width)`` of what the image encoder takes."""
        return functional.normalize(self.image(seen), dim=-1)

    def embed_texts(self, read: Tensor) -> Tensor:
        """Unit vectors ``(batch, width)`` of what the text encoder takes."""
        return functional.normalize(self.text(read), dim=-1)


def build_network(
    image: ImageEncoderSettings, text: TextEncoderSettings, width: int, temperature: float
) -> ClueNetwork:
    """The network of a preset, with random weights."""
    seer: nn.Module
    if image.shared_trunk:
        seer = MapHead(
            image.channels, image.hidden, width, image.queries, image.grid, image.dropout
        )
    else:
        seer = PooledBackbone(image.backbone, width)
    reader = nn.Linear(text.hidden, width, bias=False) if text.frozen else PooledText(text, width)
    return ClueNetwork(seer, reader, temperature)
