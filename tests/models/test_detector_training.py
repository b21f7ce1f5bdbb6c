"""The detector learns, carries boxes along with its images, and has the published sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from small_detector import SIZE, TINY

from findings.vocabulary import Finding
from models.data.augmentation import AugmentationSettings, random_grids, sample
from models.data.box_cache import BoxArrays
from models.data.records import Split
from models.detector.carrying import affine_of, carry_boxes
from models.detector.network import DetectorNetwork
from models.detector.preset import DetectorPreset, DetectorSettings
from models.detector.task import DetectorTask, batch_kinds
from models.training.loop import TrainingLoop
from models.training.presets import LoopSettings, read_preset
from models.training.roles import Role

STILL = AugmentationSettings(0, 0, 0, 0, 0, 0, 0, 0, 0)


def bright_squares(count: int) -> BoxArrays:
    """Dim images, each with one bright square; small ones are nodules, large ones masses."""
    random = np.random.default_rng(3)
    images = random.integers(40, 60, (count, SIZE, SIZE)).astype(np.uint8)
    boxes, findings, stated = [], [], []
    for index in range(count):
        kind = index % 2
        side = (20, 40)[kind]
        x, y = random.integers(4, SIZE - side - 4, 2)
        images[index, y : y + side, x : x + side] = 220
        boxes.append(np.array([[x, y, x + side, y + side]], dtype=np.float32) / SIZE)
        findings.append(np.array([kind], dtype=np.int64))
        stated.append([1 - kind, kind])
    return BoxArrays(
        images=np.concatenate([images, images]),
        boxes=tuple(boxes * 2),
        findings=tuple(findings * 2),
        stated=np.array(stated * 2, dtype=np.int8),
        complete=np.ones(2 * count, dtype=np.bool_),
        splits=(Split.TRAIN,) * count + (Split.VAL,) * count,
        sources=("made",) * (2 * count),
    )


class WarmedTask(DetectorTask):
    """Gives the trunk the statistics that pre-training would have left."""

    def network(self) -> torch.nn.Module:
        """The network after one look at the images in training mode."""
        made = super().network()
        assert isinstance(made, DetectorNetwork)
        made.trunk.train()
        images = torch.from_numpy(self._arrays.images).float()[:, None].expand(-1, 3, -1, -1)
        for module in made.trunk.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        made.trunk((images - 127) / 128)
        return made


def test_training_learns_a_handful_of_images(tmp_path: Path) -> None:
    settings = DetectorSettings(findings=(Finding.NODULE, Finding.MASS), network=TINY)
    loop_settings = LoopSettings(
        steps=50,
        batch_size=6,
        learning_rate=4e-3,
        trunk_learning_rate=1e-3,
        weight_decay=0.0,
        warmup_steps=5,
        clip_norm=5.0,
        ema_decay=0.8,
        validate_every=50,
        patience=1,
        threads=1,
    )
    task = WarmedTask(settings, STILL, loop_settings.batch_size, bright_squares(8), None)
    loop = TrainingLoop(task, loop_settings, tmp_path)
    before = loop.validate().metrics
    first = np.mean([loop.advance() for _ in range(5)])
    while loop.step < loop_settings.steps:
        last = loop.advance()
    after = loop.validate().metrics
    assert before["mean_average_precision"] < 0.3
    assert after["mean_average_precision"] > 0.7 and after["localisation_accuracy"] > 0.8
    assert last < 0.5 * first


def test_a_batch_that_says_nothing_changes_nothing() -> None:
    network = DetectorNetwork(TINY, 2).train()
    target = {
        "boxes": torch.zeros(0, 4),
        "labels": torch.zeros(0, dtype=torch.int64),
        "stated": torch.tensor([-1, -1]),
        "complete": torch.tensor(False),
    }
    losses = network([torch.rand(3, SIZE, SIZE)] * 2, [target] * 2)
    assert float(sum(losses.values())) == 0.0


def test_frozen_blocks_and_statistics_stay() -> None:
    network = DetectorNetwork(TINY, 2, frozen_blocks=2).train()
    frozen = [name for name, own in network.trunk.named_parameters() if not own.requires_grad]
    assert frozen and all(
        name.startswith(("conv_stem", "bn1", "blocks.0", "blocks.1")) for name in frozen
    )
    before = {name: own.clone() for name, own in network.trunk.named_buffers()}
    network.trunk(torch.rand(1, 3, SIZE, SIZE))
    assert all(torch.equal(own, before[name]) for name, own in network.trunk.named_buffers())


class Listener(torch.nn.Module):
    """Keeps what a batch was to teach."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[torch.Tensor] = []
        self.targets: list[dict[str, torch.Tensor]] = []

    def forward(
        self, images: list[torch.Tensor], targets: list[dict[str, torch.Tensor]]
    ) -> dict[str, torch.Tensor]:
        self.images, self.targets = images, targets
        return {"loss": torch.zeros(())}


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nodules_are_simulated_where_lungs_are_known_and_taught_as_drawn(share: float) -> None:
    clear = BoxArrays(
        images=np.full((2, SIZE, SIZE), 60, dtype=np.uint8),
        boxes=(np.zeros((0, 4), np.float32),) * 2,
        findings=(np.zeros(0, np.int64),) * 2,
        stated=np.zeros((2, 2), dtype=np.int8),
        complete=np.ones(2, dtype=np.bool_),
        splits=(Split.TRAIN,) * 2,
        sources=("made",) * 2,
    )
    lungs = np.zeros((2, 32, 32), dtype=np.bool_)
    lungs[1, 8:24, 6:26] = True
    settings = DetectorSettings(
        findings=(Finding.MASS, Finding.NODULE), network=TINY, simulated_nodule_share=share
    )
    heard = Listener()
    DetectorTask(settings, STILL, 12, clear, None, lungs).loss(heard, np.random.default_rng(1))
    taught = [bool(len(target["boxes"])) for target in heard.targets]
    assert any(taught) == (share == 1.0) and not all(taught)
    for image, target, simulated in zip(heard.images, heard.targets, taught, strict=True):
        assert bool(target["complete"])
        assert target["stated"].tolist() == [0, int(simulated)]
        assert target["labels"].tolist() == [2] * int(simulated)
        if simulated:
            x0, y0, x1, y1 = (round(float(value)) for value in target["boxes"][0])
            inside = image[0, y0:y1, x0:x1]
            assert float(inside.max()) > float(image[0].min()) + 0.02
    assert clear.images.min() == clear.images.max() == 60


def test_nodules_are_not_simulated_for_a_network_without_them() -> None:
    with pytest.raises(ValidationError, match="nodule among the findings"):
        DetectorSettings(findings=(Finding.MASS,), network=TINY, simulated_nodule_share=0.5)


def test_kinds_of_training_images() -> None:
    arrays = bright_squares(2)
    drawn, clear, labelled = batch_kinds(arrays)
    assert drawn.tolist() == [0, 1] and len(clear) == 0 and len(labelled) == 0


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_a_carried_box_lies_where_its_square_was_sampled_to(seed: int, mirrored: bool) -> None:
    random = np.random.default_rng(seed)
    image = torch.zeros(1, 1, 128, 128)
    image[0, 0, 50:70, 40:64] = 1
    box = torch.tensor([[40, 50, 64, 70]]) / 128
    settings = AugmentationSettings(rotation=8, scale=0.1, aspect=0.05, shift=0.05)
    grids = random_grids(torch.tensor([[0.0, 0, 1, 1]]), 128, settings, random)
    grids = grids.flip(2) if mirrored else grids
    carried, kept = carry_boxes(box, affine_of(grids)[0])
    seen = torch.nonzero(sample(image, grids)[0, 0] > 0.5)
    assert bool(kept)
    truth = [seen[:, 1].min(), seen[:, 0].min(), seen[:, 1].max() + 1, seen[:, 0].max() + 1]
    # The box around the turned ellipse is within the box around the turned square.
    assert carried[0].mul(128).tolist() == pytest.approx([float(v) for v in truth], abs=3.5)


def test_a_box_that_leaves_the_image_is_dropped_and_one_at_its_edge_is_cut() -> None:
    shifted = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    boxes = torch.tensor([[0.1, 0.1, 0.3, 0.3], [0.45, 0.1, 0.75, 0.3], [0.6, 0.1, 0.8, 0.3]])
    carried, kept = carry_boxes(boxes, shifted)
    assert kept.tolist() == [False, True, True]
    assert carried[1].tolist() == pytest.approx([0.0, 0.1, 0.25, 0.3])
    assert carried[2].tolist() == pytest.approx([0.1, 0.1, 0.3, 0.3])


def test_the_cliniqure_preset_has_the_paper_s_network() -> None:
    preset = read_preset(DetectorPreset, Role.DETECTOR, "cliniqure")
    settings = preset.detector
    assert len(settings.findings) == 14 and settings.network.exhaustive
    assert (preset.loop.learning_rate, preset.loop.weight_decay) == (1e-4, 1e-5)
    assert preset.loop.steps == 100 * preset.loop.validate_every
    with torch.device("meta"):
        network = DetectorNetwork(settings.network, len(settings.findings))
    # By hand. ResNet-50 without its classifier and without normalisation, which is frozen:
    # 25,557,032 - 2,049,000 - 53,120. Proposals: a 3 x 3 convolution over 2,048 channels, then
    # 15 anchors with one logit and four shifts. Second stage: 7 x 7 x 2,048 -> 1,024 -> 1,024,
    # then 15 classes (14 and background) with four shifts each.
    trunk = 25_557_032 - 2_049_000 - 53_120
    proposals = 2048 * 2048 * 9 + 2048 + 5 * 15 * (2048 + 1)
    stage = (7 * 7 * 2048 + 1) * 1024 + (1024 + 1) * 1024 + 15 * 5 * (1024 + 1)
    counted = sum(own.numel() for own in network.parameters())
    assert counted == trunk + proposals + stage == 165_247_318
    assert network.roi_heads.box_predictor.cls_score.out_features == 15


def test_the_small_preset_is_small() -> None:
    preset = read_preset(DetectorPreset, Role.DETECTOR, "small")
    with torch.device("meta"):
        network = DetectorNetwork(preset.detector.network, len(preset.detector.findings))
    assert sum(own.numel() for own in network.state_dict().values()) * 2 < 10e6


def test_softmax_and_background_where_everything_is_drawn() -> None:
    settings = TINY.model_copy(update={"exhaustive": True})
    network = DetectorNetwork(settings, 2)
    target = {
        "boxes": torch.tensor([[10.0, 10, 40, 40]]),
        "labels": torch.tensor([2]),
        "stated": torch.tensor([0, 1]),
        "complete": torch.tensor(True),
    }
    losses = network.train()([torch.rand(3, SIZE, SIZE)], [target])
    assert float(losses["loss_classifier"]) > 0
    found = network.eval()([torch.rand(3, SIZE, SIZE)])[0]
    assert set(found) == {"boxes", "labels", "scores"} and (found["labels"] >= 1).all()
