"""The R2GenCMN network: visual projection, cross-modal memory, encoder, decoder.

Chen et al., "Cross-modal Memory Networks for Radiology Report Generation" (ACL-IJCNLP 2021).
At full size the visual features are ResNet-101's; the small network takes those of the frozen
trunk that the finding classifier ships, which is no part of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from models.crude_report.memory import CrossModalMemory, join_heads, split_heads
from models.crude_report.tokens import PADDING


class Backbone(StrEnum):
    """Where visual features come from."""

    SHARED_TRUNK = "shared_trunk"
    """The finding classifier's EfficientNet-lite0, frozen; its weights stay with the classifier."""
    RESNET101 = "resnet101"
    """ResNet-101 without pooling and classification, trained along, as published."""


VISUAL_CHANNELS = {Backbone.SHARED_TRUNK: 1280, Backbone.RESNET101: 2048}


class GeneratorShape(BaseModel):
    """Sizes of the network; the defaults are the published ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: Backbone = Backbone.RESNET101
    pooled: int = Field(
        default=1, gt=0, le=8, description="side of the squares of the visual map that are averaged"
    )
    width: int = Field(default=512, gt=0, le=4096, multiple_of=2)
    heads: int = Field(default=8, gt=0)
    layers: int = Field(default=3, gt=0, le=48)
    feed_forward: int = Field(default=512, gt=0, le=16384)
    slots: int = Field(default=2048, gt=0, le=65536, description="vectors of the memory")
    top_k: int = Field(default=32, gt=0, description="memory vectors that answer a query")
    dropout: float = Field(default=0.1, ge=0, lt=1)
    visual_dropout: float = Field(default=0.5, ge=0, lt=1, description="after the projection")
    hinted_findings: int = Field(
        default=0, ge=0, le=64, description="findings whose classifier logit is shown; 0 is off"
    )


@dataclass(slots=True)
class AttentionCache:
    """Keys and values of one decoder layer: of the words so far, and of the encoded image."""

    keys: Tensor
    values: Tensor
    seen_keys: Tensor
    seen_values: Tensor


@dataclass(slots=True)
class DecoderState:
    """What the decoder remembers between words, for a batch."""

    layers: list[AttentionCache] = field(default_factory=list)
    length: int = 0

    def select(self, rows: Tensor) -> DecoderState:
        """The state of the rows given, in their order; a row may be taken several times."""
        return DecoderState(
            [
                AttentionCache(
                    cache.keys[rows],
                    cache.values[rows],
                    cache.seen_keys[rows],
                    cache.seen_values[rows],
                )
                for cache in self.layers
            ],
            self.length,
        )


class Attention(nn.Module):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017, section 3.2)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.join = nn.Linear(width, width)

    def look_at(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of features, ``(batch, heads, length, width / heads)`` each."""
        return (
            split_heads(self.key(features), self.heads),
            split_heads(self.value(features), self.heads),
        )

    def forward(
        self, features: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        attended = functional.scaled_dot_product_attention(
            split_heads(self.query(features), self.heads),
            keys,
            values,
            attn_mask=mask,
            dropout_p=self.dropout if self.training else 0.0,
        )
        joined: Tensor = self.join(join_heads(attended))
        return joined


class FeedForward(nn.Sequential):
    """Two linear layers with a ReLU between them."""

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(width, inner), nn.ReLU(), nn.Dropout(dropout), nn.Linear(inner, width)
        )


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each normalised before and added after."""

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__()
        self.attention = Attention(shape.width, shape.heads, shape.dropout)
        self.feed_forward = FeedForward(shape.width, shape.feed_forward, shape.dropout)
        self.before_attention = nn.LayerNorm(shape.width)
        self.before_feed_forward = nn.LayerNorm(shape.width)
        self.drop = nn.Dropout(shape.dropout)

    def forward(self, features: Tensor) -> Tensor:
        known = self.before_attention(features)
        features = features + self.drop(self.attention(known, *self.attention.look_at(known)))
        added: Tensor = self.drop(self.feed_forward(self.before_feed_forward(features)))
        return features + added


class DecoderLayer(nn.Module):
    """Attention to the words so far, attention to the image, feed-forward."""

    def __init__(self, shape: GeneratorShape) -> None:
        super().__init__()
        self.to_words = Attention(shape.width, shape.heads, shape.dropout)
        self.to_image = Attention(shape.width, shape.heads, shape.dropout)
        self.feed_forward = FeedForward(shape.width, shape.feed_forward, shape.dropout)
        self.before_words = nn.LayerNorm(shape.width)
        self.before_image = nn.LayerNorm(shape.width)
        self.before_feed_forward = nn.LayerNorm(shape.width)
        self.drop = nn.Dropout(shape.dropout)

    def forward(self, words: Tensor, cache: AttentionCache, mask: Tensor | None) -> Tensor:
        known = self.before_words(words)
        keys, values = self.to_words.look_at(known)
        cache.keys = torch.cat([cache.keys, keys], dim=2)
        cache.values = torch.cat([cache.values, values], dim=2)
        words = words + self.drop(self.to_words(known, cache.keys, cache.values, mask))
        asked = self.before_image(words)
        words = words + self.drop(self.to_image(asked, cache.seen_keys, cache.seen_values))
        added: Tensor = self.drop(self.feed_forward(self.before_feed_forward(words)))
        return words + added


class Hints(nn.Module):
    """The classifier's log odds ``(batch, findings)`` as further parts of the image."""

    def __init__(self, findings: int, width: int) -> None:
        super().__init__()
        self.name = nn.Parameter(torch.randn(findings, width))
        self.slope = nn.Parameter(torch.randn(findings, width))

    def forward(self, log_odds: Tensor) -> Tensor:
        return self.name + log_odds[:, :, None] * self.slope


def positions(start: int, length: int, width: int) -> Tensor:
    """Sinusoids ``(length, width)`` that mark places (Vaswani et al., 2017, section 3.5)."""
    place = torch.arange(start, start + length, dtype=torch.float32)[:, None]
    rate = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float32) / width)
    return torch.stack([torch.sin(place * rate), torch.cos(place * rate)], dim=-1).flatten(1)


def resnet101_features() -> nn.Module:
    """ResNet-101 up to its last feature map: ``(batch, 3, h, w)`` -> ``(batch, 2048, h/32, w/32)``.

    ImageNet weights, or those of a radiograph network, are loaded into it by whoever trains it.
    """
    from torchvision.models import resnet101

    return nn.Sequential(*list(resnet101(weights=None).children())[:-2])


class CrudeReportNetwork(nn.Module):
    """Image features in, word logits out.

    ``visual`` is ``(batch, 1280, h, w)`` trunk features or, at full size, ``(batch, 3, h, w)``
    images normalised for ImageNet. ``hints``, where the shape asks for them, are the finding
    classifier's calibrated log odds ``(batch, findings)``.
    """

    def __init__(self, shape: GeneratorShape, words: int) -> None:
        super().__init__()
        self.shape = shape
        self.extractor: nn.Module = (
            resnet101_features() if shape.backbone is Backbone.RESNET101 else nn.Identity()
        )
        self.project = nn.Linear(VISUAL_CHANNELS[shape.backbone], shape.width)
        self.memory = CrossModalMemory(
            shape.width, shape.slots, shape.heads, shape.top_k, shape.dropout
        )
        self.encoder = nn.ModuleList(EncoderLayer(shape) for _ in range(shape.layers))
        self.encoded = nn.LayerNorm(shape.width)
        self.embed = nn.Embedding(words, shape.width)
        self.decoder = nn.ModuleList(DecoderLayer(shape) for _ in range(shape.layers))
        self.decoded = nn.LayerNorm(shape.width)
        self.classify = nn.Linear(shape.width, words)
        self.hints = Hints(shape.hinted_findings, shape.width) if shape.hinted_findings else None
        self.drop = nn.Dropout(shape.dropout)
        self.drop_visual = nn.Dropout(shape.visual_dropout)
        self._initialise()

    def _initialise(self) -> None:
        for part in (self.memory, self.encoder, self.decoder):
            for parameter in part.parameters():
                if parameter.ndim > 1 and parameter is not self.memory.slots:
                    nn.init.xavier_uniform_(parameter)
        nn.init.xavier_uniform_(self.embed.weight)

    def encode(
        self, visual: Tensor, hints: Tensor | None = None, blank: Tensor | None = None
    ) -> Tensor:
        """Encoded image parts ``(batch, parts, width)``.

        Where ``blank`` (bool, per image) is true nothing of the image is shown: what is decoded
        then is what the generator would write of any patient.
        """
        seen = self.extractor(visual)
        if self.shape.pooled > 1:
            seen = functional.avg_pool2d(seen, self.shape.pooled, ceil_mode=True)
        features = seen.flatten(2).transpose(1, 2)
        parts = self.drop_visual(functional.relu(self.project(features)))
        if self.hints is not None:
            if hints is None:
                raise ValueError("this network is shown the classifier's log odds as well")
            parts = torch.cat([parts, self.hints(hints)], dim=1)
        if blank is not None:
            parts = parts.masked_fill(blank[:, None, None], 0.0)
        parts = parts + self.memory(parts)
        parts = self.drop(parts + positions(0, parts.shape[1], self.shape.width).to(parts))
        for layer in self.encoder:
            parts = layer(parts)
        encoded: Tensor = self.encoded(parts)
        return encoded

    def begin(self, encoded: Tensor) -> DecoderState:
        """The state before the first word."""
        state = DecoderState()
        for layer in self.decoder:
            assert isinstance(layer, DecoderLayer)
            keys, values = layer.to_image.look_at(encoded)
            none = keys[:, :, :0]
            state.layers.append(AttentionCache(none, none, keys, values))
        return state

    def decode(self, words: Tensor, state: DecoderState) -> Tensor:
        """Logits ``(batch, length, vocabulary)`` of the word after each of ``words``.

        ``words`` ``(batch, length)`` follow those already in ``state``, which is taken further.
        """
        length = words.shape[1]
        place = positions(state.length, length, self.shape.width)
        embedded = self.embed(words) * self.shape.width**0.5
        embedded = self.drop(embedded + place.to(embedded))
        features = embedded + self.memory(embedded)
        mask = None
        if length > 1:
            seen = torch.ones(length, state.length + length, dtype=torch.bool, device=words.device)
            mask = seen.tril(state.length)
        for layer, cache in zip(self.decoder, state.layers, strict=True):
            features = layer(features, cache, mask)
        state.length += length
        logits: Tensor = self.classify(self.decoded(features))
        return logits

    def forward(
        self,
        visual: Tensor,
        words: Tensor,
        hints: Tensor | None = None,
        blank: Tensor | None = None,
    ) -> Tensor:
        """Teacher forcing: logits for each word that follows one of ``words``."""
        return self.decode(words, self.begin(self.encode(visual, hints, blank)))


def word_loss(logits: Tensor, words: Tensor) -> Tensor:
    """Mean cross-entropy of ``words`` ``(batch, length)``; padding does not count."""
    loss: Tensor = functional.cross_entropy(
        logits.flatten(0, 1).float(), words.flatten(), ignore_index=PADDING
    )
    return loss
