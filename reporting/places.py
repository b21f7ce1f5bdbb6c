"""Places in claims: what a finding's name implies, what lies inside what, one form to compare."""

from __future__ import annotations

import tomllib
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from findings.catalogue import describe
from findings.claims import Claim
from findings.regions import Region, paired_region, region_side, sided_region
from findings.vocabulary import Finding, Side

LATERAL = (Side.LEFT, Side.RIGHT)


@cache
def report_plan() -> dict[str, Any]:
    """The language-independent data of the phraser (`data/plan.toml`)."""
    return tomllib.loads(
        resources.files("reporting").joinpath("data", "plan.toml").read_text("utf-8")
    )


@cache
def home(finding: Finding) -> frozenset[Region]:
    """Regions that the name of a finding implies: the pleura for an effusion.

    A whole lung is one for every finding: it says no more than the side.
    """
    table = report_plan()["home"]
    names = [*table["every"], *table["groups"].get(describe(finding).group.value, [])]
    return frozenset(Region(name) for name in [*names, *table["findings"].get(finding.value, [])])


def _specific(finding: Finding, region: Region | None) -> Finding:
    """The finding that has a name of its own at that region: a rib fracture, for instance."""
    table: dict[str, dict[str, str]] = report_plan()["specific"]
    name = table.get(finding.value, {}).get(region.value) if region is not None else None
    return finding if name is None else Finding(name)


@cache
def inside(inner: Region, outer: Region) -> bool:
    """True where `inner` is `outer` or lies within it."""
    if inner is outer:
        return True
    pair = paired_region(inner)
    if pair is not None and inside(pair, outer):
        return True
    table: dict[str, list[str]] = report_plan()["inside"]
    return any(
        inner.value in inners and inside(Region(name), outer) for name, inners in table.items()
    )


@lru_cache(maxsize=1 << 14)
def atoms(claim: Claim) -> tuple[Claim, ...]:
    """The claim in the form that comparison uses: one side each, implied places left out.

    A region's own side becomes the side; a home region becomes no region; `midline` is no side;
    a two-sided claim becomes one claim for each side; a fracture of a rib is a rib fracture.
    """
    claim = claim.model_copy(update={"finding": _specific(claim.finding, claim.region)})
    side: Side | None = None if claim.side is Side.MIDLINE else claim.side
    region = claim.region
    if region is not None:
        own = region_side(region)
        if own in LATERAL:
            side = own
        elif own is Side.BILATERAL and side in LATERAL:
            region = sided_region(region, side)
        elif own is Side.BILATERAL and side is None and region not in home(claim.finding):
            side = Side.BILATERAL
    if region in home(claim.finding):
        region = None
    if side is not Side.BILATERAL:
        return (claim.model_copy(update={"side": side, "region": region}),)
    return tuple(
        claim.model_copy(
            update={"side": one, "region": None if region is None else sided_region(region, one)}
        )
        for one in LATERAL
    )


def covers(general: Claim, specific: Claim) -> bool:
    """True where the place of one atom contains the place of another."""
    if general.region is not None and (
        specific.region is None or not inside(specific.region, general.region)
    ):
        return False
    return general.side is None or general.side is specific.side
