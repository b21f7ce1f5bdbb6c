"""Settings that cannot be used: which one, why, and where to correct it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.settings import load_settings
from findings.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "said"),
    [('langage = "es"', "'langage' .*none of that name"), ('language = "fr"', "'language' .*'en'")],
)
def test_a_wrong_setting_is_named_with_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    monkeypatch.setenv("READINGROOM_CONFIG", str(file))
    with pytest.raises(SettingsError, match=said) as error:
        load_settings()
    assert "mine.toml" in str(error.value)
