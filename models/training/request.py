"""What one training run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

CACHE = "cache"
"""Folder of decoded images within a run's."""


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """Where a run finds its preset and data, and where it leaves what it makes.

    ``preset`` is a name or the path of a TOML file; ``data`` is laid out as the shared data are;
    ``out`` takes decoded images, checkpoint, metrics and the folder ``weights``; ``cache`` is
    where pulled weights are kept and ``source`` a folder of wheels for machines without a package
    registry; ``command`` is what a person would type, for the model's card;
    ``row`` names the row of a paper's ablation table whose switches take the place of the preset's.
    """

    preset: str
    data: Path
    out: Path
    resume: bool
    cache: Path
    source: str | None
    command: str
    row: str = ""

    def imagenet(self) -> dict[str, Tensor]:
        """ImageNet weights of the trunk, fetched where they are not in ``cache`` yet.

        Raises:
            WeightsError: they cannot be fetched or are not the published ones.
        """
        from filelock import FileLock

        from models.imagenet import read_imagenet_weights

        self.cache.mkdir(parents=True, exist_ok=True)
        # The processes of a run would otherwise fetch them at the same time.
        with FileLock(self.cache / ".imagenet.lock"):
            return read_imagenet_weights(self.cache, self.source)
