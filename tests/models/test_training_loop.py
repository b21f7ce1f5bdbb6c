"""The training loop: it learns, it resumes exactly, it stops early."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from findings.errors import SettingsError, TrainingInterruptedError, WeightsError
from models.classifier.preset import ClassifierPreset
from models.data.anatomy_cache import AnatomyArrays, Plane
from models.data.augmentation import AugmentationSettings
from models.data.records import Split
from models.losses import smoothed_cross_entropy
from models.segmenter.preset import SegmenterPreset, SegmenterSettings
from models.segmenter.task import SegmenterTask
from models.training.loop import TrainingLoop
from models.training.machine import follow_device
from models.training.optimisation import learning_rate_share, make_optimiser
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
        killed.advance()
        if killed.step % 4 == 0:
            killed.validate()
            killed.save()
    killed.advance()  # a step past the checkpoint, lost in the kill
    resumed = TrainingLoop(SquareTask(), SETTINGS, tmp_path / "killed")
    assert resumed.resume() and resumed.step == 8
    resumed.run()
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    for name, value in whole.averaged.state.items():
        assert torch.equal(value, resumed.averaged.state[name]), name


class MeddledTask(SquareTask):
    """Does something before a given batch, or within a given validation."""

    def __init__(self, at: int, meddle: Callable[[], None], validating: bool = False) -> None:
        super().__init__()
        self._left = at
        self._meddle = meddle
        self._validating = validating

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._meddle()

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        if not self._validating:
            self._count()
        return super().loss(network, random)

    def validate(self, network: nn.Module) -> dict[str, float]:
        if self._validating:
            self._count()
        return super().validate(network)


def terminate() -> None:
    """What a cluster does to a job whose time is up."""
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("at", "validating", "step", "validations"), [(6, False, 6, 1), (2, True, 8, 1)]
)
def test_a_terminated_run_is_saved_and_ends_as_an_uninterrupted_one(
    tmp_path: Path, at: int, validating: bool, step: int, validations: int
) -> None:
    whole = TrainingLoop(SquareTask(), SETTINGS, tmp_path / "whole")
    whole.run()
    before = signal.getsignal(signal.SIGTERM)
    task = MeddledTask(at, terminate, validating)
    with pytest.raises(TrainingInterruptedError, match=f"after step {step} of 12.*--resume"):
        TrainingLoop(task, SETTINGS, tmp_path / "cut").run()
    assert signal.getsignal(signal.SIGTERM) is before
    resumed = TrainingLoop(SquareTask(), SETTINGS, tmp_path / "cut")
    assert resumed.resume() and resumed.step == step
    assert len(resumed.outcome.history) == validations
    resumed.run()
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    for name, value in whole.outcome.best_weights.items():
        assert torch.equal(value, resumed.outcome.best_weights[name]), name
    assert [(e.step, e.loss, e.metrics, e.curve) for e in resumed.outcome.history] == [
        (e.step, e.loss, e.metrics, e.curve) for e in whole.outcome.history
    ]


def test_a_kill_between_validations_loses_no_more_than_the_minutes_set(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"checkpoint_minutes": 1e-9, "validate_every": 12})

    def die() -> None:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        TrainingLoop(MeddledTask(8, die), settings, tmp_path).run()
    resumed = TrainingLoop(SquareTask(), settings, tmp_path)
    assert resumed.resume() and resumed.step == 7


def test_a_run_that_came_to_its_end_is_not_gone_on_with(tmp_path: Path) -> None:
    TrainingLoop(SquareTask(), SETTINGS, tmp_path).run()
    again = TrainingLoop(MeddledTask(1, lambda: pytest.fail("trained on")), SETTINGS, tmp_path)
    assert again.resume()
    assert again.run().best_step > 0


class PairTask(SquareTask):
    """Without what depends on the make-up of a batch; may take both batches of a step as one."""

    def __init__(self, together: bool) -> None:
        super().__init__()
        self._together = together

    def network(self) -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 1))

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        chosen = [random.integers(0, 8, 4)]
        if self._together:
            seed, step = SETTINGS.seed, self._step
            self._step += 1
            chosen = [
                np.random.default_rng(words).integers(0, 8, 4)
                for words in ([seed, step], [seed, step, 1])
            ]
        batch = torch.from_numpy(np.concatenate(chosen))
        target = self.truth[batch].float()[:, None]
        return smoothed_cross_entropy(network(self.images[batch]), target, 0.0)

    _step = 0


def test_two_accumulated_batches_are_one_of_twice_the_size(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"accumulate": 2})
    apart = TrainingLoop(PairTask(together=False), settings, tmp_path / "apart")
    apart.run()
    together = TrainingLoop(PairTask(together=True), SETTINGS, tmp_path / "together")
    together.run()
    for name, value in together.network.state_dict().items():
        torch.testing.assert_close(apart.network.state_dict()[name], value, msg=name)
    assert apart.outcome.history[0].loss == pytest.approx(together.outcome.history[0].loss)


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    class Diverging(SquareTask):
        def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
            return super().loss(network, random) * float("nan")

    with pytest.raises(SettingsError, match="not a finite number at step 0"):
        TrainingLoop(Diverging(), SETTINGS, tmp_path).run()


def test_adam_decays_through_the_gradient_and_adamw_apart_from_it() -> None:
    moved = {}
    for optimiser in ("adam", "adamw"):
        network = nn.Linear(3, 1)
        nn.init.ones_(network.weight)
        settings = SETTINGS.model_copy(update={"optimiser": optimiser, "weight_decay": 0.5})
        made = make_optimiser(network, [], settings)
        network.weight.grad = torch.zeros(1, 3)
        network.bias.grad = torch.zeros(1)
        made.step()
        moved[optimiser] = 1 - network.weight.detach()
    # Adam's first step is one learning rate long, whatever the gradient; AdamW's is rate x decay.
    rate = SETTINGS.learning_rate
    torch.testing.assert_close(moved["adam"], torch.full((1, 3), rate), rtol=1e-3, atol=0)
    torch.testing.assert_close(moved["adamw"], torch.full((1, 3), 0.5 * rate), rtol=1e-3, atol=0)


def test_the_run_is_told_in_lines_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = SETTINGS.model_copy(update={"report_every": 5})
    TrainingLoop(SquareTask(), settings, tmp_path).run()
    output = capsys.readouterr()
    assert output.out == ""
    lines = output.err.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "step 4",
        "step 5 of 12",
        "step 8",
        "step 10 of 12",
        "step 12",
    ]
    assert "remaining" in lines[1] and "accuracy" in lines[0]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    history = json.loads((tmp_path / "metrics.json").read_text())["history"]
    points = [point for entry in history for point in entry["curve"]]
    assert [step for step, _ in points] == list(range(1, 13))
    assert np.mean([loss for _, loss in points[:4]]) == pytest.approx(history[0]["loss"])


def test_a_network_elsewhere_takes_batches_from_here_and_answers_here() -> None:
    network = nn.Linear(3, 2)
    # The meta device stands in for a GPU: tensors of two devices cannot be mixed on it either.
    follow_device(network.to("meta"), torch.device("meta"))
    assert network(torch.ones(1, 3, device="meta")).device.type == "meta"
    seen: list[str] = []
    network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].device.type))
    with pytest.raises(NotImplementedError, match="meta"):
        network(torch.ones(1, 3))  # meta tensors have nothing to bring back
    assert seen == ["meta"]


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
    known = np.zeros((count, len(Plane)), bool)
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
