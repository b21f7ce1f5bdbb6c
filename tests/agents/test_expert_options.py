"""From settings to experts: label maps, the vision-language endpoint, and what drafts must say."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.settings import Settings, load_settings
from agents.wiring import chosen_experts, expert_options, notices
from findings.errors import SettingsError
from tools.contract import Role

READER = {
    "READINGROOM_EXPERTS__VISION_LANGUAGE": "vlm",
    "READINGROOM_EXPERTS__CRUDE_REPORT": "vlm",
    "READINGROOM_VISION_LANGUAGE__BASE_URL": "https://models.example/v1",
    "READINGROOM_VISION_LANGUAGE__MODEL": "my-reader",
    "READINGROOM_VISION_LANGUAGE__API_KEY": "key-of-mine",
}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Settings that name a remote reader for two roles."""
    for name, value in READER.items():
        monkeypatch.setenv(name, value)
    return load_settings(cache_dir=tmp_path)


def test_pixels_leave_only_where_it_was_allowed_and_the_draft_says_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    barred = chosen_experts(settings)
    assert not barred[Role.VISION_LANGUAGE].installed() and notices(barred) == ()
    monkeypatch.setenv("READINGROOM_VISION_LANGUAGE__ALLOW_REMOTE", "true")
    allowed = chosen_experts(load_settings(cache_dir=tmp_path))
    assert allowed[Role.VISION_LANGUAGE].installed() and allowed[Role.CRUDE_REPORT].installed()
    (notice,) = notices(allowed)
    assert "models.example" in notice and "De-identified" in notice


def test_the_key_reaches_the_expert_and_nobody_else(settings: Settings) -> None:
    options = expert_options(settings, Role.VISION_LANGUAGE)
    assert options.endpoint.api_key.get_secret_value() == "key-of-mine"
    assert "key-of-mine" not in repr(settings) + settings.model_dump_json() + repr(options)


def test_each_role_gets_its_own_label_map(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    labels = tmp_path / "map.toml"
    labels.write_text('[labels]\nA = "mass"\n')
    monkeypatch.setenv("READINGROOM_EXPERTS__CLASSIFIER", "hf:org/model")
    monkeypatch.setenv("READINGROOM_EXPERTS__CLASSIFIER_LABELS", str(labels))
    settings = load_settings(cache_dir=tmp_path)
    assert expert_options(settings, Role.CLASSIFIER).labels == labels
    assert expert_options(settings, Role.SEGMENTER).labels is None
    assert expert_options(settings, Role.MEASURER).labels is None
    assert chosen_experts(settings)[Role.CLASSIFIER].card.name == "hf:org/model"
    monkeypatch.setenv("READINGROOM_EXPERTS__SEGMENTER", "hf:org/model")
    with pytest.raises(SettingsError, match="segmenter_labels"):
        chosen_experts(load_settings(cache_dir=tmp_path))
