"""A folder like the data, of films made by rule."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from brightness import write_table

from models.data.finding_sources import NIH_COLUMNS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixteen films of eight patients; the bright half has nodules, boxed on the picture's left."""
    rows, boxes = [], []
    for number in range(16):
        bright = (0.1 + 0.05 * number) * 255
        image = tmp_path / "data/nih/images" / f"film_{number}.jpg"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((100, 100), bright, np.uint8)).save(image)
        ill = number >= 8
        rows.append(
            {
                "image": image.stem,
                "patient": str(number // 2),
                "split": "val",
                "view": "PA",
                **{column: int(ill) for column in NIH_COLUMNS.values()},
                "No_Finding": int(not ill),
            }
        )
        if ill:
            boxes.append(
                {"image": image.stem, "finding": "Nodule", "x_min": 10, "y_min": 20, "x_max": 30,
                 "y_max": 40, "split": "val"}
            )  # fmt: skip
    write_table(tmp_path / "data/nih/labels.csv", rows)
    write_table(tmp_path / "data/nih/boxes.csv", boxes)
    return tmp_path / "data"
