"""Real sentences turned into others of the same build: the other side, another finding, a hedge.

Reports affirm few of the findings that the experts look for, hardly ever hedge them as a ledger
does and never print a cardiothoracic ratio. Each variation says which claim it means to make; it
is used only where the reader reads that very claim.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from agents.tuning.statements import Statement, statement
from findings.claims import Claim, Measurement
from findings.regions import Region, paired_region, region_side, sided_region
from findings.vocabulary import Certainty, Finding, Severity, Side
from reporting.context import ReportContext

_OTHER: Final = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}
_SIDE_WORD: Final = re.compile(r"\b(left|right)\b", re.IGNORECASE)
_FAMILIES: Final[tuple[dict[Finding, str], ...]] = (
    {Finding.PLEURAL_EFFUSION: "pleural effusion", Finding.PNEUMOTHORAX: "pneumothorax"},
    {
        Finding.NODULE: "nodule",
        Finding.MASS: "mass",
        Finding.INFILTRATION: "infiltrate",
        Finding.AIRSPACE_OPACITY: "airspace opacity",
        Finding.LUNG_OPACITY: "opacity",
    },
    {
        Finding.ATELECTASIS: "atelectasis",
        Finding.CONSOLIDATION: "consolidation",
        Finding.PNEUMONIA: "pneumonia",
        Finding.FIBROSIS: "fibrosis",
        Finding.SCARRING: "scarring",
        Finding.PLEURAL_THICKENING: "pleural thickening",
    },
    {Finding.EDEMA: "pulmonary edema", Finding.EMPHYSEMA: "emphysema"},
)
"""Findings whose names may stand for each other, as they are written in reports."""
_VERBS: Final = "is|are|has|have|appears?|seen|noted|identified|demonstrated|may|visualized"
_HEDGES: Final[tuple[tuple[Certainty, str, str], ...]] = (
    (Certainty.POSSIBLE, r"^There (?:is|are) (.+)\.$", r"There may be \1."),
    (Certainty.POSSIBLE, r"^There (?:is|are) (?:an? )?(.+)\.$", r"Possible \1."),
    (Certainty.PROBABLE, r"^There (?:is|are) (.+)\.$", r"There is likely \1."),
    (Certainty.PROBABLE, r"^There (?:is|are) (?:an? )?(.+)\.$", r"Probable \1."),
    (Certainty.POSSIBLE, r"^(.+) (?:is|are) (?:seen|noted|present|identified)\b(.*)\.$",
     r"\1 may be present\2."),
    (Certainty.PROBABLE, r"^(.+) (?:is|are) (?:seen|noted|present|identified)\b(.*)\.$",
     r"\1 is likely present\2."),
    (Certainty.POSSIBLE, rf"^(?!There|The |An? |Some |.*\b(?:{_VERBS})\b)(.+)\.$", r"Possible \1."),
    (Certainty.PROBABLE, rf"^(?!There|The |An? |Some |.*\b(?:{_VERBS})\b)(.+)\.$", r"Probable \1."),
    (Certainty.PROBABLE, r"^The heart is (.+)\.$", r"The heart is probably \1."),
    (Certainty.POSSIBLE, r"^The heart is (.+)\.$", r"The heart may be \1."),
)  # fmt: skip
_RATIOS: Final = {
    None: (0.51, 0.68),
    Severity.MINIMAL: (0.50, 0.52),
    Severity.MILD: (0.52, 0.56),
    Severity.MODERATE: (0.56, 0.62),
    Severity.SEVERE: (0.62, 0.72),
}
"""Where the ratio of a heart of each severity lies (`agents/data/fusion.toml`)."""


class Varied(NamedTuple):
    """A text made of a real one, how, and what it means to claim."""

    how: str
    text: str
    claim: Claim


def variations(real: Statement, chance: random.Random, most: int) -> list[tuple[str, Statement]]:
    """Up to `most` different statements of the build of a real one, each with how it came about.

    Only statements of a single positive claim vary.
    """
    if len(real.claims) != 1 or not real.present:
        return []
    found: dict[str, tuple[str, Statement]] = {}
    for _ in range(4 * most):
        made = Varied("", real.text, real.claims[0])
        for step, share in _STEPS:
            options = list(step(made, chance))
            if options and chance.random() < share:
                option = chance.choice(options)
                how = "+".join(part for part in (made.how, option.how) if part)
                made = Varied(how, option.text, option.claim)
        if not made.how or made.text in found:
            continue
        new = statement(made.text, ReportContext(seed=chance.randrange(100)))
        if new is not None and new.claims == (made.claim,):
            found[made.text] = made.how, new
        if len(found) == most:
            break
    return list(found.values())


def _mirrored(made: Varied, _: random.Random) -> Iterator[Varied]:
    claim = made.claim
    if claim.side not in _OTHER:
        return
    side = _OTHER[claim.side]
    region = claim.region
    if region is not None and region_side(region) in _OTHER:
        region = _across(region, side)
        if region is None:
            return

    def swapped(match: re.Match[str]) -> str:
        word = match.group()
        other = _OTHER[Side(word.lower())].value
        return other.capitalize() if word[0].isupper() else other

    text = _SIDE_WORD.sub(swapped, made.text)
    yield Varied("mirrored", text, claim.model_copy(update={"side": side, "region": region}))


def _across(region: Region, side: Side) -> Region | None:
    pair = paired_region(region)
    if pair is None:
        return None
    other = sided_region(pair, side)
    return other if other is not pair else None


def _recast(made: Varied, chance: random.Random) -> Iterator[Varied]:
    claim = made.claim
    for family in _FAMILIES:
        name = family.get(claim.finding)
        if name is None or len(re.findall(rf"\b{name}\b", made.text, re.IGNORECASE)) != 1:
            continue
        for finding, other in family.items():
            if finding is claim.finding:
                continue
            text = re.sub(
                rf"\b(?:(an?) )?{name}\b",
                lambda match, other=other: _named(match, other),  # type: ignore[misc]
                made.text,
                flags=re.IGNORECASE,
            )
            yield Varied("recast", text, claim.model_copy(update={"finding": finding}))


def _named(match: re.Match[str], other: str) -> str:
    """Another name in the place of one, with its article where that stands before it."""
    article = "an " if other[0] in "aeio" else "a "
    text = (article if match.group(1) else "") + other
    return text[0].upper() + text[1:] if match.group()[0].isupper() else text


def _hedged(made: Varied, _: random.Random) -> Iterator[Varied]:
    if made.claim.certainty is not Certainty.DEFINITE or made.claim.measurement is not None:
        return
    for certainty, pattern, template in _HEDGES:
        match = re.match(pattern, made.text)
        if match is None:
            continue
        text = match.expand(template)
        if template.startswith(("Possible", "Probable")):
            first, rest = text.split(" ", 1)
            text = f"{first} {rest[0].lower()}{rest[1:]}"
        yield Varied("hedged", text, made.claim.model_copy(update={"certainty": certainty}))


def _measured(made: Varied, chance: random.Random) -> Iterator[Varied]:
    claim = made.claim
    if claim.finding is not Finding.CARDIOMEGALY or claim.measurement is not None:
        return
    low, high = _RATIOS[claim.severity]
    value = round(chance.uniform(low, high), 2)
    if value <= 0.5:
        return
    ratio = Measurement(name="cardiothoracic_ratio", value=value, unit="1")
    text = f"{made.text.removesuffix('.')} (cardiothoracic ratio {value:.2f})."
    yield Varied("measured", text, claim.model_copy(update={"measurement": ratio}))


_STEPS: Final = ((_mirrored, 0.5), (_recast, 0.8), (_measured, 0.6), (_hedged, 0.5))
"""The steps in order, each with how often it is taken where it can be."""
