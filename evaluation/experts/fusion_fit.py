"""Weights of the reconciler's voices, fitted on films whose labels are known.

The pool of a finding is logit P = logit b + Σ w c, where c is what the voices of one kind add at
weight 1 (`agents.reconciliation.pooling`). Weights are fitted by penalised logistic likelihood:
never negative, drawn to the documented defaults, so that a kind of voice that says little on
these films keeps its default. Every figure is cross-fitted: a film is pooled with weights that
were fitted without its patient.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.reconciliation.decisions import tally
from agents.reconciliation.fusion import Fusion, Weights
from agents.reconciliation.pooling import logit
from agents.reconciliation.voices import Voice, voices
from evaluation.experts.votes import FilmVotes, patients_of
from findings.errors import StudyError
from findings.evidence import Detection
from findings.vocabulary import Finding

KINDS: Final = ("classification", "detection", "measurement", "clue", "crude_sentence")
"""Kinds of evidence that vote. A weak box repeats its classifier and has no vote."""
EXPERTS: Final = {
    "detection": "finding_detector",
    "clue": "clue_retriever",
    "crude_sentence": "crude_report",
}
"""The shipped experts, whose weights are fitted by name: what they are worth says nothing of others
of their kind."""
_HELD: Final = (KINDS.index("classification"), KINDS.index("measurement"))
"""Weights that are not fitted. One calibrated classifier alone keeps its own probability, so what
the others repeat of it must come off their own weights. And a ratio beyond its limit is what an
enlarged heart means; the label that it would be fitted to follows the wording of reports."""
PRIOR_SPREAD: Final = 0.5
"""Standard deviation of the penalty around the defaults (a Gaussian prior)."""
FINDING_SPREAD: Final = 0.25
"""The same for a finding's own weights around those of all findings."""
FOLDS: Final = 5
_UNIT: Final = Weights(
    classification=1, detection=1, weak_detection=0, measurement=1, clue=1, crude_sentence=1
)


@dataclass(frozen=True)
class VoteTable:
    """What each kind of voice adds to each finding's log-odds on each film, at weight 1.

    ``added`` is ``(films, findings, kinds)``, ``truth`` and ``spoken`` (whether any voice of the
    kind spoke) alike; ``base`` the log-odds of the base rates, ``(findings,)``.
    """

    findings: tuple[Finding, ...]
    added: NDArray[np.float64]
    spoken: NDArray[np.bool_]
    truth: NDArray[np.bool_]
    base: NDArray[np.float64]
    patients: tuple[str, ...]

    def pooled(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pooled probabilities ``(films, findings)``.

        ``weights`` is ``(kinds,)``, or ``(findings, kinds)`` for weights by finding, or
        ``(films, findings, kinds)`` for cross-fitted ones.
        """
        return _expit(self.base + (self.added * weights).sum(axis=2))

    def of(self, films: NDArray[np.int64]) -> VoteTable:
        """The table of some of the films."""
        return VoteTable(
            self.findings,
            self.added[films],
            self.spoken[films],
            self.truth[films],
            self.base,
            tuple(self.patients[index] for index in films),
        )


def vote_table(votes: Sequence[FilmVotes], fusion: Fusion) -> VoteTable:
    """Hear the votes as the reconciler does, each kind at weight 1.

    The films of one study have one place: a finding's surest voice of an expert and kind counts,
    wherever it lies.

    Raises:
        StudyError: there are no votes.
    """
    if not votes:
        raise StudyError(
            "There are no votes to fit weights on. Give a folder with labelled films (nih/)."
        )
    findings = tuple(votes[0].labels)
    unit = fusion.model_copy(update={"weights": _UNIT})
    added = np.zeros((len(votes), len(findings), len(KINDS)))
    spoken = np.zeros(added.shape, dtype=np.bool_)
    for row, own in enumerate(votes):
        kinds = {
            item.id: "weak" if isinstance(item, Detection) and item.weak else item.kind
            for item in own.evidence
        }
        heard: dict[Finding, list[Voice]] = defaultdict(list)
        for voice in voices(own.evidence, unit):
            heard[voice.finding].append(voice)
        for column, finding in enumerate(findings):
            _, cast = tally(finding, heard.get(finding, ()), unit)
            for vote in cast:
                kind = kinds[vote.evidence]
                if kind in KINDS:
                    added[row, column, KINDS.index(kind)] += vote.weight
                    spoken[row, column, KINDS.index(kind)] = True
    return VoteTable(
        findings=findings,
        added=added,
        spoken=spoken,
        truth=np.array([[own.labels[finding] for finding in findings] for own in votes]),
        base=np.array([logit(fusion.base_rate(finding)) for finding in findings]),
        patients=tuple(patients_of(votes)),
    )


def fit_weights(
    table: VoteTable, prior: NDArray[np.float64], spread: float = PRIOR_SPREAD
) -> NDArray[np.float64]:
    """Weights ``(kinds,)`` that make the labels likeliest, drawn to ``prior``, never negative.

    The classifier's is held at its prior.
    """
    from scipy.optimize import minimize

    added = table.added.reshape(-1, len(KINDS))
    base = np.broadcast_to(table.base, table.truth.shape).ravel()
    truth = table.truth.ravel().astype(np.float64)

    def objective(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds = base + added @ weights
        away = weights - prior
        loss = float(np.sum(np.logaddexp(0, odds) - truth * odds))
        slope = added.T @ (_expit(odds) - truth) + away / spread**2
        return loss + float(away @ away) / (2 * spread**2), slope

    bounds = [
        (float(prior[kind]),) * 2 if kind in _HELD else (0.0, None) for kind in range(len(KINDS))
    ]
    found = minimize(objective, prior, jac=True, method="L-BFGS-B", bounds=bounds)
    weights: NDArray[np.float64] = found.x
    return weights


def fit_weights_by_finding(table: VoteTable, common: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights ``(findings, kinds)``: each finding's own, drawn to the common ones."""
    return np.stack(
        [
            fit_weights(_one_finding(table, column), common, FINDING_SPREAD)
            for column in range(len(table.findings))
        ]
    )


def cross_fitted(
    table: VoteTable, prior: NDArray[np.float64], *, by_finding: bool = False
) -> NDArray[np.float64]:
    """Pooled probabilities, each film's with weights fitted on the other patients' films.

    Raises:
        StudyError: fewer patients than folds.
    """
    fold = _folds(table.patients)
    weights = np.empty_like(table.added)
    for number in range(FOLDS):
        inside = table.of(np.flatnonzero(fold != number))
        fitted = fit_weights(inside, prior)
        weights[fold == number] = fit_weights_by_finding(inside, fitted) if by_finding else fitted
    return table.pooled(weights)


def as_array(weights: Weights) -> NDArray[np.float64]:
    """The weights of `KINDS` in their order, as the shipped experts have them."""
    return np.array([weights.of(kind, EXPERTS.get(kind, "")) for kind in KINDS])


def as_weights(values: NDArray[np.float64], others: Weights) -> Weights:
    """Weights with those of `KINDS` replaced, to two decimals: by expert where it ships."""
    named = {kind: round(float(value), 2) for kind, value in zip(KINDS, values, strict=True)}
    experts = {expert: named.pop(kind) for kind, expert in EXPERTS.items()}
    return others.model_copy(update={**named, "experts": {**others.experts, **experts}})


def with_base_rates(fusion: Fusion, shares: Mapping[Finding, float]) -> Fusion:
    """The constants with the base rates of these findings replaced, to three decimals."""
    named = {finding.value: round(share, 3) for finding, share in shares.items()}
    return fusion.model_copy(update={"base_rates": {**fusion.base_rates, **named}})


def log_loss(probability: NDArray[np.float64], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Negative log likelihood of each label."""
    bounded = np.clip(probability, 1e-6, 1 - 1e-6)
    loss: NDArray[np.float64] = -np.where(truth, np.log(bounded), np.log1p(-bounded))
    return loss


def _one_finding(table: VoteTable, column: int) -> VoteTable:
    own = slice(column, column + 1)
    return VoteTable(
        table.findings[own],
        table.added[:, own],
        table.spoken[:, own],
        table.truth[:, own],
        table.base[own],
        table.patients,
    )


def _folds(patients: Sequence[str]) -> NDArray[np.int64]:
    """The fold of each film, a patient's films together."""
    names, group = np.unique(patients, return_inverse=True)
    if len(names) < FOLDS:
        raise StudyError(
            f"Weights are fitted and judged on different patients, which needs at least {FOLDS}; "
            "these films are of fewer."
        )
    folds = np.arange(len(names)) % FOLDS
    np.random.default_rng(0).shuffle(folds)
    chosen: NDArray[np.int64] = folds[group]
    return chosen


def _expit(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    probability: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
    return probability
