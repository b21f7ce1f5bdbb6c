"""`readingroom index search`: what cannot be searched for is told in one sentence."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from findings.errors import UserInputError
from ui.cli.main import readingroom


@pytest.mark.parametrize("text", ["", "  ", "effusion " * 10_000])
def test_an_empty_or_endless_text_is_a_wrong_request(text: str) -> None:
    result = CliRunner().invoke(readingroom, ["index", "search", text])
    assert isinstance(result.exception, UserInputError)
    assert "empty or far too long" in str(result.exception)
