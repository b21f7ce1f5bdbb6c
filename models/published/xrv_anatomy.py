"""torchxrayvision's anatomy segmenter: PSPNet trained on ChestX-Det (Lian et al., IEEE TMI 2021).

Its network's code is torchxrayvision's (`baseline_models.chestx_det.ptsemseg`), an optional
dependency; its weights are pulled by this application.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from findings.errors import WeightsError
from findings.regions import Region
from models.published.outlines import Outlines, firmness, sides_by_position
from models.published.xrv import centre_square, xrv_input

SIZE: Final = 512
STRUCTURES: Final = (
    "Left Clavicle",
    "Right Clavicle",
    "Left Scapula",
    "Right Scapula",
    "Left Lung",
    "Right Lung",
    "Left Hilus Pulmonis",
    "Right Hilus Pulmonis",
    "Heart",
    "Aorta",
    "Facies Diaphragmatica",
    "Mediastinum",
    "Weasand",
    "Spine",
)
"""The outputs, in order."""
REGIONS: Final = {
    "Left Clavicle": Region.LEFT_CLAVICLE,
    "Right Clavicle": Region.RIGHT_CLAVICLE,
    "Left Lung": Region.LEFT_LUNG,
    "Right Lung": Region.RIGHT_LUNG,
    "Left Hilus Pulmonis": Region.LEFT_HILUM,
    "Right Hilus Pulmonis": Region.RIGHT_HILUM,
    "Heart": Region.CARDIAC_SILHOUETTE,
    "Aorta": Region.AORTA,
    "Facies Diaphragmatica": Region.DIAPHRAGM,
    "Mediastinum": Region.MEDIASTINUM,
    "Weasand": Region.TRACHEA,
    "Spine": Region.SPINE,
}
"""What they outline; the vocabulary has no region for the scapulae."""

_MEAN: Final = (0.485, 0.456, 0.406)
_DEVIATION: Final = (0.229, 0.224, 0.225)
_DATA_PARALLEL: Final = "module."


class XrvAnatomy:
    """The published segmenter. One instance may be used from several threads at once."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network.eval()

    @classmethod
    def load(cls, file: Path) -> XrvAnatomy:
        """Load pulled tensors (safetensors).

        Raises `WeightsError` where they do not fit or torchxrayvision is not installed.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        network = build_network()
        try:
            state = load_file(file)
            network.load_state_dict(
                {name.removeprefix(_DATA_PARALLEL): tensor for name, tensor in state.items()}
            )
        except (OSError, SafetensorError, RuntimeError) as error:
            raise WeightsError(
                f"The weights of 'xrv-pspnet' do not fit their network ({type(error).__name__}). "
                "Pull them again."
            ) from error
        return cls(network)

    def probabilities(self, display: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probability maps of the 14 `STRUCTURES` on the centre square, 14×512×512."""
        pixels = (xrv_input(display, SIZE) + 1024.0) / 2048.0
        mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in (_MEAN, _DEVIATION))
        with torch.inference_mode():
            logits = self._network((pixels.repeat(1, 3, 1, 1) - mean) / deviation)[0]
            maps: NDArray[np.float32] = torch.sigmoid(logits).numpy()
        return maps

    def outline(self, display: NDArray[np.float32]) -> Outlines:
        """Masks at the display's size (H×W in [0, 1]); nothing is found beside the centre square.

        A mask that touches an edge where the crop took something away has quality 0.
        """
        return outlines_of(self.probabilities(display), *display.shape)


def outlines_of(maps: NDArray[np.float32], height: int, width: int) -> Outlines:
    """The probability maps of the centre square as outlines of the whole image."""
    top, left, side = centre_square(height, width)
    masks, quality = {}, {}
    for structure, region in REGIONS.items():
        low = torch.from_numpy(maps[STRUCTURES.index(structure)])[None, None]
        high = torch.nn.functional.interpolate(low, size=(side, side), mode="bilinear")
        probability: NDArray[np.float32] = high[0, 0].numpy()
        inside = probability > 0.5
        mask = np.zeros((height, width), dtype=bool)
        mask[top : top + side, left : left + side] = inside
        masks[region] = mask
        quality[region] = 0.0 if _cut(inside, height, width) else firmness(probability, inside)
    return sides_by_position(Outlines(masks, quality))


def _cut(inside: NDArray[np.bool_], height: int, width: int) -> bool:
    """Whether a mask of the centre square reaches an edge that is not the image's own."""
    if width > height:
        return bool(inside[:, 0].any() or inside[:, -1].any())
    return bool(height > width and (inside[0].any() or inside[-1].any()))


def build_network() -> nn.Module:
    """The network with untrained weights. Raises `WeightsError` without torchxrayvision."""
    try:
        with warnings.catch_warnings():  # the package switches every warning of the process off
            from torchxrayvision.baseline_models.chestx_det.ptsemseg.pspnet import pspnet
    except ImportError as error:
        raise WeightsError(
            "The segmenter 'xrv-pspnet' needs the code of torchxrayvision, which is not installed. "
            "Install it with: pip install 'readingroom[torchxrayvision]'."
        ) from error
    network: nn.Module = pspnet(len(STRUCTURES))
    return network
