"""Fixtures of the findings tests: the public dataset tables in the torchxrayvision wheel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WHEEL = "torchxrayvision-*.whl"


@pytest.fixture(scope="session")
def corpus_wheel() -> Path:
    """The torchxrayvision wheel, as a data file; skips where it is absent."""
    if named := os.environ.get("READINGROOM_CORPUS_WHEEL"):
        return Path(named)
    folders = (Path.home() / ".cache" / "readingroom" / "downloads", ROOT.parent / "cache")
    for folder in folders:
        if found := sorted(folder.glob(WHEEL)):
            return found[-1]
    pytest.skip("the torchxrayvision wheel is absent: set READINGROOM_CORPUS_WHEEL to it")
