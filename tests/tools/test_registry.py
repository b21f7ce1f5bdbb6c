"""The registry, and the contract that every registered expert keeps."""

from __future__ import annotations

import subprocess
import sys
import threading
import types
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from findings.errors import ExpertError, SettingsError
from imaging.study import Study
from tools.contract import Expert, ExpertCard, ExpertContext, ExpertOptions, Role
from tools.embedded import Once
from tools.registry import (
    BUILT_IN,
    EMBEDDED,
    PLUGIN_GROUP,
    Family,
    Registry,
    build,
    names,
)

ROOT = Path(__file__).resolve().parents[2]
EMPTY_PLACES = (Role.VISION_LANGUAGE,)


class PluggedClassifier:
    """An expert of another distribution; counts how often it was made."""

    made = 0

    def __init__(self, cache: Path) -> None:
        type(self).made += 1

    @property
    def card(self) -> ExpertCard:
        """Identity."""
        return ExpertCard(role=Role.CLASSIFIER, name="plugged", version="9", licence="MIT")

    def installed(self) -> bool:
        """Yes."""
        return True

    def run(self, study: Study, context: ExpertContext) -> tuple[Any, ...]:
        """Nothing."""
        return ()


def plugged(*targets: tuple[str, str]) -> Registry:
    """A registry that finds these (name, module:attribute) plug-ins."""
    points = [EntryPoint(name=name, value=value, group=PLUGIN_GROUP) for name, value in targets]
    return Registry(plugins=lambda: points, families=())


@pytest.fixture
def plugin_module(monkeypatch: pytest.MonkeyPatch) -> str:
    """This module under an importable name."""
    monkeypatch.setitem(sys.modules, "plugged_experts", sys.modules[__name__])
    monkeypatch.setattr(PluggedClassifier, "made", 0)
    return "plugged_experts"


@pytest.mark.parametrize("role", Role)
def test_every_role_has_an_embedded_expert_that_keeps_the_contract(
    role: Role, cache: Path, make_study: Callable[..., Study]
) -> None:
    assert names(role)[0] == EMBEDDED
    expert = build(role, EMBEDDED, cache)

    assert isinstance(expert, Expert)
    assert expert.card.role is role and expert.card.name and expert.card.version
    assert expert.card.licence and expert.card.seconds >= 0
    assert role not in (*expert.card.needs, *expert.card.uses)
    assert not set(expert.card.needs) & set(expert.card.uses)
    if not expert.installed():
        assert expert.card.version == "none"
        with pytest.raises(ExpertError, match="not installed"):
            expert.run(make_study(), ExpertContext())


@pytest.mark.parametrize("role", EMPTY_PLACES)
def test_an_empty_place_says_that_it_is_empty(role: Role, cache: Path) -> None:
    assert not build(role, EMBEDDED, cache).installed()


def test_cards_and_installation_are_read_without_loading_a_network() -> None:
    program = (
        "import sys; from pathlib import Path;"
        "from tools.contract import Role; from tools.registry import build, names;"
        "experts = [build(role, name, Path('.')) for role in Role for name in names(role)];"
        "[(expert.card, expert.installed()) for expert in experts];"
        "heavy = {'torch', 'scipy', 'transformers', 'pandas', 'langchain_core'} & set(sys.modules);"
        "sys.exit(f'imported: {heavy}' if heavy or len(experts) < 8 else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_is_refused_with_the_known_ones(cache: Path) -> None:
    with pytest.raises(SettingsError, match=r"no classifier named 'densenet'.*embedded"):
        build(Role.CLASSIFIER, "densenet", cache)


def test_the_same_expert_is_given_again_and_another_cache_has_its_own(cache: Path) -> None:
    registry = Registry()
    one = registry.build(Role.MEASURER, EMBEDDED, cache)
    assert registry.build(Role.MEASURER, EMBEDDED, cache) is one
    assert registry.build(Role.MEASURER, EMBEDDED, cache / "other") is not one


def test_a_plug_in_is_found_by_role_and_name(plugin_module: str, cache: Path) -> None:
    registry = plugged(
        ("classifier.plugged", f"{plugin_module}:PluggedClassifier"),
        ("detector.boxes", f"{plugin_module}:PluggedClassifier"),
        ("classifier.embedded", f"{plugin_module}:PluggedClassifier"),
    )
    assert registry.names(Role.CLASSIFIER) == (EMBEDDED, "plugged")
    assert registry.names(Role.DETECTOR) == (EMBEDDED, "boxes")
    assert registry.build(Role.CLASSIFIER, "plugged", cache).card.name == "plugged"
    own = registry.build(Role.CLASSIFIER, EMBEDDED, cache)
    assert type(own).__name__ == "ClassifierExpert", "a plug-in must not replace a built-in expert"


def test_a_family_builds_every_name_with_its_prefix(cache: Path) -> None:
    family = Family(
        role=Role.CLASSIFIER, prefix="mine:", factory="family_experts:make", pattern="mine:WHAT"
    )
    asked: list[tuple[object, ...]] = []

    def make(*what: object) -> PluggedClassifier:
        asked.append(what)
        return PluggedClassifier(cache)

    module = types.ModuleType("family_experts")
    module.make = make  # type: ignore[attr-defined]
    registry = Registry(plugins=tuple, families=(family,))
    options = ExpertOptions(labels=cache / "map.toml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "family_experts", module)
        one = registry.build(Role.CLASSIFIER, "mine:one", cache, options)
        assert registry.build(Role.CLASSIFIER, "mine:one", cache, options) is one
        assert registry.build(Role.CLASSIFIER, "mine:one", cache) is not one
    assert asked[0] == (Role.CLASSIFIER, "mine:one", cache, options)
    assert registry.patterns(Role.CLASSIFIER) == ("mine:WHAT",)
    with pytest.raises(SettingsError, match="mine:WHAT"):
        registry.build(Role.CLASSIFIER, "other", cache)
    with pytest.raises(SettingsError, match="no detector"):
        registry.build(Role.DETECTOR, "mine:one", cache)


@pytest.mark.parametrize("target", ["no_such_module:Expert", "tools.registry:NoSuchExpert"])
def test_a_broken_plug_in_is_a_settings_error(target: str, cache: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be imported"):
        plugged(("classifier.broken", target)).build(Role.CLASSIFIER, "broken", cache)


def test_many_threads_get_one_expert(plugin_module: str, cache: Path) -> None:
    registry = plugged(("classifier.plugged", f"{plugin_module}:PluggedClassifier"))
    start, got = threading.Barrier(16), []

    def ask() -> None:
        start.wait()
        got.append(registry.build(Role.CLASSIFIER, "plugged", cache))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 16 and len(set(map(id, got))) == 1
    assert PluggedClassifier.made == 1


def test_many_threads_load_once_and_a_failed_load_is_tried_again() -> None:
    started, made = threading.Barrier(12), []

    def load() -> object:
        made.append(threading.get_ident())
        if len(made) == 1:
            raise MemoryError
        return object()

    once: Once[object] = Once(load)
    with pytest.raises(MemoryError):
        once.get()
    got: list[object] = []

    def ask() -> None:
        started.wait()
        got.append(once.get())

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 2 and len(set(map(id, got))) == 1


def test_every_built_in_target_is_importable(cache: Path) -> None:
    registry = Registry(plugins=tuple)
    assert {role for role, _ in BUILT_IN} == set(Role)
    assert all(registry.build(role, name, cache) for role, name in BUILT_IN)
