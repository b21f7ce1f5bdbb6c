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
    AIRWAYS = "airways"
    """Trachea and main bronchi."""
    CARDIOMEDIASTINUM = "cardiomediastinum"
    """Heart, great vessels and mediastinum from the aortic arch down, in one."""


_COUNTERPART = {
    Structure.LEFT_LUNG: Structure.RIGHT_LUNG,
    Structure.RIGHT_LUNG: Structure.LEFT_LUNG,
    Structure.LEFT_CLAVICLE: Structure.RIGHT_CLAVICLE,
    Structure.RIGHT_CLAVICLE: Structure.LEFT_CLAVICLE,
}


def mirror_order(structures: tuple[Structure, ...]) -> list[int]:
    """For each structure, the place of what lies in its stead in the mirrored image."""
    return [structures.index(_COUNTERPART.get(part, part)) for part in structures]


class SegmenterNetwork(nn.Module):
    """``(batch, 1, size, size)`` intensities in [0, 1] to logits of the structures, same size.

    The structures are judged independently of each other, since clavicles and heart overlap the
    lungs. ``frozen_blocks`` of the trunk, from the input on, stay as they were before training.
    """

    def __init__(
        self,
        decoder_widths: tuple[int, ...],
        structures: tuple[Structure, ...] = tuple(Structure),
        frozen_blocks: int = 0,
    ) -> None:
        super().__init__()
        self.structures = structures
        self.trunk = pyramid_trunk()
        self.decoder = PyramidDecoder(TRUNK_CHANNELS, decoder_widths, len(structures))
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

    def take_over(self, earlier: SegmenterNetwork) -> None:
        """Start from a network of the same widths, which may outline fewer structures.

        Outputs of structures that it did not outline keep their own initial weights.

        Raises:
            RuntimeError: its widths are others.
        """
        weights = earlier.state_dict()
        for name, own in self.decoder.classify.state_dict(prefix="decoder.classify.").items():
            merged = own.clone()
            for row, structure in enumerate(earlier.structures):
                if structure in self.structures:
                    merged[self.structures.index(structure)] = weights[name][row]
            weights[name] = merged
        self.load_state_dict(weights)
