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
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import nn
from torch.nn import functional

from imaging.gate_calibration import NO_THRESHOLDS, AsideFilms, thresholds_for, upright_adults
from imaging.gate_data import GatePicture, gate_pictures, read_gray
from imaging.gate_distortion import Batch, batches
from imaging.gate_examples import Example, example_of, made_examples
from imaging.gate_network import KINDS, GateCard, GateModel, GateNetwork, prepare

VERSION = "1"
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

_log = logging.getLogger(__name__)


def _loss(network: GateNetwork, batch: Batch) -> torch.Tensor:
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
    by_source: dict[str, list[Example]] = {}
    for picture in shown:
        by_source.setdefault(picture.source, []).append(example_of(picture))
    chests = [e for examples in by_source.values() for e in examples if e.kind is KINDS[0]]

    made = made_examples(rng, chests)
    adults = upright_adults(aside)
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
        for batch in batches(examples, rng, size):
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
        card = _write(averaged.module, AsideFilms(adults, prepared), shown, out)
    return card


def _write(
    trained: nn.Module, aside: AsideFilms, shown: Sequence[GatePicture], out: Path
) -> GateCard:
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
        thresholds=NO_THRESHOLDS,
        command="python -m imaging.gate_training --data DIR --out imaging/data",
        training_images=dict(sorted(Counter(picture.source for picture in shown).items())),
    )
    model = GateModel(network, card)
    card = card.model_copy(update={"thresholds": thresholds_for(model, aside)})
    out.mkdir(parents=True, exist_ok=True)
    (out / "gate.safetensors").write_bytes(weights)
    (out / "gate.json").write_text(card.model_dump_json(indent=1) + "\n", "utf-8")
    return card


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
