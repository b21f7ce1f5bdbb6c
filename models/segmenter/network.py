"""The segmenter's network: EfficientNet-lite0 trunk and a light five-stage decoder."""

from __future__ import annotations

from enum import StrEnum

from torch import Tensor, nn

from models.blocks import PyramidDecoder, early_layers, normalise, pyramid_trunk

TRUNK_CHANNELS = (16, 24, 40, 112, 320)


class Structure(StrEnum):
    """What is outlined, in the order of the network's outputs. Sides are the patient's."""

    LEFT_LUNG = "left_lung"
    RIGHT_LUNG = "right_lung"
    HEART = "heart"
    LEFT_CLAVICLE = "left_clavicle"
    RIGHT_CLAVICLE = "right_clavicle"


class SegmenterNetwork(nn.Module):
    """``(batch, 1, size, size)`` intensities in [0, 1] -> ``(batch, 5, size, size)`` logits.

    The structures are judged independently of each other, since clavicles and heart overlap the
    lungs. ``frozen_blocks`` of the trunk, from the input on, stay as ImageNet left them.
    """

    def __init__(self, decoder_widths: tuple[int, ...], frozen_blocks: int = 0) -> None:
        super().__init__()
        self.trunk = pyramid_trunk()
        self.decoder = PyramidDecoder(TRUNK_CHANNELS, decoder_widths, len(Structure))
        self._frozen_blocks = frozen_blocks
        for module in early_layers(self.trunk, frozen_blocks):
            module.requires_grad_(False)

    def train(self, mode: bool = True) -> SegmenterNetwork:
        """Switch to training, but for the frozen blocks, whose statistics stay."""
        super().train(mode)
        for module in early_layers(self.trunk, self._frozen_blocks):
            module.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.decoder(self.trunk(normalise(images)))
        return logits
