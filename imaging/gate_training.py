"""Train the input gate's network: `python -m imaging.gate_training --data DIR --out DIR`.

Each epoch shows every adult set, a share of the children, and pictures that are no frontal chest
radiograph, all through the same chain of distortions; turning, mirroring, inverting and cropping
are done on the way and asked for. A tenth of the training patients is kept aside: the thresholds
come from them. The val split is not touched.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import nn
from torch.nn import functional

from imaging import made_pictures
from imaging.gate_data import GatePicture, gate_pictures, read_gray
from imaging.gate_network import (
    KINDS,
    QUESTIONS,
    GateCard,
    GateModel,
    GateNetwork,
    GateReading,
    GateThresholds,
    PictureKind,
    prepare,
    standardise,
)
from imaging.gate_network import SIDE as NETWORK_SIDE
from imaging.study import FloatImage

VERSION = "1"
_STORED_SIDE = 80
_CALIBRATION_SHARE = 0.1
_REPEATS = {
    "nih": 0.7,
    "tb-montgomery": 2.0,
    "tb-shenzhen": 1.0,
    "jsrt": 3.0,
    "openist": 3.0,
    "covid": 1.5,
    "gbseg": 3.0,
    "paediatric": 0.4,
    "laterals": 25.0,
    "ct_slices": 8.0,
    "not_chest": 6.0,
    "orientation": 2.0,
}
"""How often an epoch shows each picture of a source; below one, the share of its patients."""
_MADE = 720
_CHILD_YEARS = 10.0
"""Younger patients count as children for the picture: older ones look like adults."""
_FALSE_ALARMS = {"mirrored": 0.002, "inverted": 0.001, "paediatric": 0.01, "cropped": 0.02}
"""Share of upright adult frontal films kept aside that each question may wrongly flag."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Example:
    picture: torch.Tensor
    """uint8, 80 × 80."""
    kind: PictureKind
    quarter_turns: int = 0
    inverted: bool = False
    child: bool | None = None
    antero_posterior: bool | None = None


@dataclass(frozen=True, eq=False)
class _Aside:
    """Adult frontal films of the patients kept aside, as the network sees them."""

    pictures: Sequence[GatePicture]
    prepared: torch.Tensor


@dataclass(frozen=True, eq=False)
class _Batch:
    images: torch.Tensor
    kinds: torch.Tensor
    turns: torch.Tensor
    """−1 where the question does not arise."""
    questions: torch.Tensor
    """N × questions, NaN where the question does not arise."""


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


def _example(picture: GatePicture) -> _Example:
    child = None if picture.age_years is None else picture.age_years < _CHILD_YEARS
    if child is None and picture.source in ("jsrt", "openist", "covid", "gbseg"):
        child = False
    return _Example(
        _small(picture.path),
        picture.kind,
        picture.quarter_turns,
        picture.inverted,
        child,
        picture.antero_posterior,
    )


def _made(rng: np.random.Generator, chests: Sequence[_Example]) -> list[_Example]:
    """Pictures that are no frontal chest radiograph."""
    made: list[_Example] = []
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
        made.append(_Example(_stored(gray), kind))
    return made


def _batches(examples: Sequence[_Example], rng: np.random.Generator, size: int) -> Iterator[_Batch]:
    order = rng.permutation(len(examples))
    for start in range(0, len(order) - size + 1, size):
        yield _distorted([examples[i] for i in order[start : start + size]], rng)


def _distorted(examples: Sequence[_Example], rng: np.random.Generator) -> _Batch:
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
    return _Batch(
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


def _loss(network: GateNetwork, batch: _Batch) -> torch.Tensor:
    kinds, turns, questions = network(batch.images)
    loss = functional.cross_entropy(kinds, batch.kinds, label_smoothing=0.02)
    asked = batch.turns >= 0
    loss = loss + functional.cross_entropy(turns[asked], batch.turns[asked])
    known = ~batch.questions.isnan()
    return loss + 2 * functional.binary_cross_entropy_with_logits(
        questions[known], batch.questions[known]
    )


def train(data: Path, out: Path, *, epochs: int = 16, seed: int = 7) -> GateCard:
    """Train on the train split under `data`, write `gate.safetensors` and `gate.json` to `out`."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    pictures = [p for p in gate_pictures(data) if p.split == "train"]
    aside = [p for p in pictures if p.share < _CALIBRATION_SHARE and not p.atypical]
    shown = [
        picture
        for picture in pictures
        if picture.share >= _CALIBRATION_SHARE
        and (picture.share - _CALIBRATION_SHARE) <= _REPEATS[picture.source]
        and not picture.atypical
    ]
    _log.info("reading %d pictures", len(shown))
    by_source: dict[str, list[_Example]] = {}
    for picture in shown:
        by_source.setdefault(picture.source, []).append(_example(picture))
    chests = [e for examples in by_source.values() for e in examples if e.kind is KINDS[0]]

    made = _made(rng, chests)
    adults = _adults(aside)
    prepared = torch.stack([prepare(read_gray(picture.path)) for picture in adults])
    _log.info("read %d pictures to train on, %d to set thresholds on", len(shown), len(adults))

    network = GateNetwork()
    ema = torch.optim.swa_utils.get_ema_multi_avg_fn(0.995)  # type: ignore[no-untyped-call]
    averaged = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=ema, use_buffers=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.02)
    schedule: torch.optim.lr_scheduler.OneCycleLR | None = None
    for epoch in range(epochs):
        began = time.monotonic()
        examples = list(made)
        for source, group in by_source.items():
            repeats = max(1.0, _REPEATS[source])
            chosen = rng.random(len(group)) < repeats % 1
            examples += group * int(repeats) + [e for e, c in zip(group, chosen, strict=True) if c]
        size = 64
        if schedule is None:
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimiser, 3e-3, total_steps=int(epochs * (len(examples) // size) * 1.05) + 20
            )
        network.train()
        losses = []
        for batch in _batches(examples, rng, size):
            loss = _loss(network, batch)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            averaged.update_parameters(network)
            losses.append(float(loss.detach()))
        _log.info(
            "epoch %d: loss %.4f, %d pictures, %.0f s",
            epoch + 1,
            np.mean(losses),
            len(examples),
            time.monotonic() - began,
        )
        card = _write(averaged.module, _Aside(adults, prepared), shown, out)
    return card


def _write(trained: nn.Module, aside: _Aside, shown: Sequence[GatePicture], out: Path) -> GateCard:
    tensors = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in trained.state_dict().items()
    }
    weights = save(tensors)
    network = GateNetwork()
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    card = GateCard(
        version=VERSION,
        sha256=hashlib.sha256(weights).hexdigest(),
        thresholds=_NO_THRESHOLDS,
        command="python -m imaging.gate_training --data DIR --out imaging/data",
        training_images=dict(sorted(Counter(picture.source for picture in shown).items())),
    )
    model = GateModel(network, card)
    card = card.model_copy(update={"thresholds": _thresholds(model, aside)})
    out.mkdir(parents=True, exist_ok=True)
    (out / "gate.safetensors").write_bytes(weights)
    (out / "gate.json").write_text(card.model_dump_json(indent=1) + "\n", "utf-8")
    return card


_NO_THRESHOLDS = GateThresholds(
    frontal=0.5,
    frontal_doubt=0.5,
    turned=0.5,
    mirrored=0.5,
    mirrored_doubt=0.5,
    inverted=0.5,
    paediatric=0.5,
    cropped=0.5,
    antero_posterior=(0.5, 0.5),
)


def _adults(pictures: Sequence[GatePicture]) -> list[GatePicture]:
    """The upright frontal films of adults among the pictures."""
    return [
        picture
        for picture in pictures
        if picture.kind is PictureKind.FRONTAL
        and picture.source not in ("paediatric", "orientation")
        and (picture.age_years is None or picture.age_years >= 16)
    ]


def _thresholds(model: GateModel, aside: _Aside) -> GateThresholds:
    """Thresholds that the adult frontal films kept aside pass, but for the allowed shares."""
    readings = model.read_batch(aside.prepared)

    def at_least(values: Sequence[float], share: float, floor: float) -> float:
        return round(max(floor, float(np.quantile(values, 1 - share))), 4)

    frontal = [reading.kind[PictureKind.FRONTAL] for reading in readings]
    mirrored = [reading.mirrored for reading in readings]
    return GateThresholds(
        frontal=round(min(0.5, float(np.quantile(frontal, 0.003))), 4),
        frontal_doubt=round(min(0.9, float(np.quantile(frontal, 0.02))), 4),
        turned=at_least([1 - reading.turns[0] for reading in readings], 0.001, 0.5),
        mirrored=at_least(mirrored, _FALSE_ALARMS["mirrored"], 0.8),
        mirrored_doubt=at_least(mirrored, 0.02, 0.5),
        inverted=at_least([r.inverted for r in readings], _FALSE_ALARMS["inverted"], 0.5),
        paediatric=at_least([r.paediatric for r in readings], _FALSE_ALARMS["paediatric"], 0.5),
        cropped=at_least([r.cropped for r in readings], _FALSE_ALARMS["cropped"], 0.5),
        antero_posterior=_projection_limits(aside.pictures, readings),
    )


def _projection_limits(
    pictures: Sequence[GatePicture], readings: Sequence[GateReading]
) -> tuple[float, float]:
    """The probabilities beyond which 97 % of what is called AP, or PA, is so."""
    labelled = [
        (reading.antero_posterior, picture.antero_posterior)
        for picture, reading in zip(pictures, readings, strict=True)
        if picture.antero_posterior is not None
    ]
    limits = np.linspace(0.5, 0.99, 50)

    def precise(called: list[bool]) -> bool:
        return bool(called) and float(np.mean(called)) >= 0.97

    high = next((t for t in limits if precise([bool(ap) for p, ap in labelled if p >= t])), 1.0)
    low = next((t for t in limits if precise([not ap for p, ap in labelled if p <= 1 - t])), 1.0)
    return round(1 - float(low), 4), round(float(high), 4)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Train the network of the input gate.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights and card")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=7)
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    card = train(chosen.data, chosen.out, epochs=chosen.epochs, seed=chosen.seed)
    _log.info("thresholds: %s", card.thresholds.model_dump_json())


if __name__ == "__main__":
    main()
