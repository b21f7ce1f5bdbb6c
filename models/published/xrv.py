"""What torchxrayvision publishes of its networks: names, labels, operating points, input."""

from __future__ import annotations

import math
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

from pydantic import ValidationError, model_validator

from findings.claims import Frozen
from findings.errors import WeightsError
from findings.label_maps import Dataset, finding_of
from findings.vocabulary import Finding

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

TABLE: Final = Path(__file__).with_name("xrv.toml")
ANATOMY: Final = "xrv-pspnet"
"""Name of the anatomy segmenter among the artefacts."""


class XrvClassifierCard(Frozen):
    """One published classifier; the three tuples are in the order of its outputs."""

    weights: str
    """What torchxrayvision calls it."""
    architecture: Literal["densenet121", "resnet50"]
    size: int
    labels: tuple[str, ...]
    operating: tuple[float, ...]
    precise: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if len(self.labels) != len(self.operating) or len(self.precise) not in (
            0,
            len(self.labels),
        ):
            raise ValueError("labels and thresholds must be as many as the outputs")
        return self

    def judged(self) -> dict[int, Finding]:
        """The finding of every output that was trained and has an operating point."""
        found = {}
        for index, (label, threshold) in enumerate(zip(self.labels, self.operating, strict=True)):
            finding = xrv_finding(label)
            if finding is not None and not math.isnan(threshold):
                found[index] = finding
        return found


def xrv_finding(label: str) -> Finding | None:
    """The finding of a torchxrayvision label: named as NIH does, else as CheXpert does."""
    return finding_of(Dataset.NIH, label) or finding_of(Dataset.CHEXPERT, label)


@cache
def xrv_classifiers() -> dict[str, XrvClassifierCard]:
    """Every published classifier under its name here. Raises `WeightsError`."""
    try:
        table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
        return {name: XrvClassifierCard.model_validate(row) for name, row in table.items()}
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise WeightsError(
            f"The table of torchxrayvision's networks cannot be read ({type(error).__name__}). "
            "Reinstall the application."
        ) from error


def centre_square(height: int, width: int) -> tuple[int, int, int]:
    """Top row, first column and side of the square that torchxrayvision's XRayCenterCrop keeps."""
    side = min(height, width)
    return height // 2 - side // 2, width // 2 - side // 2, side


def xrv_input(display: NDArray[np.float32], size: int) -> torch.Tensor:
    """Display pixels as torchxrayvision's networks take them: 1×1×size×size in [-1024, 1024].

    `display` is H×W in [0, 1], bright where the chest is dense. Its centre square is resized as
    the package's models themselves do (`utils.fix_resolution`: bilinear, antialiased).
    """
    import numpy as np
    import torch

    top, left, side = centre_square(*display.shape)
    square = np.ascontiguousarray(display[top : top + side, left : left + side], dtype=np.float32)
    pixels = torch.from_numpy((2.0 * square - 1.0) * 1024.0)[None, None]
    if side == size:
        return pixels
    return torch.nn.functional.interpolate(
        pixels, size=(size, size), mode="bilinear", antialias=True
    )
