"""Direct preference optimisation for models that are shown an image (Rafailov et al., 2023).

A pair is the report of a case and a worse one: sides exchanged, a finding made up, or a finding
left out. Libraries for text alone cannot show the image, so the loss is here; it is that of trl's
``sigmoid`` type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from findings.claims import Claim
from findings.vocabulary import Finding, Side
from models.data.sentence_pool import mirror_claim
from models.data.weak_pair_sources import FOURTEEN
from models.reports.cases import CaseSet

_SIDED: Final = frozenset({Side.LEFT, Side.RIGHT})


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """The case's index, its report, and a worse one."""

    index: int
    preferred: str
    dispreferred: str


def dpo_loss(policy: Tensor, reference: Tensor, beta: float) -> Tensor:
    """Mean of -log sigmoid(beta * margin).

    ``policy`` and ``reference`` are log probabilities ``(pairs, 2)`` of the preferred and the
    dispreferred report; the margin is how much more the policy prefers than the reference does.
    """
    gain = policy - reference
    return -functional.logsigmoid(beta * (gain[:, 0] - gain[:, 1])).mean()


def worse(claims: Sequence[Claim], random: np.random.Generator) -> tuple[Claim, ...]:
    """The same claims with one thing wrong, of the kinds that are known of report models.

    Sides exchanged, where a side is named; else a finding that is affirmed left out, or one that
    is not made up, with equal chance.
    """
    affirmed = [c for c in claims if c.present and c.finding is not Finding.NO_FINDING]
    if any(claim.side in _SIDED for claim in affirmed) and random.random() < 2 / 3:
        return tuple(mirror_claim(claim) if claim.present else claim for claim in claims)
    if affirmed and random.random() < 0.5:
        gone = affirmed[int(random.integers(len(affirmed)))]
        left = tuple(claim for claim in claims if claim != gone)
        return left if len(affirmed) > 1 else (Claim(finding=Finding.NO_FINDING), *left)
    free = [f for f in FOURTEEN if f not in {claim.finding for claim in affirmed}]
    made_up = Claim(finding=free[int(random.integers(len(free)))])
    kept = (c for c in claims if c.finding not in (made_up.finding, Finding.NO_FINDING))
    return (made_up, *kept)


def preference_pairs(cases: CaseSet, most: int, balance: float, seed: int) -> list[PreferencePair]:
    """Pairs of training cases whose reports can be worded anew; the same for the same seed."""
    random = np.random.default_rng(seed)
    chosen = random.choice(cases.training, size=most, p=cases.chances(balance))
    pairs = []
    for index in (int(number) for number in chosen):
        preferred = cases.report(index, random)
        dispreferred = cases.reword(worse(cases.cases[index].claims, random), random)
        if dispreferred and dispreferred != preferred:
            pairs.append(PreferencePair(index, preferred, dispreferred))
    return pairs


LogProbability = Callable[[NDArray[np.int64], Sequence[str]], Tensor]
"""Case indices and a report for each, to log probabilities ``(cases,)``."""


def both(pairs: Sequence[PreferencePair], log_probability: LogProbability) -> Tensor:
    """Log probabilities ``(pairs, 2)`` of the preferred and the dispreferred report."""
    indices = np.array([pair.index for pair in pairs], dtype=np.int64)
    texts = [pair.preferred for pair in pairs] + [pair.dispreferred for pair in pairs]
    found = log_probability(np.concatenate([indices, indices]), texts)
    return found.reshape(2, -1).T
