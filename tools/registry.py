"""Experts by role and name: the built-in ones, and plug-ins of other installed distributions.

A plug-in is an entry point of the group `readingroom.experts` whose name is `ROLE.NAME` and whose
object is an `ExpertFactory`, for example in its pyproject.toml::

    [project.entry-points."readingroom.experts"]
    "classifier.densenet121" = "my_package.experts:DenseNetExpert"

Nothing is imported before it is asked for: factories are held as `module:attribute`.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, cast

from findings.errors import SettingsError
from tools.contract import Expert, ExpertFactory, Role

EMBEDDED: Final = "embedded"
PLUGIN_GROUP: Final = "readingroom.experts"

BUILT_IN: Final[Mapping[tuple[Role, str], str]] = {
    (Role.CLASSIFIER, EMBEDDED): "tools.classifier:ClassifierExpert",
    (Role.DETECTOR, EMBEDDED): "tools.detector:DetectorExpert",
    (Role.SEGMENTER, EMBEDDED): "tools.segmenter:SegmenterExpert",
    (Role.CLUES, EMBEDDED): "tools.clues:ClueExpert",
    (Role.CRUDE_REPORT, EMBEDDED): "tools.crude_report:CrudeReportExpert",
    (Role.MEASURER, EMBEDDED): "tools.measurer:MeasurerExpert",
    (Role.PRIOR_COMPARER, EMBEDDED): "tools.prior_comparer:PriorComparerExpert",
    (Role.VISION_LANGUAGE, EMBEDDED): "tools.vision_language:VisionLanguageExpert",
}


def installed_plugins() -> Iterable[EntryPoint]:
    """The expert plug-ins that other distributions in this environment declare."""
    return entry_points(group=PLUGIN_GROUP)


class Registry:
    """Builds each expert once per role, name and cache folder; safe to use from several threads."""

    def __init__(
        self,
        built_in: Mapping[tuple[Role, str], str] = BUILT_IN,
        plugins: Callable[[], Iterable[EntryPoint]] = installed_plugins,
    ) -> None:
        self._built_in = dict(built_in)
        self._plugins = plugins
        self._lock = threading.RLock()
        self._experts: dict[tuple[Role, str, Path], Expert] = {}

    def names(self, role: Role) -> tuple[str, ...]:
        """Every name known for a role: built-in ones first, then plug-ins in alphabetical order."""
        own = [name for known, name in self._built_in if known is role]
        prefix = f"{role.value}."
        others = {
            plugin.name.removeprefix(prefix)
            for plugin in self._plugins()
            if plugin.name.startswith(prefix)
        }
        return (*own, *sorted(others - set(own)))

    def build(self, role: Role, name: str, cache: Path) -> Expert:
        """The expert of that role and name, without its weights; the same one on every call.

        Raises `SettingsError` where the name is unknown or its factory cannot be imported.
        """
        key = (role, name, cache.absolute())
        with self._lock:
            if key not in self._experts:
                self._experts[key] = self._factory(role, name)(cache)
            return self._experts[key]

    def _factory(self, role: Role, name: str) -> ExpertFactory:
        target = self._built_in.get((role, name))
        plugin = next((p for p in self._plugins() if p.name == f"{role.value}.{name}"), None)
        try:
            if target is not None:
                module, _, attribute = target.partition(":")
                return cast(ExpertFactory, getattr(importlib.import_module(module), attribute))
            if plugin is not None:
                return cast(ExpertFactory, plugin.load())
        except (ImportError, AttributeError) as error:
            raise SettingsError(
                f"The {role.value} '{name}' cannot be imported ({type(error).__name__}). "
                "Reinstall the distribution that provides it, or choose another."
            ) from error
        raise SettingsError(
            f"There is no {role.value} named '{name}'. Known ones: {', '.join(self.names(role))}."
        )


_REGISTRY: Final = Registry()


def names(role: Role) -> tuple[str, ...]:
    """Every expert name known for a role in this environment."""
    return _REGISTRY.names(role)


def build(role: Role, name: str, cache: Path) -> Expert:
    """The expert of that role and name; see `Registry.build`."""
    return _REGISTRY.build(role, name, cache)
