"""Run by several processes under the ordinary launcher: trains a tiny task and reports on it.

`torchrun --nproc_per_node 2 launched_training.py FOLDER` leaves weights and notes of every process
in FOLDER. Without a launcher it is one process that accumulates two batches a step.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import models.training.run
from findings.errors import TrainingInterruptedError
from models.losses import smoothed_cross_entropy
from models.training.loop import TrainingLoop
from models.training.machine import launched_processes
from models.training.presets import LoopSettings
from models.training.request import TrainingRequest
from models.training.roles import Role

PROCESSES = launched_processes()
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
    accumulate=2 // PROCESSES,
)


class HalfTask:
    """Tell in which half of a tiny picture a bright square lies; one head is never asked."""

    best_metric = "margin"

    def __init__(self) -> None:
        self.stop_at = -1
        self.drawn: list[int] = []
        self.truth = torch.arange(8) % 2
        self.images = torch.zeros(8, 1, 8, 8)
        for index, half in enumerate(self.truth.tolist()):
            self.images[index, 0, 2:6, 4 * half + 1 : 4 * half + 3] = 1.0

    def network(self) -> nn.Module:
        network = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1)
        )
        network.add_module("asked", nn.Linear(256, 1))
        network.register_module("idle", nn.Identity())
        network.idle.unused = nn.Parameter(torch.zeros(2))  # type: ignore[assignment]
        return network

    def trunk_parameters(self, network: nn.Module) -> list[nn.Parameter]:
        return []

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        chosen = random.integers(0, 8, 4)
        self.drawn.append(int(chosen @ (1, 8, 64, 512)))
        if len(self.drawn) == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        noise = torch.from_numpy(random.normal(0, 0.05, (4, 1, 8, 8)).astype(np.float32))
        # Not by calling the network itself: a task may use any of its parts.
        assert isinstance(network, nn.Sequential)
        logits = self.images[chosen] + noise
        for part in network:
            logits = part(logits)
        return smoothed_cross_entropy(logits, self.truth[chosen].float()[:, None], 0.0)

    def validate(self, network: nn.Module) -> dict[str, float]:
        signs = 2 * self.truth - 1
        return {"margin": float((network(self.images)[:, 0] * signs).mean())}


def tiny_run(request: TrainingRequest) -> Path:
    """A role's run as the trainer calls it."""
    (request.out / "cache").mkdir(parents=True, exist_ok=True)
    (request.out / "cache" / "decoded.npy").touch()
    loop = TrainingLoop(HalfTask(), SETTINGS, request.out)
    if request.resume:
        loop.resume()
    outcome = loop.run()
    folder = request.out / "weights"
    folder.mkdir()
    save_file(outcome.best_weights, folder / "model.safetensors")
    return folder


def main(folder: Path) -> None:
    whole = TrainingLoop(HalfTask(), SETTINGS, folder / "whole")
    outcome = whole.run()
    rank = whole.machine.rank

    cut_task = HalfTask()
    # Only the last process gets the signal; all must end after the same step.
    cut_task.stop_at = 6 * SETTINGS.accumulate if rank == PROCESSES - 1 else -1
    cut = TrainingLoop(cut_task, SETTINGS, folder / "cut")
    try:
        cut.run()
    except TrainingInterruptedError:
        stopped_at = cut.step
    resumed = TrainingLoop(HalfTask(), SETTINGS, folder / "cut")
    resumed.resume()
    resumed_at = resumed.step
    resumed.run()

    save_file(whole.network.state_dict(), folder / f"whole-{rank}.safetensors")
    save_file(resumed.network.state_dict(), folder / f"resumed-{rank}.safetensors")
    save_file(outcome.best_weights, folder / f"best-{rank}.safetensors")

    models.training.run.RUNS = {Role.SEGMENTER: f"{__name__}:tiny_run"}
    written = models.training.run.train("segmenter", "small", folder, folder / "run")
    notes = {
        "processes": whole.machine.processes,
        "drawn": whole.task.drawn,  # type: ignore[attr-defined]
        "stopped_at": stopped_at,
        "resumed_at": resumed_at,
        "margins": [entry.metrics["margin"] for entry in outcome.history],
        "written": str(written),
    }
    (folder / f"notes-{rank}.json").write_text(json.dumps(notes))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
