"""The training loop of tests that learn a handful of cases by heart."""

from __future__ import annotations

from typing import Any

from models.training.presets import LoopSettings


def small_loop(steps: int, **other: Any) -> LoopSettings:
    """All cases in every batch, one validation at the end; ``other`` settings replace these."""
    settings: dict[str, Any] = {
        "steps": steps,
        "batch_size": 8,
        "learning_rate": 1e-2,
        "trunk_learning_rate": 1e-2,
        "weight_decay": 0.0,
        "warmup_steps": 3,
        "clip_norm": 1.0,
        "ema_decay": 0.5,
        "validate_every": steps,
        "patience": 9,
        "seed": 1,
        "threads": 1,
        "autocast": "off",
    }
    return LoopSettings(**settings | other)
