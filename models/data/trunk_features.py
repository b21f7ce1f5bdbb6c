"""What the shared trunk sees of many radiographs, computed once and kept on disk.

The finding classifier's trunk is frozen for the experts that build on it, so its maps need not be
computed again in every step of their training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.files import cache_key
from models.preprocessing import read_display

Trunk = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Display pixels -> ``(channels, rows, columns)``; `FindingClassifier.features` is one."""


def trunk_features(
    images: Sequence[Path],
    trunk: Trunk,
    weights_sha256: str,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float16]:
    """Maps ``(images, channels, rows, columns)`` as float16, memory-mapped from ``folder``.

    The cache is keyed by the trunk's weights and the images' names, so another trunk makes
    another one. ``progress`` is told the number done and the number there are.

    Raises:
        StudyError: an image cannot be analysed.
    """
    key = cache_key(weights_sha256, *(f"{path.parent.parent.name}/{path.name}" for path in images))
    path = folder / f"trunk-{key}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        first = trunk(read_display(images[0]))
        maps = np.lib.format.open_memmap(
            unfinished, mode="w+", dtype=np.float16, shape=(len(images), *first.shape)
        )
        for number, image in enumerate(images):
            maps[number] = trunk(read_display(image)) if number else first
            if progress is not None:
                progress(number + 1, len(images))
        maps.flush()
        del maps
        unfinished.replace(path)
    found: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    return found
