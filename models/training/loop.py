"""The training loop: AdamW, warm-up and cosine, clipped gradients, averaged weights.

A step depends only on the seed, its number and the state before it, so a run that was killed
and resumed from its checkpoint ends with the same weights as one that was not.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from findings.errors import WeightsError
from models.training.presets import LoopSettings

CHECKPOINT = "last.ckpt"
METRICS = "metrics.json"


class Task(Protocol):
    """What is trained: a network, the loss of a random batch, a figure to improve."""

    best_metric: str

    def network(self) -> nn.Module:
        """Build the network with its initial weights."""

    def trunk_parameters(self, network: nn.Module) -> list[nn.Parameter]:
        """The pre-trained parameters, which learn at ``trunk_learning_rate``."""

    def loss(self, network: nn.Module, random: np.random.Generator) -> Tensor:
        """Draw a batch with ``random`` and give its loss."""

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Measure on the validation split; ``best_metric`` is one of the names."""


@dataclass(frozen=True, slots=True)
class Validation:
    """One validation: after which step, at what training loss, with which figures."""

    step: int
    loss: float
    seconds: float
    metrics: dict[str, float]


@dataclass(slots=True)
class Outcome:
    """What a run came to."""

    best_step: int = -1
    best_value: float = -math.inf
    history: list[Validation] = field(default_factory=list)
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def since_best(self) -> int:
        """Number of validations since the best one."""
        return sum(1 for validation in self.history if validation.step > self.best_step)


def learning_rate_share(step: int, settings: LoopSettings) -> float:
    """Share of the full learning rate at ``step``: linear warm-up, then half a cosine to zero."""
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    run = max(1, settings.steps - settings.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * (step - settings.warmup_steps) / run))


def has_native_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware (AVX512-BF16 or AMX)."""
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe()) if probe is not None else False


class AveragedWeights:
    """Exponential moving average of a network's parameters and buffers."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network; early steps count more, so the start is soon forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[name].lerp_(value.detach(), 1 - decay)
            else:
                self.state[name].copy_(value)


class TrainingLoop:
    """Runs a :class:`Task` to its end, leaving checkpoint and metrics in ``out``."""

    def __init__(self, task: Task, settings: LoopSettings, out: Path) -> None:
        self.task = task
        self.settings = settings
        self.out = out
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(settings.seed)
        self.network = task.network().to(memory_format=torch.channels_last)
        self.optimiser = self._make_optimiser()
        self.averaged = AveragedWeights(self.network, settings.ema_decay)
        self.outcome = Outcome()
        self.step = 0
        self._autocast = settings.autocast == "auto" and has_native_bfloat16()

    def _make_optimiser(self) -> torch.optim.AdamW:
        trunk = {id(p) for p in self.task.trunk_parameters(self.network)}
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for parameter in self.network.parameters():
            if parameter.requires_grad:
                # Biases and normalisation gains are not decayed.
                groups.setdefault((id(parameter) in trunk, parameter.ndim > 1), []).append(
                    parameter
                )
        return torch.optim.AdamW(
            [
                {
                    "params": parameters,
                    "weight_decay": self.settings.weight_decay if decayed else 0.0,
                    "full_rate": self.settings.trunk_learning_rate
                    if in_trunk
                    else self.settings.learning_rate,
                }
                for (in_trunk, decayed), parameters in groups.items()
            ],
            lr=self.settings.learning_rate,
        )

    def resume(self) -> bool:
        """Take up the checkpoint in ``out``; False where there is none.

        Raises:
            WeightsError: the checkpoint does not belong to this network or is damaged.
        """
        path = self.out / CHECKPOINT
        if not path.is_file():
            return False
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            self.network.load_state_dict(saved["network"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.averaged.state = saved["averaged"]
            self.step = saved["step"]
            self.outcome = Outcome(
                saved["best_step"],
                saved["best_value"],
                [Validation(**entry) for entry in saved["history"]],
                saved["best_weights"],
            )
        except (RuntimeError, KeyError, ValueError, TypeError, EOFError) as error:
            raise WeightsError(
                f"the checkpoint {path.name} cannot be resumed ({type(error).__name__}): it is "
                "damaged or of another preset; train without --resume to start anew"
            ) from error
        return True

    def save(self) -> None:
        """Write checkpoint and metrics, each whole or not at all."""
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "averaged": self.averaged.state,
            "step": self.step,
            "best_step": self.outcome.best_step,
            "best_value": self.outcome.best_value,
            "best_weights": self.outcome.best_weights,
            "history": [asdict(entry) for entry in self.outcome.history],
        }
        unfinished = self.out / f"{CHECKPOINT}.unfinished"
        torch.save(state, unfinished)
        unfinished.replace(self.out / CHECKPOINT)
        figures = {
            "best_step": self.outcome.best_step,
            "best_metric": self.task.best_metric,
            "settings": self.settings.model_dump(),
            "history": state["history"],
        }
        draft = self.out / f"{METRICS}.unfinished"
        draft.write_text(json.dumps(figures, indent=1), encoding="utf-8")
        draft.replace(self.out / METRICS)

    def advance(self) -> float:
        """Make one step; gives its loss."""
        settings = self.settings
        random = np.random.default_rng([settings.seed, self.step])
        # Dropout draws from torch's own generator, which is therefore tied to the step as well.
        torch.manual_seed(settings.seed * 1_000_003 + self.step)
        share = learning_rate_share(self.step, settings)
        for group in self.optimiser.param_groups:
            group["lr"] = group["full_rate"] * share
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._autocast):
            loss = self.task.loss(self.network, random)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip_norm)
        self.optimiser.step()
        self.averaged.update(self.network, self.step)
        self.step += 1
        return float(loss.detach())

    def validate(self, loss: float, started: float) -> Validation:
        """Measure the averaged weights and keep them when they are the best so far."""
        raw = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.averaged.state)
        self.network.eval()
        with torch.inference_mode():
            metrics = self.task.validate(self.network)
        self.network.load_state_dict(raw)
        entry = Validation(self.step, loss, time.monotonic() - started, metrics)
        better = metrics[self.task.best_metric] > self.outcome.best_value
        if better or self.outcome.best_step < 0:
            self.outcome.best_value = metrics[self.task.best_metric]
            self.outcome.best_step = self.step
            self.outcome.best_weights = {
                name: value.clone() for name, value in self.averaged.state.items()
            }
        self.outcome.history.append(entry)
        return entry

    def run(self) -> Outcome:
        """Train to the last step or until ``patience`` validations brought nothing better."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        torch.set_num_threads(self.settings.threads)
        started, losses = time.monotonic(), []
        columns = (
            TextColumn("[progress.description]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns) as progress:
            bar = progress.add_task("training", total=self.settings.steps, completed=self.step)
            while self.step < self.settings.steps:
                losses.append(self.advance())
                progress.update(bar, completed=self.step)
                last = self.step == self.settings.steps
                if last or self.step % self.settings.validate_every == 0:
                    entry = self.validate(sum(losses) / len(losses), started)
                    losses.clear()
                    self.save()
                    figures = "  ".join(f"{k} {v:.4f}" for k, v in entry.metrics.items())
                    progress.console.print(
                        f"step {entry.step}  {entry.seconds:.0f} s  loss {entry.loss:.4f}  "
                        f"{figures}",
                        soft_wrap=True,
                    )
                    if self.outcome.since_best() >= self.settings.patience:
                        break
        return self.outcome
