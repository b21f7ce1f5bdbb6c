"""Fixtures of the graph's tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A file that the fake loader takes for a radiograph."""
    path = tmp_path / "film.bin"
    path.write_bytes(bytes(range(256)) * 16)
    return path
