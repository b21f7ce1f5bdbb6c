"""Experts by role and name: the built-in ones, and plug-ins of other installed distributions.

A plug-in is an entry point of the group `readingroom.experts` whose name is `ROLE.NAME` and whose
object is an `ExpertFactory`, for example in its pyproject.toml::

    [project.entry-points."readingroom.experts"]
    "classifier.densenet121" = "my_package.experts:DenseNetExpert"

Experts that only differ in whose weights they use form a family: all names with one prefix
(`xrv-densenet121-all`, `hf:ORG/NAME`) come from one factory.

Nothing is imported before it is asked for: factories are held as `module:attribute`.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, cast

from findings.claims import Frozen
from findings.errors import SettingsError
from tools.contract import NO_OPTIONS, Expert, ExpertFactory, ExpertOptions, FamilyFactory, Role

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


class Family(Frozen):
    """Experts of one role under names with one prefix."""

    role: Role
    prefix: str
    factory: str
    """`module:attribute` of a `FamilyFactory`."""
    pattern: str = ""
    """How such names look, where there is no closed list of them."""
    names: str = ""
    """`module:attribute` of what lists them, where there is one."""


FAMILIES: Final[tuple[Family, ...]] = (
    Family(
        role=Role.CLASSIFIER,
        prefix="xrv-",
        factory="tools.xrv_classifier:XrvClassifierExpert",
        names="tools.xrv_classifier:known_names",
    ),
    Family(
        role=Role.SEGMENTER,
        prefix="xrv-",
        factory="tools.xrv_segmenter:XrvSegmenterExpert",
        names="tools.xrv_segmenter:known_names",
    ),
    Family(
        role=Role.CLASSIFIER,
        prefix="hf:",
        factory="tools.hf_classifier:HubClassifierExpert",
        pattern="hf:ORG/NAME or hf:/FOLDER",
    ),
    Family(
        role=Role.SEGMENTER,
        prefix="hf:",
        factory="tools.hf_segmenter:HubSegmenterExpert",
        pattern="hf:ORG/NAME or hf:/FOLDER",
    ),
    Family(
        role=Role.SEGMENTER,
        prefix="regions:",
        factory="tools.region_detector:RegionDetectorExpert",
        pattern="regions:/FOLDER",
    ),
    *(
        Family(
            role=role,
            prefix="trained:",
            factory="tools.trained:trained_expert",
            pattern="trained:/FOLDER",
        )
        for role in (Role.CLASSIFIER, Role.DETECTOR, Role.CRUDE_REPORT)
    ),
    Family(
        role=Role.CRUDE_REPORT,
        prefix="report:",
        factory="tools.report_model:ReportModelExpert",
        pattern="report:MODEL:/FOLDER",
        names="tools.report_model:known_names",
    ),
    *(
        Family(
            role=role,
            prefix="vlm",
            factory="tools.served_reader:ServedReaderExpert",
            names="tools.served_reader:known_names",
        )
        for role in (Role.VISION_LANGUAGE, Role.CRUDE_REPORT)
    ),
)


def installed_plugins() -> Iterable[EntryPoint]:
    """The expert plug-ins that other distributions in this environment declare."""
    return entry_points(group=PLUGIN_GROUP)


class Registry:
    """Builds each expert once per role, name and cache folder; safe to use from several threads."""

    def __init__(
        self,
        built_in: Mapping[tuple[Role, str], str] = BUILT_IN,
        plugins: Callable[[], Iterable[EntryPoint]] = installed_plugins,
        families: Iterable[Family] = FAMILIES,
    ) -> None:
        self._built_in = dict(built_in)
        self._families = tuple(families)
        self._plugins = plugins
        self._lock = threading.RLock()
        self._experts: dict[tuple[Role, str, Path, ExpertOptions], Expert] = {}

    def names(self, role: Role) -> tuple[str, ...]:
        """Every name known for a role: built-in ones first, then plug-ins in alphabetical order.

        Families without a closed list are not among them; see `patterns`.
        """
        own = [name for known, name in self._built_in if known is role]
        for family in self._families:
            if family.role is role and family.names:
                own += cast(Callable[[], Iterable[str]], _attribute(family.names))()
        prefix = f"{role.value}."
        others = {
            plugin.name.removeprefix(prefix)
            for plugin in self._plugins()
            if plugin.name.startswith(prefix)
        }
        return (*own, *sorted(others - set(own)))

    def patterns(self, role: Role) -> tuple[str, ...]:
        """How further names of a role may look."""
        return tuple(one.pattern for one in self._families if one.role is role and one.pattern)

    def build(
        self, role: Role, name: str, cache: Path, options: ExpertOptions = NO_OPTIONS
    ) -> Expert:
        """The expert of that role and name, without its weights; the same one on every call.

        Raises `SettingsError` where the name is unknown or its factory cannot be imported.
        """
        key = (role, name, cache.absolute(), options)
        with self._lock:
            if key not in self._experts:
                self._experts[key] = self._factory(role, name, options)(cache)
            return self._experts[key]

    def _factory(self, role: Role, name: str, options: ExpertOptions) -> ExpertFactory:
        target = self._built_in.get((role, name))
        family = next(
            (one for one in self._families if one.role is role and name.startswith(one.prefix)),
            None,
        )
        plugin = next((p for p in self._plugins() if p.name == f"{role.value}.{name}"), None)
        try:
            if target is not None:
                return cast(ExpertFactory, _attribute(target))
            if plugin is not None:
                return cast(ExpertFactory, plugin.load())
            if family is not None:
                make = cast(FamilyFactory, _attribute(family.factory))
                return lambda cache: make(role, name, cache, options)
        except (ImportError, AttributeError) as error:
            raise SettingsError(
                f"The {role.value} '{name}' cannot be imported ({type(error).__name__}). "
                "Reinstall the distribution that provides it, or choose another."
            ) from error
        known = ", ".join((*self.names(role), *self.patterns(role)))
        raise SettingsError(f"There is no {role.value} named '{name}'. Known ones: {known}.")


def _attribute(target: str) -> object:
    """What `module:attribute` names. Raises `ImportError` or `AttributeError`."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


_REGISTRY: Final = Registry()


def names(role: Role) -> tuple[str, ...]:
    """Every expert name known for a role in this environment."""
    return _REGISTRY.names(role)


def patterns(role: Role) -> tuple[str, ...]:
    """How further names of a role may look."""
    return _REGISTRY.patterns(role)


def build(role: Role, name: str, cache: Path, options: ExpertOptions = NO_OPTIONS) -> Expert:
    """The expert of that role and name; see `Registry.build`."""
    return _REGISTRY.build(role, name, cache, options)
