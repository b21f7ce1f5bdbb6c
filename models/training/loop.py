"""The training loop: Adam or AdamW, warm-up and cosine, clipped gradients, averaged weights.

A step depends only on the seed, its number and the state before it, so a run that was killed
and resumed from its checkpoint ends with the same weights as one that was not. A step may be
made of several batches: each of ``accumulate`` turns in each process draws its own, from a
generator seeded by the batch's number within the step, and their gradients are averaged. N
processes are therefore the same as one process that accumulates N batches.
"""

from __future__ import annotations

import io
import json
import math
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from findings.errors import SettingsError, TrainingInterruptedError, WeightsError
from models.training.averaging import AveragedWeights
from models.training.curves import Curve, draw_curves
from models.training.machine import Machine, follow_device, mixed_precision, on_processor
from models.training.optimisation import (
    learning_rate_share,
    make_optimiser,
    set_learning_rate,
)
from models.training.outcome import (
    Outcome,
    Validation,
    curve_points,
    read_checkpoint,
    write_checkpoint,
)
from models.training.presets import LoopSettings
from models.training.progress import RunProgress, duration
from models.training.rehearsal import Rehearsal, Rehearsed, rehearsing
from models.training.stopping import StopSignals

CHECKPOINT = "last.ckpt"
METRICS = "metrics.json"
CURVES = "curves.png"


class Task(Protocol):
    """What is trained: a network, the loss of a random batch, a figure to improve.

    The loop puts the network on its device and lets it take inputs from anywhere
    (:func:`models.training.machine.follow_device`), so a task may stay on the processor.
    """

    best_metric: str

    def network(self) -> nn.Module:
        """Build the network with its initial weights."""

    def trunk_parameters(self, network: nn.Module) -> list[nn.Parameter]:
        """The pre-trained parameters, which learn at ``trunk_learning_rate``."""

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        """Draw a batch with ``random``, which differs between processes, and give its loss."""

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Measure on the validation split, in the main process alone.

        ``best_metric`` is one of the names.
        """


class _BatchLoss(nn.Module):
    """A task's loss as a module's forward pass.

    Data-parallel wrapping then covers all that a task does with its network, whichever of its
    methods it calls, and the task sees the bare network.
    """

    def __init__(self, task: Task, network: nn.Module) -> None:
        super().__init__()
        self._task = task
        self.network = network

    def forward(self, random: np.random.Generator) -> Tensor:
        return self._task.loss(self.network, random)


class TrainingLoop:
    """Runs a :class:`Task` to its end, leaving checkpoint, metrics and curves in ``out``.

    With several processes only the main one writes; each of them gets the same outcome.
    """

    def __init__(self, task: Task, settings: LoopSettings, out: Path) -> None:
        self.task = task
        self.settings = settings
        self.out = out
        self.machine = Machine()
        torch.manual_seed(settings.seed)
        network = task.network().to(memory_format=torch.channels_last)
        self.network = network.to(self.machine.device)
        if self.machine.device.type != "cpu":
            follow_device(self.network, self.machine.device)
        trunk = task.trunk_parameters(self.network)
        self.optimiser = make_optimiser(self.network, trunk, settings)
        self.averaged = AveragedWeights(self.network, settings.ema_decay)
        self.outcome = Outcome()
        self.step = 0
        self._precision = mixed_precision(settings.autocast, self.machine.device)
        self._scaler = torch.amp.GradScaler(
            self.machine.device.type, enabled=self._precision is torch.float16
        )
        self._batch_loss = self.machine.prepare(_BatchLoss(task, self.network))
        self._losses: list[float] = []
        self._seconds_before = 0.0
        self._started = self._saved = time.monotonic()

    @property
    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started

    def resume(self) -> bool:
        """Take up the checkpoint in ``out``; False where there is none.

        Raises:
            WeightsError: the checkpoint does not belong to this network or is damaged.
        """
        path = self.out / CHECKPOINT
        content = b""
        if self.machine.processes > 1:
            # The other processes may run on machines that do not see the folder.
            found = self.machine.main and path.is_file()
            content = self.machine.share(path.read_bytes() if found else b"")
        if not content and not path.is_file():
            return False
        try:
            saved = read_checkpoint(io.BytesIO(content) if content else path)
            self.network.load_state_dict(saved["network"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.averaged.state = {
                name: value.to(self.machine.device) for name, value in saved["averaged"].items()
            }
            self._scaler.load_state_dict(saved.get("scaler", {}))
            self._losses = saved.get("losses", [])
            self._seconds_before = saved.get("seconds", 0.0)
            self.step = saved["step"]
            self.outcome = Outcome.of_state(saved)
        except (RuntimeError, KeyError, ValueError, TypeError, EOFError) as error:
            raise WeightsError(
                f"the checkpoint {path.name} cannot be resumed ({type(error).__name__}): it is "
                "damaged or of another preset; train without --resume into a new folder"
            ) from error
        return True

    def save(self) -> None:
        """Write checkpoint and metrics, each whole or not at all."""
        if not self.machine.main:
            return
        self.out.mkdir(parents=True, exist_ok=True)
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "averaged": self.averaged.state,
            "scaler": self._scaler.state_dict(),
            "step": self.step,
            "losses": self._losses,
            "seconds": self._seconds,
            **self.outcome.state(),
        }
        write_checkpoint(state, self.out / CHECKPOINT)
        figures = {
            "best_step": self.outcome.best_step,
            "best_metric": self.task.best_metric,
            "settings": self.settings.model_dump(),
            "history": state["history"],
        }
        draft = self.out / f"{METRICS}.unfinished"
        draft.write_text(json.dumps(figures, indent=1), encoding="utf-8")
        draft.replace(self.out / METRICS)
        self._saved = time.monotonic()

    def _draw(self) -> None:
        history = self.outcome.history
        if not self.machine.main or not history:
            return
        rates = [
            (step, self.settings.learning_rate * learning_rate_share(step, self.settings))
            for entry in history
            for step, _ in entry.curve
        ]
        names = [self.task.best_metric]
        names += [name for name in history[-1].metrics if name not in names]
        draw_curves(
            [
                Curve("loss", [point for entry in history for point in entry.curve]),
                Curve("learning rate", rates),
                *(
                    Curve(name, [(entry.step, entry.metrics[name]) for entry in history])
                    for name in names
                ),
            ],
            self.outcome.best_step,
            self.out / CURVES,
        )

    def _batch_generator(self, turn: int) -> np.random.Generator:
        """The generator of this process's ``turn``-th batch of the step; seeds torch's as well."""
        batch = turn * self.machine.processes + self.machine.rank
        words = [self.settings.seed, self.step, *([batch] if batch else [])]
        # Dropout draws from torch's own generator, which is therefore tied to the step as well.
        seed = self.settings.seed * 1_000_003 + self.step
        torch.manual_seed(
            seed if batch == 0 else int(np.random.SeedSequence(words).generate_state(1)[0])
        )
        return np.random.default_rng(words)

    def advance(self) -> float:
        """Make one step; gives the loss of this process's batches.

        Raises:
            SettingsError: the loss is no longer a finite number.
        """
        settings = self.settings
        set_learning_rate(self.optimiser, self.step, settings)
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        mean = 0.0
        for turn in range(settings.accumulate):
            random = self._batch_generator(turn)
            last = turn == settings.accumulate - 1
            with nullcontext() if last else self.machine.unsynchronised(self._batch_loss):
                with torch.autocast(
                    self.machine.device.type, self._precision, enabled=self._precision is not None
                ):
                    loss: Tensor = self._batch_loss(random)
                scaled = self._scaler.scale(loss / settings.accumulate)
                scaled.backward()  # type: ignore[no-untyped-call]
            mean += float(loss.detach()) / settings.accumulate
        if not math.isfinite(mean) and not self._scaler.is_enabled():
            raise SettingsError(
                f"the loss is not a finite number at step {self.step}, so the run cannot go on: "
                "lower the learning rates in the preset; the last checkpoint is from before"
            )
        self._scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip_norm)
        self._scaler.step(self.optimiser)
        self._scaler.update()
        self.averaged.update(self.network, self.step)
        self.step += 1
        self._losses.append(mean)
        return mean

    def validate(self) -> Validation:
        """Measure the averaged weights and keep them when they are the best so far."""
        entry = self._measure()
        self._keep(entry)
        return entry

    def _keep(self, entry: Validation) -> None:
        if self.outcome.add(entry, self.task.best_metric) and self.machine.main:
            self.outcome.best_weights = on_processor(self.averaged.state)
        self._losses.clear()

    def _measure(self) -> Validation:
        raw = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.averaged.state)
        self.network.eval()
        try:
            with torch.inference_mode():
                metrics = self.task.validate(self.network)
        finally:
            self.network.load_state_dict(raw)
        mean = sum(self._losses) / max(1, len(self._losses))
        curve = curve_points(self._losses, self.step, self.settings.steps)
        return Validation(self.step, mean, self._seconds, metrics, curve)

    def _validate_in_main(self, stop: StopSignals) -> Validation | None:
        """Let the main process measure, and tell all; None where a signal broke it off."""
        content = b""
        if self.machine.main:
            try:
                with stop.breakable():
                    content = json.dumps(asdict(self._measure())).encode()
            except KeyboardInterrupt:
                if not stop.noted:
                    raise
        content = self.machine.share(content)
        if not content:
            return None
        entry = Validation(**json.loads(content))
        self._keep(entry)
        return entry

    def _validation_is_due(self) -> bool:
        at_end = self.step == self.settings.steps
        done = self.outcome.history and self.outcome.history[-1].step == self.step
        return (
            self.step > 0 and not done and (at_end or self.step % self.settings.validate_every == 0)
        )

    def run(self) -> Outcome:
        """Train to the last step or until ``patience`` validations brought nothing better.

        Raises:
            TrainingInterruptedError: SIGINT or SIGTERM ended the run early; it is saved.
        """
        settings = self.settings
        torch.set_num_threads(settings.threads)
        if rehearsing():
            raise Rehearsed(self._rehearse())
        progress = RunProgress(
            self.step, settings.steps, settings.report_every, silent=not self.machine.main
        )
        self._started = self._saved = time.monotonic()
        with StopSignals() as stop, progress:
            while True:
                if self._validation_is_due():
                    entry = self._validate_in_main(stop)
                    if entry is not None:
                        self.save()
                        self._draw()
                        progress.say(_line(entry))
                elif self.step >= settings.steps or self.outcome.since_best() >= settings.patience:
                    break
                else:
                    loss = self.advance()
                    progress.advance(self.step, loss)
                    if time.monotonic() - self._saved > 60 * settings.checkpoint_minutes:
                        self.save()
                if self.machine.any(stop.noted):
                    self.save()
                    raise TrainingInterruptedError(
                        f"the run was interrupted after step {self.step} of {settings.steps} and "
                        "is saved: give the same command with --resume to go on"
                    )
        self._share_best_weights()
        return self.outcome

    def _share_best_weights(self) -> None:
        if self.machine.processes > 1:
            held = io.BytesIO()
            if self.machine.main:
                torch.save(self.outcome.best_weights, held)
            content = self.machine.share(held.getvalue())
            self.outcome.best_weights = read_checkpoint(io.BytesIO(content))

    def _rehearse(self) -> Rehearsal:
        """Make a few steps, and say what the run would be."""
        seconds = []
        for _ in range(3):
            started = time.monotonic()
            loss = self.advance()
            seconds.append(time.monotonic() - started)
        parameters = list(self.network.parameters())
        return Rehearsal(
            parameters=sum(p.numel() for p in parameters),
            trained=sum(p.numel() for p in parameters if p.requires_grad),
            device=self.machine.device.type,
            processes=self.machine.processes,
            precision=str(self._precision or torch.float32).removeprefix("torch."),
            batch=self.settings.batch_size * self.settings.accumulate * self.machine.processes,
            steps=self.settings.steps,
            # The first step also sets things up.
            seconds_per_step=min(seconds[1:]),
            loss=loss,
        )


def _line(entry: Validation) -> str:
    figures = "  ".join(f"{name} {value:.4f}" for name, value in entry.metrics.items())
    return f"step {entry.step}  {duration(entry.seconds)}  loss {entry.loss:.4f}  {figures}"
