"""From similarities with the clue prompts to scores of the diseases and the clues themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from findings.vocabulary import Finding, Side
from models.clues.prompts import DISEASES, CluePrompt, clue_prompts

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PromptTable:
    """The prompts of each disease by their place in the list."""

    prompts: tuple[CluePrompt, ...]

    @cached_property
    def affirming(self) -> dict[Finding, NDArray[np.int64]]:
        """Disease -> its affirming prompts."""
        return {
            finding: np.array(
                [n for n, p in enumerate(self.prompts) if p.finding is finding and p.claim.present]
            )
            for finding in DISEASES
        }

    @cached_property
    def denying(self) -> NDArray[np.int64]:
        """The denial of each disease, in the order of `DISEASES`."""
        at = {p.finding: n for n, p in enumerate(self.prompts) if not p.claim.present}
        return np.array([at[finding] for finding in DISEASES])


PROMPTS = PromptTable(clue_prompts())


def disease_scores(similarity: Array, scale: float) -> Array:
    """Log odds ``(images, diseases)``, not calibrated, from cosines ``(images, prompts)``.

    For each disease the soft maximum over its affirming prompts, against its denial: wherever and
    however severe the disease is, one of its prompts should be nearer than its absence.
    """
    logits = scale * similarity
    return np.stack(
        [
            _soft_maximum(logits[:, PROMPTS.affirming[finding]]) - logits[:, PROMPTS.denying[row]]
            for row, finding in enumerate(DISEASES)
        ],
        axis=1,
    )


def clue_weights(similarity: Array, scale: float) -> Array:
    """The paper's clue weights ``(images, diseases)``: softmax of image-clue products.

    A disease's clue is the nearest of its affirming prompts (TRRG, section 2.2).
    """
    best = np.stack(
        [scale * similarity[:, PROMPTS.affirming[f]].max(axis=1) for f in DISEASES], axis=1
    )
    raised = np.exp(best - best.max(axis=1, keepdims=True))
    weights: Array = raised / raised.sum(axis=1, keepdims=True)
    return weights


def side_shares(similarity: Array, scale: float, finding: Finding) -> dict[Side, float]:
    """How one image's nearness to a disease's prompts is shared among left, right and both.

    ``similarity`` is ``(prompts,)``. Empty for a disease whose prompts name no side.
    """
    places = PROMPTS.affirming[finding]
    sides = [PROMPTS.prompts[place].side for place in places]
    logits = scale * similarity[places]
    masses = {
        side: float(_soft_maximum(logits[None, [own is side for own in sides]])[0])
        for side in (Side.LEFT, Side.RIGHT, Side.BILATERAL)
        if side in sides
    }
    if not masses:
        return {}
    top = max(masses.values())
    raised = {side: float(np.exp(mass - top)) for side, mass in masses.items()}
    return {side: value / sum(raised.values()) for side, value in raised.items()}


def nearest_prompt(
    similarity: Array, finding: Finding, side: Side | None, graded: bool = True
) -> CluePrompt:
    """The disease's affirming prompt nearest to the image among those that name this side.

    ``similarity`` is ``(prompts,)``. With ``side`` None: among those that name no side. Without
    ``graded``, among those that name no severity.
    """
    places = [
        place
        for place in PROMPTS.affirming[finding]
        if PROMPTS.prompts[place].side is side
        and (graded or PROMPTS.prompts[place].severity is None)
    ]
    nearest = int(max(places, key=lambda place: float(similarity[place])))
    return PROMPTS.prompts[nearest]


def _soft_maximum(logits: Array) -> Array:
    """Logarithm of the mean exponential over the last axis."""
    top = logits.max(axis=-1, keepdims=True)
    mean: Array = np.log(np.exp(logits - top).mean(axis=-1)) + top[..., 0]
    return mean
