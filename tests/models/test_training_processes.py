"""Two processes under the ordinary launcher train as one that takes both their batches."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.training.loop import TrainingLoop

SCRIPT = Path(__file__).with_name("launched_training.py")
ROOT = SCRIPT.parents[2]


@runtime_checkable
class Drawing(Protocol):
    """A task that remembers its batches."""

    drawn: list[int]


def launched_training() -> ModuleType:
    """The script as a module of this process."""
    found = importlib.util.spec_from_file_location("launched_training", SCRIPT)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Launch:
    """What one launch left behind."""

    folder: Path
    output: str

    def notes(self, rank: int) -> dict[str, Any]:
        """What a process wrote down."""
        notes: dict[str, Any] = json.loads((self.folder / f"notes-{rank}.json").read_text())
        return notes

    def weights(self, what: str, rank: int) -> dict[str, Tensor]:
        """The weights that a process ended with."""
        return load_file(self.folder / f"{what}-{rank}.safetensors")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Launch:
    """Two processes on this machine's processor, joined by gloo."""
    folder = tmp_path_factory.mktemp("two")
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [sys.executable, *launcher, str(SCRIPT), str(folder)],
        cwd=ROOT,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            "ACCELERATE_USE_CPU": "true",
        },
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Launch(folder, done.stderr)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> TrainingLoop:
    """One process that takes two batches to a step, at its end."""
    script = launched_training()
    loop = TrainingLoop(script.HalfTask(), script.SETTINGS, tmp_path_factory.mktemp("one"))
    loop.run()
    return loop


@pytest.mark.slow
def test_two_processes_share_the_batches_of_one(two: Launch, one: TrainingLoop) -> None:
    assert two.notes(0)["processes"] == 2 and one.machine.processes == 1
    first, second = two.notes(0)["drawn"], two.notes(1)["drawn"]
    assert first != second
    assert isinstance(one.task, Drawing)
    assert one.task.drawn == [batch for pair in zip(first, second, strict=True) for batch in pair]


@pytest.mark.slow
def test_two_processes_end_with_the_weights_of_one(two: Launch, one: TrainingLoop) -> None:
    expected = one.network.state_dict()
    for rank in (0, 1):
        for name, value in two.weights("whole", rank).items():
            # Processors differ in the order of summation.
            torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6, msg=name)
    margins = [entry.metrics["margin"] for entry in one.outcome.history]
    assert two.notes(0)["margins"] == pytest.approx(margins, rel=1e-4)


@pytest.mark.slow
def test_a_signal_to_one_process_ends_both_and_they_resume_exactly(two: Launch) -> None:
    for rank in (0, 1):
        assert two.notes(rank)["stopped_at"] == two.notes(rank)["resumed_at"] == 6
        resumed = two.weights("resumed", rank)
        for name, value in two.weights("whole", rank).items():
            assert torch.equal(value, resumed[name]), name


@pytest.mark.slow
def test_all_processes_get_the_best_weights_and_only_the_main_one_writes(two: Launch) -> None:
    best = two.weights("best", 0)
    for name, value in two.weights("best", 1).items():
        assert torch.equal(value, best[name]), name
    shipped = load_file(two.folder / "run" / "weights" / "model.safetensors")
    assert all(torch.equal(value, best[name]) for name, value in shipped.items())
    assert two.notes(0)["written"] == two.notes(1)["written"] == str(two.folder / "run/weights")
    assert len(json.loads((two.folder / "run" / "run.json").read_text())["sessions"]) == 1
    assert two.output.count("step 12  ") == 3, "each of the three runs is reported once"
