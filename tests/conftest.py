"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Deadlines in wall time fail on a busy machine; CI draws the same cases each time, people new ones.
settings.register_profile("people", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "people")

# Workers side by side share the cores; torch, BLAS and the programs that tests start read this.
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(workers))))

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real chest X-rays; skips where it is absent."""
    folder = Path(os.environ.get("READINGROOM_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "README.md").is_file():
        pytest.skip("real chest X-rays are absent: set READINGROOM_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def chest_film() -> Callable[[int, int], Any]:
    """Makes a picture of a height and width: float32 in [0, 1], with structure at every scale."""
    import numpy as np

    def make(height: int, width: int) -> Any:
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        noise = np.random.default_rng(7).random((height, width), dtype=np.float32)
        waves = np.sin(rows / 9) + np.cos(columns / 23) + np.sin((rows + columns) / 61)
        return np.clip(waves / 6 + 0.5 + 0.2 * (noise - 0.5), 0, 1).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def hub_classifier_folder() -> Callable[..., Path]:
    """Writes a tiny random vision transformer as Hugging Face's save_pretrained does."""

    def write(folder: Path, *, several: bool = False) -> Path:
        import torch
        from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

        labels = ["Effusion", "Cardiomegaly", "Clear", "Fluid"]
        torch.manual_seed(0)
        config = ViTConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            image_size=32,
            patch_size=8,
            id2label=dict(enumerate(labels)),
            label2id={label: index for index, label in enumerate(labels)},
            problem_type="multi_label_classification" if several else None,
            initializer_range=0.5,
        )
        ViTForImageClassification(config).save_pretrained(folder)
        ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
        return folder

    return write


@pytest.fixture(scope="session")
def hub_segmenter_folder() -> Callable[..., Path]:
    """Writes a tiny random Segformer as Hugging Face's save_pretrained does."""

    def write(folder: Path) -> Path:
        import torch
        from transformers import (
            SegformerConfig,
            SegformerForSemanticSegmentation,
            SegformerImageProcessor,
        )

        labels = ["background", "lung_L", "lung_R", "heart"]
        torch.manual_seed(0)
        config = SegformerConfig(
            num_encoder_blocks=2,
            depths=[1, 1],
            sr_ratios=[4, 2],
            hidden_sizes=[8, 16],
            patch_sizes=[7, 3],
            strides=[4, 2],
            num_attention_heads=[1, 2],
            mlp_ratios=[2, 2],
            decoder_hidden_size=16,
            id2label=dict(enumerate(labels)),
            label2id={label: index for index, label in enumerate(labels)},
            initializer_range=0.5,
        )
        SegformerForSemanticSegmentation(config).save_pretrained(folder)
        SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
        return folder

    return write
