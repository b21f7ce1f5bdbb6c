"""The classifier's networks: EfficientNet-lite0 trunks under a two-way pooling head."""

from __future__ import annotations

from torch import Tensor, nn

from models.blocks import PoolingHead, early_layers, feature_trunk, normalise

TRUNK_FEATURES = 1280


class FindingNetwork(nn.Module):
    """``(batch, 1, size, size)`` intensities in [0, 1] -> ``(batch, findings)`` logits.

    ``frozen_blocks`` of the trunk, from the input on, stay as ImageNet left them: they hold edge
    and texture filters, and most of the computing time of a training step.
    """

    def __init__(self, findings: int, dropout: float = 0.0, frozen_blocks: int = 0) -> None:
        super().__init__()
        self.trunk = feature_trunk()
        self.head = PoolingHead(TRUNK_FEATURES, findings, dropout)
        self._frozen_blocks = frozen_blocks
        for module in early_layers(self.trunk, frozen_blocks):
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> FindingNetwork:
        """Switch to training, but for the frozen blocks, whose statistics stay."""
        super().train(mode)
        for module in early_layers(self.trunk, self._frozen_blocks):
            module.eval()
        return self

    def features(self, images: Tensor) -> Tensor:
        """The trunk's map ``(batch, channels, size / 32, size / 32)``."""
        found: Tensor = self.trunk.forward_features(normalise(images))  # type: ignore[operator]
        return found

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images))
        return logits
