"""The classifier's networks: a trunk under a two-way pooling head."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from models.backbones import (
    CARDS,
    Backbone,
    backbone_features,
    backbone_stages,
    build_backbone,
)
from models.blocks import PoolingHead


class FindingNetwork(nn.Module):
    """``(batch, 1, size, size)`` intensities in [0, 1] -> ``(batch, findings)`` logits.

    The stem and ``frozen_blocks`` stages of the trunk stay as ImageNet left them: they hold edge
    and texture filters, and most of the computing time of a training step. None frozen, the stem
    learns as well.
    """

    def __init__(
        self,
        findings: int,
        dropout: float = 0.0,
        frozen_blocks: int = 0,
        backbone: Backbone = Backbone.EFFICIENTNET_LITE0,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.trunk = build_backbone(backbone)
        self.head = PoolingHead(CARDS[backbone].features, findings, dropout)
        self._frozen_blocks = frozen_blocks
        for module in self._frozen():
            module.requires_grad_(False)

    def _frozen(self) -> Iterator[nn.Module]:
        stages = backbone_stages(self.backbone, self.trunk)
        for stage in stages[: self._frozen_blocks + 1] if self._frozen_blocks else ():
            yield from stage

    def train(self, mode: bool = True) -> FindingNetwork:
        """Switch to training, but for the frozen stages, whose statistics stay."""
        super().train(mode)
        for module in self._frozen():
            module.eval()
        return self

    def features(self, images: Tensor) -> Tensor:
        """The trunk's map ``(batch, channels, size / 32, size / 32)``."""
        return backbone_features(self.backbone, self.trunk, images)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits
