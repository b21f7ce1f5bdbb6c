"""The training loop: it learns, it resumes exactly, it stops early."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from findings.errors import SettingsError, WeightsError
from models.classifier.preset import ClassifierPreset
from models.data.anatomy_cache import AnatomyArrays
from models.data.augmentation import AugmentationSettings
from models.data.records import Split
from models.losses import smoothed_cross_entropy
from models.segmenter.preset import SegmenterPreset, SegmenterSettings
from models.segmenter.task import SegmenterTask
from models.training.loop import TrainingLoop, learning_rate_share
from models.training.presets import LoopSettings, read_preset
from models.training.roles import Role

SETTINGS = LoopSettings(
    steps=12,
    batch_size=4,
    learning_rate=5e-3,
    trunk_learning_rate=1e-3,
    weight_decay=0.01,
    warmup_steps=2,
    clip_norm=1.0,
    ema_decay=0.5,
    validate_every=4,
    patience=50,
    seed=5,
    threads=1,
)


class SquareTask:
    """Tell in which half of a tiny picture a bright square lies."""

    best_metric = "accuracy"

    def __init__(self) -> None:
        self.truth = torch.arange(8) % 2
        self.images = torch.zeros(8, 1, 8, 8)
        for index, half in enumerate(self.truth.tolist()):
            self.images[index, 0, 2:6, 4 * half + 1 : 4 * half + 3] = 1.0

    def network(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.1),
            nn.Linear(256, 1),
        )

    def trunk_parameters(self, network: nn.Module) -> list[nn.Parameter]:
        return []

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        chosen = torch.from_numpy(random.integers(0, 8, 4))
        noise = torch.from_numpy(random.normal(0, 0.05, (4, 1, 8, 8)).astype(np.float32))
        target = self.truth[chosen].float()[:, None]
        return smoothed_cross_entropy(network(self.images[chosen] + noise), target, 0.0)

    def validate(self, network: nn.Module) -> dict[str, float]:
        called = network(self.images)[:, 0] > 0
        return {"accuracy": float((called == self.truth.bool()).float().mean())}


def test_eight_cases_are_learnt_by_heart(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"steps": 60, "validate_every": 20})
    outcome = TrainingLoop(SquareTask(), settings, tmp_path).run()
    assert outcome.best_value == 1.0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["history"][-1]["loss"] < metrics["history"][0]["loss"]


def test_a_killed_run_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = TrainingLoop(SquareTask(), SETTINGS, tmp_path / "whole")
    whole.run()
    killed = TrainingLoop(SquareTask(), SETTINGS, tmp_path / "killed")
    for _ in range(8):
        loss = killed.advance()
        if killed.step % 4 == 0:
            killed.validate(loss, 0.0)
            killed.save()
    killed.advance()  # a step past the checkpoint, lost in the kill
    resumed = TrainingLoop(SquareTask(), SETTINGS, tmp_path / "killed")
    assert resumed.resume() and resumed.step == 8
    resumed.run()
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    for name, value in whole.averaged.state.items():
        assert torch.equal(value, resumed.averaged.state[name]), name


def test_patience_ends_a_run_that_no_longer_improves(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"steps": 400, "patience": 3, "validate_every": 10})
    loop = TrainingLoop(SquareTask(), settings, tmp_path)
    outcome = loop.run()
    assert loop.step < 400 and outcome.since_best() == 3


def test_a_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(WeightsError, match="cannot be resumed"):
        TrainingLoop(SquareTask(), SETTINGS, tmp_path).resume()


def test_learning_rate_rises_then_falls_to_nothing() -> None:
    shares = [learning_rate_share(step, SETTINGS) for step in range(12)]
    assert shares[0] == 0.5 and max(shares) == 1.0
    assert shares[2:] == sorted(shares[2:], reverse=True) and 0 < shares[-1] < 0.05


def test_the_segmenter_learns_eight_synthetic_chests(tmp_path: Path) -> None:
    size, count = 64, 16
    rows, columns = np.mgrid[:size, :size]
    images = np.full((count, size, size), 160, np.uint8)
    planes = np.zeros_like(images)
    for index in range(count):
        shift = index % 4
        for bit, (x, y, rx, ry, grey) in enumerate(
            [(44, 30, 10, 20, 40), (20, 30, 10, 20, 40), (35, 44, 10, 8, 220)]
        ):
            inside = ((columns - x - shift) / rx) ** 2 + ((rows - y) / ry) ** 2 < 1
            images[index][inside] = grey
            planes[index][inside] |= np.uint8(1 << bit)
    known = np.zeros((count, 6), bool)
    known[:, :3] = True
    arrays = AnatomyArrays(
        images, planes, known, ("jsrt",) * count, (Split.TRAIN,) * 8 + (Split.VAL,) * 8
    )
    preset = SegmenterSettings(
        size=size, decoder_widths=(32, 32, 16, 16, 16), sampling={"jsrt": 1.0}
    )
    still = AugmentationSettings(0, 0, 0, 0, 0, 0, 0, 0, 0)
    task = SegmenterTask(preset, still, 4, arrays, None)
    settings = SETTINGS.model_copy(
        update={"steps": 40, "validate_every": 40, "ema_decay": 0.8, "trunk_learning_rate": 5e-3}
    )
    outcome = TrainingLoop(task, settings, tmp_path).run()
    metrics = outcome.history[-1].metrics
    assert min(metrics["left_lung"], metrics["right_lung"], metrics["heart"]) > 0.85


def test_shipped_presets_are_valid_and_unknown_ones_are_named(tmp_path: Path) -> None:
    assert read_preset(SegmenterPreset, Role.SEGMENTER, "small").segmenter.size == 256
    assert read_preset(ClassifierPreset, Role.CLASSIFIER, "small").classifier.members
    with pytest.raises(SettingsError, match="small"):
        read_preset(SegmenterPreset, Role.SEGMENTER, "huge")
    broken = tmp_path / "broken.toml"
    broken.write_text('role = "segmenter"\n[loop]\nsteps = -1\n')
    with pytest.raises(SettingsError, match="cannot be used"):
        read_preset(SegmenterPreset, Role.SEGMENTER, str(broken))
