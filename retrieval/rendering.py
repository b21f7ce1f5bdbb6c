"""Claims as short phrases: the language-independent form that is embedded, and its display.

The sentence encoder reads English alone. Reports and queries in Spanish are therefore embedded
through the English phrases of their claims; the same phrases in Spanish are what a person reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from findings.catalogue import describe, describe_region, region_name
from findings.claims import Claim
from findings.regions import Region, paired_region, region_side
from findings.vocabulary import Finding, Language, Side

_SIDES: Final = {
    (Side.LEFT, Language.ENGLISH): "on the left",
    (Side.RIGHT, Language.ENGLISH): "on the right",
    (Side.BILATERAL, Language.ENGLISH): "on both sides",
    (Side.LEFT, Language.SPANISH): "en el lado izquierdo",
    (Side.RIGHT, Language.SPANISH): "en el lado derecho",
    (Side.BILATERAL, Language.SPANISH): "en ambos lados",
}
_ARTICLES: Final = {("m", False): "el", ("f", False): "la", ("m", True): "los", ("f", True): "las"}
# Places that say more than the finding's own name even where it usually lies there.
_TELLING: Final = frozenset(
    {Region.UPPER_ZONES, Region.MID_ZONES, Region.LOWER_ZONES, Region.APICES, Region.RETROCARDIAC}
    | {region for region in Region if region.value.endswith(("_lobe", "lingula"))}
)


def phrases(claims: Iterable[Claim], language: Language) -> tuple[str, ...]:
    """One phrase for each finding affirmed, weightiest first; the normal phrase if there is none.

    A phrase names the finding and its place or side: "pleural effusion on the left". Findings
    denied, severity, certainty and change are left out: they are what similar reports may differ
    in. Empty where `claims` is.
    """
    claims = tuple(claims)
    if not claims:
        return ()
    found = {c for c in claims if c.present and c.finding is not Finding.NO_FINDING}
    if not found:
        return (describe(Finding.NO_FINDING).name(language),)
    spoken = {_phrase(c.finding, c.side, c.region, language): c for c in found}
    return tuple(sorted(spoken, key=lambda p: (-describe(spoken[p].finding).weight, p)))


def describe_claims(claims: Iterable[Claim], language: Language) -> str:
    """The phrases of `claims` as sentences for a person."""
    return " ".join(f"{phrase[0].upper()}{phrase[1:]}." for phrase in phrases(claims, language))


@lru_cache(maxsize=1 << 14)
def _phrase(finding: Finding, side: Side | None, region: Region | None, language: Language) -> str:
    name = describe(finding).name(language)
    if region is not None and not _implied(finding, region):
        return f"{name} {_in_region(region, language)}"
    if region is not None and side is None:
        side = region_side(region)
    place = None if side is None else _SIDES.get((side, language))
    return name if place is None else f"{name} {place}"


def _implied(finding: Finding, region: Region) -> bool:
    """True where the finding's name already says the region, save for its side."""
    family = paired_region(region) or region
    if family is Region.LUNGS:
        return True
    usual = {paired_region(place) or place for place in describe(finding).regions}
    return family in usual and family not in _TELLING


def _in_region(region: Region, language: Language) -> str:
    name = region_name(region, language)
    if language is Language.ENGLISH:
        return f"in the {name}"
    entry = describe_region(region)
    return f"en {_ARTICLES[entry.gender, entry.plural]} {name}"
