"""Train a role by preset: data in, a folder with checkpoint, metrics and weights out."""

from __future__ import annotations

import importlib
from pathlib import Path

from models.training.request import TrainingRequest
from models.training.roles import RUNS, Role


def train(
    role: Role | str,
    preset: str,
    data: Path,
    out: Path,
    resume: bool = False,
    cache: Path | None = None,
    source: str | None = None,
) -> Path:
    """Train the network of ``role`` and write its deployable folder; gives that folder.

    See :class:`models.training.request.TrainingRequest`; pulled weights go to ``out`` where no
    ``cache`` is named.

    Raises:
        SettingsError: role or preset unknown.
        StudyError: ``data`` holds no training image for this role.
        WeightsError: the ImageNet weights are missing, or ``resume`` meets a foreign checkpoint.
    """
    role = Role(role)
    out.mkdir(parents=True, exist_ok=True)
    request = TrainingRequest(
        preset=preset,
        data=data,
        out=out,
        resume=resume,
        cache=cache or out / "pulled",
        source=source,
        command=f"readingroom train {role} --preset {preset}",
    )
    module, _, function = RUNS[role].partition(":")
    weights: Path = getattr(importlib.import_module(module), function)(request)
    return weights
