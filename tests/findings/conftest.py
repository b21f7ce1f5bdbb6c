"""Fixtures of the findings tests: the public report corpora, where they have been pulled."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.settings import load_settings
from findings.errors import WeightsError
from models.weights import locate


@pytest.fixture(scope="session")
def report_corpora() -> Path:
    """The folder of the pulled corpora; skips where it is absent."""
    try:
        return locate("report-corpora", load_settings().cache_dir)
    except WeightsError as error:
        pytest.skip(str(error))
