"""Cache files of decoded images: their names and their atomic writing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from models.data.records import Split

Element = TypeVar("Element", bound=np.generic)


def cache_key(*parts: str) -> str:
    """Name a cache by what went into it: sixteen hexadecimal digits."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def replace_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    unfinished.replace(path)


def cached(
    folder: Path | None, name: str, build: Callable[[], NDArray[Element]]
) -> NDArray[Element]:
    """Take the array ``name`` from ``folder``, or build it and leave it there for the next time.

    One process builds it; others that want it at the same time wait.
    """
    if folder is None:
        return build()
    path = folder / f"{name}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.is_file():
                replace_array(path, build())
    array: NDArray[Element] = np.load(path, allow_pickle=False)
    return array


class SplitRecord(Protocol):
    """What the digest needs to know of a record of any source."""

    @property
    def source(self) -> str: ...

    @property
    def image_id(self) -> str: ...

    @property
    def split(self) -> Split: ...


def split_digest(records: Sequence[SplitRecord]) -> str:
    """SHA-256 over which image is in which split; says whether two runs had the same data."""
    lines = sorted(f"{record.source}/{record.image_id} {record.split}" for record in records)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
