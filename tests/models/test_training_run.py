"""A run's folder: what it records, what it refuses; presets listed; a run rehearsed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import models.training.run as running
from findings.errors import SettingsError
from models.training.catalogue import list_presets
from models.training.loop import TrainingLoop
from models.training.presets import Preset, read_preset
from models.training.record import RunRecord, data_digest
from models.training.request import TrainingRequest
from models.training.roles import Role
from models.training.run import rehearse, train

PRESET = """# A line about it.
role = "segmenter"

[loop]
steps = 6
batch_size = 4
learning_rate = 5e-3
trunk_learning_rate = 1e-3
weight_decay = 0.01
warmup_steps = 2
clip_norm = 1.0
ema_decay = 0.5
validate_every = 3
patience = 5
threads = 1
"""


class PlaneTask:
    """Fit a plane."""

    best_metric = "closeness"

    def network(self) -> nn.Module:
        return nn.Linear(3, 1)

    def trunk_parameters(self, network: nn.Module) -> list[nn.Parameter]:
        return []

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        inputs = torch.from_numpy(random.normal(size=(4, 3)).astype(np.float32))
        return (network(inputs) - inputs.sum(dim=1, keepdim=True)).square().mean()

    def validate(self, network: nn.Module) -> dict[str, float]:
        (weight, *_) = network.parameters()
        return {"closeness": -float((weight - 1).square().mean())}


def plane_run(request: TrainingRequest) -> Path:
    """What a role's module gives the trainer."""
    preset = read_preset(Preset, Role.SEGMENTER, request.preset)
    loop = TrainingLoop(PlaneTask(), preset.loop, request.out)
    if request.resume:
        loop.resume()
    loop.run()
    (request.out / "weights").mkdir(exist_ok=True)
    return request.out / "weights"


@pytest.fixture
def preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A preset file of the only role, whose run fits a plane."""
    monkeypatch.setattr(running, "RUNS", {Role.SEGMENTER: f"{__name__}:plane_run"})
    path = tmp_path / "plane.toml"
    path.write_text(PRESET)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of data."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "labels.csv").write_text("image,finding\n")
    return folder


def test_a_run_records_preset_data_code_and_sessions(
    preset: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert train("segmenter", str(preset), data, out) == out / "weights"
    train("segmenter", str(preset), data, out, resume=True)
    record = RunRecord.model_validate_json((out / "run.json").read_text())
    assert record.settings["loop"]["steps"] == 6
    assert [session.processes for session in record.sessions] == [1, 1]
    assert record.sessions[0].data_sha256 == data_digest(data, out)
    assert record.sessions[0].code and record.sessions[0].torch == torch.__version__
    assert json.loads((out / "metrics.json").read_text())["history"][-1]["step"] == 6


def test_a_run_is_never_overwritten(preset: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train("segmenter", str(preset), data, out)
    kept = (out / "last.ckpt").read_bytes()
    with pytest.raises(SettingsError, match="never overwritten"):
        train("segmenter", str(preset), data, out)
    preset.write_text(PRESET.replace("weight_decay = 0.01", "weight_decay = 0.02"))
    with pytest.raises(SettingsError, match=r"loop\.weight_decay differ"):
        train("segmenter", str(preset), data, out, resume=True)
    assert (out / "last.ckpt").read_bytes() == kept


def test_a_run_of_another_role_or_of_unknown_origin_is_not_touched(
    preset: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    train("segmenter", str(preset), data, out)
    preset.write_text(PRESET.replace("segmenter", "classifier"))
    monkeypatch.setattr(running, "RUNS", {Role.CLASSIFIER: f"{__name__}:plane_run"})
    with pytest.raises(SettingsError, match="a run of the segmenter, not of the classifier"):
        train("classifier", str(preset), data, out, resume=True)
    (tmp_path / "elsewhere" / "member-0").mkdir(parents=True)
    (tmp_path / "elsewhere" / "member-0" / "last.ckpt").touch()
    with pytest.raises(SettingsError, match="already holds a trained network"):
        train("classifier", str(preset), data, tmp_path / "elsewhere")


def test_changed_data_are_remarked_upon(
    preset: Path, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = data / "out"  # within the data, and not part of them
    train("segmenter", str(preset), data, out)
    train("segmenter", str(preset), data, out, resume=True)
    assert not caplog.records
    (data / "more.csv").touch()
    train("segmenter", str(preset), data, out, resume=True)
    assert "data folder has changed" in caplog.text


def test_missing_data_an_unknown_role_and_an_unknown_preset_are_told(
    preset: Path, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="--data does not exist"):
        train("segmenter", str(preset), tmp_path / "absent", tmp_path / "out")
    with pytest.raises(SettingsError, match=r"no role 'painter'.*segmenter"):
        train("painter", str(preset), data, tmp_path / "out")
    with pytest.raises(SettingsError, match=r"no preset 'huge'.*small"):
        train("segmenter", "huge", data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_rehearsal_tells_the_size_and_leaves_no_run(
    preset: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    found = rehearse("segmenter", str(preset), data, out)
    assert (found.parameters, found.trained, found.steps, found.batch) == (4, 4, 6, 4)
    assert found.seconds_per_step > 0 and "for all steps" in found.text()
    assert not out.exists()
    train("segmenter", str(preset), data, out)


def test_every_preset_says_in_a_line_what_it_is() -> None:
    presets = list_presets()
    assert {entry.role for entry in presets} >= {Role.SEGMENTER, Role.CLASSIFIER}
    for entry in presets:
        assert 10 < len(entry.summary) <= 100, entry
