"""The pictures that the input gate's network is trained on, small, with what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from imaging import made_pictures
from imaging.gate_data import GatePicture
from imaging.gate_network import PictureKind
from imaging.study import FloatImage

_STORED_SIDE = 80
_MADE = 720
_CHILD_YEARS = 10.0
"""Younger patients count as children for the picture: older ones look like adults."""


@dataclass(frozen=True, eq=False)
class Example:
    """One training picture and what is known of it; `None` = not known."""

    picture: torch.Tensor
    """uint8, 80 × 80."""
    kind: PictureKind
    quarter_turns: int = 0
    inverted: bool = False
    child: bool | None = None
    antero_posterior: bool | None = None


def _stored(gray: FloatImage) -> torch.Tensor:
    return torch.from_numpy((np.clip(gray, 0, 1) * 255).round().astype(np.uint8))


def _small(path: Path) -> torch.Tensor:
    """A picture file, scaled down while it is decompressed, which is what makes this quick."""
    import PIL.Image

    with PIL.Image.open(path) as picture:
        picture.draft("L", (2 * _STORED_SIDE, 2 * _STORED_SIDE))
        small = picture.convert("L").resize(
            (_STORED_SIDE, _STORED_SIDE), PIL.Image.Resampling.BILINEAR
        )
        return torch.from_numpy(np.array(small))


def example_of(picture: GatePicture) -> Example:
    """A listed picture, read and scaled down; adult data sets without ages show no child."""
    child = None if picture.age_years is None else picture.age_years < _CHILD_YEARS
    if child is None and picture.source in ("jsrt", "openist", "covid", "gbseg"):
        child = False
    return Example(
        _small(picture.path),
        picture.kind,
        picture.quarter_turns,
        picture.inverted,
        child,
        picture.antero_posterior,
    )


def made_examples(rng: np.random.Generator, chests: Sequence[Example]) -> list[Example]:
    """Pictures that are no frontal chest radiograph: drawn, or made of pieces of `chests`."""
    made: list[Example] = []
    for index in range(_MADE):
        source = chests[int(rng.integers(len(chests)))].picture.numpy().astype(
            np.float32
        ) / np.float32(255)
        match index % 9:
            case 7:
                gray, kind = made_pictures.limb(rng, _STORED_SIDE), PictureKind.OTHER_BODY
            case 8:
                gray, kind = made_pictures.shuffled(rng, source), PictureKind.NOT_MEDICAL
            case 6:
                gray, kind = made_pictures.scrambled(rng, source), PictureKind.NOT_MEDICAL
            case other:
                makers = made_pictures.NOT_MEDICAL
                gray, kind = makers[other % len(makers)](rng, _STORED_SIDE), PictureKind.NOT_MEDICAL
        made.append(Example(_stored(gray), kind))
    return made
