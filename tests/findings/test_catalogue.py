"""The catalogue describes every finding and region, and invents no code."""

from __future__ import annotations

import pytest
from pydicom.sr._concepts_dict import concepts

from findings.catalogue import (
    Code,
    CodingScheme,
    ancestors,
    descendants,
    describe,
    describe_region,
    is_a,
    region_name,
)
from findings.label_maps import Dataset, finding_of
from findings.regions import Region
from findings.vocabulary import Finding, Language


@pytest.mark.parametrize("finding", Finding)
def test_every_finding_has_an_entry_in_both_languages(finding: Finding) -> None:
    entry = describe(finding)
    assert entry.finding is finding
    for language in Language:
        assert entry.name(language).strip() == entry.name(language) != ""
        assert entry.plural(language)


@pytest.mark.parametrize("region", Region)
def test_every_region_has_a_name_in_both_languages(region: Region) -> None:
    assert describe_region(region).region is region
    assert region_name(region, Language.ENGLISH) and region_name(region, Language.SPANISH)


def test_names_are_unique_in_each_language() -> None:
    for language in Language:
        names = [describe(finding).name(language) for finding in Finding]
        assert len(set(names)) == len(names)
        places = [region_name(region, language) for region in Region]
        assert len(set(places)) == len(places)


def test_the_hierarchy_has_no_circle() -> None:
    for finding in Finding:
        assert finding not in ancestors(finding)
    assert is_a(Finding.CONSOLIDATION, Finding.LUNG_OPACITY)
    assert is_a(Finding.PACEMAKER, Finding.SUPPORT_DEVICE)
    assert Finding.RIB_FRACTURE in descendants(Finding.FRACTURE)
    assert not is_a(Finding.LUNG_OPACITY, Finding.CONSOLIDATION)


def test_a_child_weighs_at_least_something_where_its_parent_does() -> None:
    assert describe(Finding.PNEUMOTHORAX).weight > describe(Finding.PLEURAL_EFFUSION).weight
    assert describe(Finding.NO_FINDING).weight == 0


def _codes() -> list[tuple[Finding, Code]]:
    return [(finding, code) for finding in Finding for code in describe(finding).codes]


@pytest.mark.parametrize(("finding", "code"), _codes())
def test_codes_come_from_a_dictionary_or_from_padchest(finding: Finding, code: Code) -> None:
    if code.scheme is CodingScheme.UMLS:
        assert finding_of(Dataset.PADCHEST, code.meaning) is finding
        return
    known = {
        (value, meaning)
        for rows in concepts[code.scheme.value].values()
        for value, (meaning, _) in rows.items()
    }
    assert (code.value, code.meaning) in known


def test_code_lookup() -> None:
    code = describe(Finding.PLEURAL_EFFUSION).code(CodingScheme.SNOMED_CT)
    assert code is not None and code.value == "60046008"
    assert describe(Finding.SCARRING).code(CodingScheme.SNOMED_CT) is None
