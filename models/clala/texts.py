"""Region texts: where they come from, and how the text encoder takes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from findings.catalogue import describe
from findings.claims import Claim
from findings.labeler import label_report
from findings.regions import Region, region_side
from findings.vocabulary import Language, Side
from models.clala.lesions import LESIONS, SPOKEN_OF, WHOLE_LUNGS, Standing, standing
from models.clala.region_sentences import compose_region
from models.clues.text_encoder import SentenceEncoder, tokenize
from models.data.sentence_pool import composed, level_of, side_of
from models.reports.cases import CaseSet, ReportCase
from models.reports.sentences import split_report

_DRAWS: Final = 6
_PAIR: Final = frozenset({Side.LEFT, Side.RIGHT})


def lesion_names() -> tuple[str, ...]:
    """The fourteen lesion names that the text encoder reads."""
    return tuple(describe(lesion).name(Language.ENGLISH) for lesion in LESIONS)


class RegionTexts:
    """The text of each region of each case: of the case's own report, or composed for it."""

    def __init__(self, cases: CaseSet, wordings: int) -> None:
        """``wordings`` is the most that a claim has among the composed ones."""
        self._cases = cases
        self._draws = wordings * _DRAWS
        self.wordings = cache(self._wordings)

    def __call__(self, case: int, region: Region, random: np.random.Generator) -> str | None:
        """A text, drawn anew where it is composed; None where nothing is known to be true."""
        own = self._cases.cases[case]
        if own.text:
            return written_of_region(own, region)
        return compose_region(own.claims, region, self.wordings, random)

    def _wordings(self, claim: Claim) -> tuple[str, ...]:
        """The sentences that state a claim and nothing else, as the case set words them.

        Those that name another place than the claim does are left out; where that leaves none,
        a plain sentence is made.
        """
        random = np.random.default_rng(0)
        drawn = {self._cases.reword((claim,), random) for _ in range(self._draws)}
        kept = [text for text in drawn if states_alone(text, claim)]
        texts = kept or [next(iter(composed(claim))).text]
        return tuple(sorted(t.lower().replace(".", " .").replace(",", " ,") for t in texts))


def states_alone(text: str, claim: Claim) -> bool:
    """Whether a text states a claim at its place, and neither more nor less."""
    read = label_report(text, Language.ENGLISH)
    return bool(read) and all(
        own.finding is claim.finding
        and own.polarity is claim.polarity
        and side_of(own) is side_of(claim)
        and level_of(own.region) is level_of(claim.region)
        and (own.region is None or claim.region is not None)
        for own in read
    )


def written_of_region(case: ReportCase, region: Region) -> str | None:
    """The sentences of a case's own report that speak of a region; None where none does."""
    chosen = []
    for sentence in split_report(case.text):
        claims = [claim.without_span() for claim in label_report(sentence, Language.ENGLISH)]
        if any(_speaks_of(claim, region) for claim in claims):
            chosen.append(sentence)
    return " ".join(chosen) or None


def _speaks_of(claim: Claim, region: Region) -> bool:
    if claim.present and claim.finding in LESIONS:
        held = standing(claim, region)
        unplaced = held is Standing.UNKNOWN and claim.side is None and region in WHOLE_LUNGS
        return held is Standing.HERE or unplaced
    if claim.present:
        return claim.region is region
    side, own = side_of(claim), region_side(region)
    other = side in _PAIR and own in _PAIR and side is not own
    return not other and (claim.region is region or claim.finding in SPOKEN_OF[region])


class TextInputs(Protocol):
    """Texts as a text encoder takes them."""

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """One row for each text."""


class SentenceVectors:
    """Vectors of a frozen sentence encoder; a text is the mean of its sentences."""

    def __init__(self, encoder: SentenceEncoder, sentences: Sequence[str]) -> None:
        """``sentences`` are those known beforehand; others are encoded when they come."""
        self._encoder = encoder
        known = tuple(dict.fromkeys(sentences))
        self._known: dict[str, NDArray[np.float32]] = dict(
            zip(known, encoder.encode(known), strict=True) if known else ()
        )

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors ``(texts, hidden)``."""
        parts = [
            [part.strip() + " ." for part in text.split(".") if part.strip()] or [text]
            for text in texts
        ]
        new = list(dict.fromkeys(p for own in parts for p in own if p not in self._known))
        if new:
            self._known |= dict(zip(new, self._encoder.encode(new), strict=True))
        means = np.stack([np.mean([self._known[part] for part in own], axis=0) for own in parts])
        return functional.normalize(torch.from_numpy(means.astype(np.float32)), dim=-1)


class TextTokens:
    """Word pieces and masks, for a text encoder that learns."""

    def __init__(self, tokenizer: Any, longest: int) -> None:
        self._tokenizer, self._longest = tokenizer, longest

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Tokens ``(texts, 2, length)``."""
        return tokenize(self._tokenizer, texts, self._longest)
