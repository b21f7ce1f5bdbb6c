"""Training batches of the input gate: pictures distorted, asked about what was done to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from imaging.gate_examples import Example
from imaging.gate_network import KINDS, QUESTIONS, PictureKind, standardise
from imaging.gate_network import SIDE as NETWORK_SIDE


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures as the network sees them, and the right answers."""

    images: torch.Tensor
    kinds: torch.Tensor
    turns: torch.Tensor
    """−1 where the question does not arise."""
    questions: torch.Tensor
    """N × questions, NaN where the question does not arise."""


def batches(examples: Sequence[Example], rng: np.random.Generator, size: int) -> Iterator[Batch]:
    """One epoch: all examples in random order, in distorted batches; the last rest is dropped."""
    order = rng.permutation(len(examples))
    for start in range(0, len(order) - size + 1, size):
        yield _distorted([examples[i] for i in order[start : start + size]], rng)


def _distorted(examples: Sequence[Example], rng: np.random.Generator) -> Batch:
    """Place, degrade, turn, mirror and invert; the questions are answered by what was done."""
    count = len(examples)
    images = torch.stack([example.picture for example in examples]).float()[:, None] / 255
    turned_before = torch.tensor([example.quarter_turns for example in examples])
    images = _turn(images, -turned_before)
    frontal = np.array([example.kind is PictureKind.FRONTAL for example in examples])
    cropped = rng.random(count) < 0.25
    images = _place(images, cropped, rng)
    images = _degrade(images, rng)

    inverted_before = np.array([example.inverted for example in examples])
    inverts = (rng.random(count) < np.where(frontal, 0.2, 0.15)) ^ inverted_before
    mirrors = rng.random(count) < 0.35
    turns = np.where(rng.random(count) < 0.4, rng.integers(1, 4, count), 0)
    flags = torch.from_numpy(inverts ^ inverted_before)[:, None, None, None]
    images = torch.where(flags, 1 - images, images)
    images = torch.where(torch.from_numpy(mirrors)[:, None, None, None], images.flip(3), images)
    images = _turn(images, torch.from_numpy(turns))

    upright = frontal & (turns == 0)
    whole = ~cropped
    child = np.array([np.nan if e.child is None else float(e.child) for e in examples])
    ap = np.array(
        [np.nan if e.antero_posterior is None else float(e.antero_posterior) for e in examples]
    )
    answers = {
        "mirrored": np.where(upright & whole, mirrors.astype(float), np.nan),
        "inverted": np.where(frontal, inverts.astype(float), np.nan),
        "paediatric": np.where(upright & whole, child, np.nan),
        "cropped": np.where(frontal, cropped.astype(float), np.nan),
        "antero_posterior": np.where(upright & whole & ~inverts, ap, np.nan),
    }
    return Batch(
        standardise(images),
        torch.tensor([KINDS.index(example.kind) for example in examples]),
        torch.from_numpy(np.where(frontal, turns, -1)),
        torch.from_numpy(np.stack([answers[q] for q in QUESTIONS], axis=1)).float(),
    )


def _turn(images: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    turned = images.clone()
    for quarter in (1, 2, 3):
        chosen = turns % 4 == quarter
        if chosen.any():
            turned[chosen] = images[chosen].rot90(quarter, (2, 3))
    return turned


def _place(
    images: torch.Tensor,
    cropped: np.ndarray[tuple[int], np.dtype[np.bool_]],
    rng: np.random.Generator,
) -> torch.Tensor:
    """Small rotations, stretches and shifts; cropping cuts 25 to 55 % off one to two sides."""
    count = images.shape[0]
    theta = np.zeros((count, 2, 3))
    for index in range(count):
        angle = np.deg2rad(rng.normal(0, 4))
        # A window [left, right] × [top, bottom] of the picture, in units of its sides.
        left, top = rng.uniform(-0.07, 0.05, 2)
        right, bottom = rng.uniform(0.95, 1.07, 2)
        if cropped[index]:
            for side in rng.choice(4, int(rng.integers(1, 3)), replace=False):
                cut = rng.uniform(0.25, 0.55)
                match side:
                    case 0:
                        left = cut
                    case 1:
                        right = 1 - cut if left < 0.3 else 0.95
                    case 2:
                        top = cut
                    case _:
                        bottom = 1 - cut if top < 0.3 else 0.95
        sx, sy = right - left, bottom - top
        theta[index] = [
            [sx * np.cos(angle), -sy * np.sin(angle), left + right - 1],
            [sx * np.sin(angle), sy * np.cos(angle), top + bottom - 1],
        ]
    grid = functional.affine_grid(
        torch.from_numpy(theta).float(),
        [count, 1, NETWORK_SIDE, NETWORK_SIDE],
        align_corners=False,
    )
    padding = "border" if rng.random() < 0.3 else "zeros"
    return functional.grid_sample(images, grid, padding_mode=padding, align_corners=False)


def _degrade(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Contrast, blur, noise, labels and borders, so that none of them tells a data set apart."""
    count = images.shape[0]
    gamma = torch.from_numpy(np.exp(rng.normal(0, 0.35, count))).float()[:, None, None, None]
    images = images.clamp(1e-4, 1) ** gamma
    for index in range(count):
        picture = images[index : index + 1]
        if rng.random() < 0.35:
            small = int(rng.integers(32, NETWORK_SIDE))
            picture = functional.interpolate(
                functional.interpolate(
                    picture, (small, small), mode="bilinear", antialias=True, align_corners=False
                ),
                (NETWORK_SIDE, NETWORK_SIDE),
                mode="bilinear",
                align_corners=False,
            )
        if rng.random() < 0.3:
            deviation = float(rng.uniform(0.005, 0.06))
            seed = int(rng.integers(2**31))
            noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed))
            picture = (picture + deviation * noise).clamp(0, 1)
        images[index : index + 1] = picture
        for _ in range(int(rng.choice([0, 0, 0, 1, 2]))):
            top, left = rng.integers(0, NETWORK_SIDE - 6, 2)
            height, width = rng.integers(1, 6), rng.integers(2, 11)
            images[index, 0, top : top + height, left : left + width] = float(rng.choice([0, 1, 1]))
        if rng.random() < 0.12:
            band = int(rng.integers(1, 7))
            shade = float(rng.choice([0.0, 1.0]))
            match rng.integers(4):
                case 0:
                    images[index, 0, :band] = shade
                case 1:
                    images[index, 0, -band:] = shade
                case 2:
                    images[index, 0, :, :band] = shade
                case _:
                    images[index, 0, :, -band:] = shade
    return images
