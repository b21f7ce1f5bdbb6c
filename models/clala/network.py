"""The CLALA-Net network: regions, lesion cross-attention, sentence space, region decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from findings.regions import CLALA_REGIONS
from models.clala.attention import (
    NEGATIVE_WEIGHT,
    POSITIVE_WEIGHT,
    LesionCrossAttention,
    lesion_weights,
)
from models.clala.decoder import DecoderShape, RegionDecoder
from models.clues.network import PooledText
from models.clues.preset import TextEncoderSettings


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RegionEyeShape(_Frozen):
    """What looks at the regions.

    ``trunk``: the finding classifier's frozen trunk sees the film once and each region's part of
    its map is cut out (RoIAlign). ``patches``: each region is cut out of the film and seen by a
    vision transformer of its own, as in the paper.
    """

    kind: Literal["trunk", "patches"] = "patches"
    channels: int = Field(default=1280, gt=0, description="of the trunk's map")
    pooled: int = Field(default=2, gt=0, le=8, description="cells a side of a region's part")
    dropout: float = Field(default=0.0, ge=0, lt=1)
    patch: int = Field(default=16, gt=0, description="of the vision transformer (ViT-B/16)")
    layers: int = Field(default=12, gt=0)
    heads: int = Field(default=12, gt=0)
    size: int = Field(default=224, gt=0, description="of the transformer's table of places")


class Switches(_Frozen):
    """The contributions of CLALA-Net, each of which can be left out (tables 3 and 4)."""

    lca: bool = Field(default=True, description="lesion cross-attention")
    llcl: bool = Field(default=True, description="lesion-level contrastive learning")
    itcl: bool = Field(default=True, description="image-text contrastive learning")
    llcl_places: bool = Field(
        default=True, description="False: pairs by lesion alone, as with labels without places"
    )


class ClalaShape(_Frozen):
    """Sizes of the network; the defaults are the paper's, where it states them."""

    eye: RegionEyeShape = RegionEyeShape()
    width: int = Field(default=768, gt=0, description="of a region's embedding")
    heads: int = Field(default=12, gt=0, description="of the lesion cross-attention")
    dropout: float = Field(default=0.1, ge=0, lt=1)
    text: TextEncoderSettings
    text_width: int = Field(default=768, gt=0, description="of lesion names and sentences")
    decoder: DecoderShape = DecoderShape()
    positive_weight: float = Field(default=POSITIVE_WEIGHT, gt=0, le=1)
    negative_weight: float = Field(default=NEGATIVE_WEIGHT, ge=0, le=1)
    temperature: float = Field(default=0.07, gt=0)
    named_regions: bool = Field(
        default=True,
        description="tell each region its name, which a cut-out picture does not show; "
        "not in the paper",
    )


@dataclass(frozen=True, slots=True)
class RegionViews:
    """What the network is shown of some films; ``present`` bool ``(films, regions)``.

    Either ``maps`` ``(films, channels, rows, columns)`` with ``boxes`` ``(films, regions, 4)``, as
    shares of the film's width and height, or ``patches`` ``(films, regions, size, size)``.
    """

    present: Tensor
    boxes: Tensor | None = None
    maps: Tensor | None = None
    patches: Tensor | None = None


class TrunkRegions(nn.Module):
    """Parts of a frozen trunk's map, projected: ``(films, regions, width)``."""

    def __init__(self, shape: RegionEyeShape, width: int) -> None:
        super().__init__()
        self.pooled = shape.pooled
        self.drop = nn.Dropout(shape.dropout)
        self.project = nn.Linear(shape.channels * shape.pooled**2, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, views: RegionViews) -> Tensor:
        from torchvision.ops import roi_align

        assert views.maps is not None and views.boxes is not None
        films, regions = views.boxes.shape[:2]
        rows, columns = views.maps.shape[2:]
        cells = views.boxes * torch.tensor([columns, rows, columns, rows]).to(views.boxes)
        numbers = torch.arange(films, device=cells.device).repeat_interleave(regions)
        placed = torch.cat([numbers[:, None].to(cells), cells.flatten(0, 1)], dim=1)
        parts = roi_align(views.maps, placed, self.pooled, sampling_ratio=2, aligned=True)
        seen: Tensor = self.norm(self.project(self.drop(parts.flatten(1))))
        return seen.view(films, regions, -1)


class PatchRegions(nn.Module):
    """Cut-out regions, each seen by itself by a vision transformer; its first token's state."""

    def __init__(self, shape: RegionEyeShape, width: int) -> None:
        super().__init__()
        from transformers import ViTConfig, ViTModel

        config = ViTConfig(
            hidden_size=width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=4 * width,
            image_size=shape.size,
            patch_size=shape.patch,
        )
        self.encoder: Any = ViTModel(config, add_pooling_layer=False)

    def forward(self, views: RegionViews) -> Tensor:
        assert views.patches is not None
        films, regions = views.patches.shape[:2]
        # ViT's published weights expect three channels of mean and deviation one half.
        shown = (views.patches.flatten(0, 1)[:, None].expand(-1, 3, -1, -1) - 0.5) / 0.5
        states = self.encoder(pixel_values=shown, interpolate_pos_encoding=True).last_hidden_state
        seen: Tensor = states[:, 0].view(films, regions, -1)
        return seen


class ClalaNetwork(nn.Module):
    """Everything that is trained.

    ``lesion_texts`` are the fourteen lesion names as the text encoder takes them: vectors
    ``(14, hidden)`` of a frozen sentence encoder, or tokens ``(14, 2, length)`` of a BERT.
    """

    lesion_texts: Tensor

    def __init__(
        self,
        shape: ClalaShape,
        switches: Switches,
        words: int,
        special: tuple[int, int, int],
        lesion_texts: Tensor,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.switches = switches
        self.eye: nn.Module = (
            TrunkRegions(shape.eye, shape.width)
            if shape.eye.kind == "trunk"
            else PatchRegions(shape.eye, shape.width)
        )
        self.names = nn.Embedding(len(CLALA_REGIONS), shape.width) if shape.named_regions else None
        self.register_buffer("lesion_texts", lesion_texts)
        self.read: nn.Module = (
            nn.Linear(shape.text.hidden, shape.text_width, bias=False)
            if shape.text.frozen
            else PooledText(shape.text, shape.text_width)
        )
        self.attention = (
            LesionCrossAttention(shape.width, shape.text_width, shape.heads, shape.dropout)
            if switches.lca
            else None
        )
        self.to_text = nn.Linear(shape.width, shape.text_width)
        self.log_temperature = nn.Parameter(torch.tensor(shape.temperature).log())
        self.decoder = RegionDecoder(shape.decoder, shape.width, words, special)

    @property
    def temperature(self) -> Tensor:
        """Of both contrastive losses, learnt from where the shape sets it out."""
        return self.log_temperature.exp().clamp(min=0.01)

    def look(self, views: RegionViews) -> Tensor:
        """Raw region embeddings ``(films, regions, width)``."""
        seen: Tensor = self.eye(views)
        return seen if self.names is None else seen + self.names.weight

    def refine(self, regions: Tensor, labels: Tensor) -> Tensor:
        """Regions hinted with the film's lesions; ``labels`` bool ``(films, 14)``.

        Without lesion cross-attention the regions as they are.
        """
        if self.attention is None:
            return regions
        weights = lesion_weights(labels, self.shape.positive_weight, self.shape.negative_weight)
        lesions = self.read(self.lesion_texts)
        refined: Tensor = self.attention(regions, lesions, weights.to(regions))
        return refined

    def for_fine_tuning(self) -> None:
        """Let lesion cross-attention and decoder alone learn (second stage)."""
        self.requires_grad_(False)
        self.decoder.requires_grad_(True)
        if self.attention is not None:
            self.attention.requires_grad_(True)
