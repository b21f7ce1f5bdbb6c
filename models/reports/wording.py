"""Words for what is known of a radiograph, in English or Spanish."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from findings.catalogue import describe, region_name
from findings.claims import Claim
from findings.regions import Region
from findings.vocabulary import Finding, Language, Side
from models.crude_report.composing import ReportComposer, stated
from models.reports.sentences import tidy

_SPANISH_SIDE = {
    Side.LEFT: "en el lado izquierdo",
    Side.RIGHT: "en el lado derecho",
    Side.BILATERAL: "en ambos lados",
}


class Wording(Protocol):
    """Makes a weak report out of claims; each time anew, where there are several wordings."""

    def report(self, claims: Sequence[Claim], random: np.random.Generator) -> str:
        """Sentences that state the claims and nothing else."""


class EnglishWording:
    """Sentences of the corpora that state a single claim, and plain ones where there is none."""

    def __init__(self, composer: ReportComposer) -> None:
        self._composer = composer

    def report(self, claims: Sequence[Claim], random: np.random.Generator) -> str:
        """See `Wording`."""
        return tidy(self._composer.compose(claims, random))


class SpanishWording:
    """Plain Spanish sentences; PadChest's words are stems, which nobody should learn to write."""

    def __init__(self, most_words: int) -> None:
        self._most_words = most_words

    def report(self, claims: Sequence[Claim], random: np.random.Generator) -> str:
        """See `Wording`; denials are left out first where the report grows too long."""
        chosen = [(claim, _spanish(claim)) for claim in stated(claims)]
        while sum(len(line.split()) for _, line in chosen) > self._most_words:
            denied = [place for place, (claim, _) in enumerate(chosen) if not claim.present]
            chosen.pop(denied[-1] if denied else -1)
        return " ".join(line for _, line in chosen)


def _spanish(claim: Claim) -> str:
    if claim.finding is Finding.NO_FINDING:
        return "Sin hallazgos patológicos."
    name = describe(claim.finding).name(Language.SPANISH)
    if not claim.present:
        return f"No se observa {name}."
    place = _SPANISH_SIDE.get(claim.side, "") if claim.side else ""
    if claim.region is not None and claim.region is not Region.LUNGS:
        place = f"en {region_name(claim.region, Language.SPANISH)}"
    return f"Se observa {name}{' ' if place else ''}{place}."
