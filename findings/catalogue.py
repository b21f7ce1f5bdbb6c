"""The catalogue: names, hierarchy, clinical weight and codes of every finding and region.

The data are `findings/data/findings.toml` and `findings/data/regions.toml`, read once. Codes are
only those that pydicom's dictionaries (DICOM PS3.16 context groups) or the PadChest tables print.
"""

from __future__ import annotations

import tomllib
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any, Literal

from pydantic import Field

from findings.claims import Frozen
from findings.regions import Region
from findings.vocabulary import Finding, Language

Gender = Literal["m", "f"]


class FindingGroup(StrEnum):
    """The part of a report that a finding is written in."""

    LUNGS = "lungs"
    PLEURA = "pleura"
    HEART = "heart"
    MEDIASTINUM = "mediastinum"
    DIAPHRAGM = "diaphragm"
    BONES = "bones"
    SOFT_TISSUE = "soft_tissue"
    DEVICES = "devices"
    OVERALL = "overall"


class CodingScheme(StrEnum):
    """Where a code comes from."""

    SNOMED_CT = "SCT"
    DICOM = "DCM"
    UMLS = "UMLS"


class Code(Frozen):
    """One coded concept (DICOM PS3.3 section 8): scheme, value and the scheme's own meaning."""

    scheme: CodingScheme
    value: str
    meaning: str


class FindingEntry(Frozen):
    """What the catalogue knows of one finding."""

    finding: Finding
    names: dict[Language, str]
    plurals: dict[Language, str] = Field(default_factory=dict)
    gender: Gender
    """Grammatical gender of the Spanish name."""
    group: FindingGroup
    parents: tuple[Finding, ...] = ()
    weight: int = Field(ge=0, le=100)
    regions: tuple[Region, ...] = ()
    codes: tuple[Code, ...] = ()

    def name(self, language: Language) -> str:
        """The name as it stands inside a sentence, without an article."""
        return self.names[language]

    def plural(self, language: Language) -> str:
        """The plural name; where the finding is not counted, the name itself."""
        return self.plurals.get(language, self.names[language])

    def code(self, scheme: CodingScheme) -> Code | None:
        """The code in one scheme, if the catalogue has it."""
        return next((code for code in self.codes if code.scheme is scheme), None)


class RegionEntry(Frozen):
    """The names of one region, with gender and number of the Spanish name."""

    region: Region
    names: dict[Language, str]
    gender: Gender
    plural: bool


def describe(finding: Finding) -> FindingEntry:
    """The catalogue entry of a finding."""
    return _findings()[finding]


def describe_region(region: Region) -> RegionEntry:
    """The catalogue entry of a region."""
    return _regions()[region]


def region_name(region: Region, language: Language) -> str:
    """The name of a region as it stands inside a sentence, without an article."""
    return _regions()[region].names[language]


@cache
def ancestors(finding: Finding) -> frozenset[Finding]:
    """Every finding that `finding` is a kind of, directly or not; without itself."""
    found: set[Finding] = set()
    for parent in describe(finding).parents:
        found |= {parent} | ancestors(parent)
    return frozenset(found)


@cache
def descendants(finding: Finding) -> frozenset[Finding]:
    """Every finding that is a kind of `finding`, directly or not; without itself."""
    return frozenset(other for other in Finding if finding in ancestors(other))


def is_a(finding: Finding, kind: Finding) -> bool:
    """True where `finding` is `kind` or a kind of it."""
    return finding is kind or kind in ancestors(finding)


def load_toml(name: str) -> dict[str, Any]:
    """One data file of this package, parsed."""
    return tomllib.loads(resources.files("findings").joinpath("data", name).read_text("utf-8"))


@cache
def _findings() -> dict[Finding, FindingEntry]:
    entries = {}
    for key, row in load_toml("findings.toml").items():
        finding = Finding(key)
        names = {language: row.pop(language.value) for language in Language}
        plurals = row.pop("plural", {})
        entries[finding] = FindingEntry.model_validate(
            {"finding": finding, "names": names, "plurals": plurals, **row}
        )
    return entries


@cache
def _regions() -> dict[Region, RegionEntry]:
    entries = {}
    for key, row in load_toml("regions.toml").items():
        region = Region(key)
        names = {language: row.pop(language.value) for language in Language}
        entries[region] = RegionEntry.model_validate({"region": region, "names": names, **row})
    return entries
