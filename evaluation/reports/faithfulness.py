"""What a fluent report can still do wrong: contradict itself, assert without ground, swap sides,
repeat itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.bootstrap import Estimate, estimate
from evaluation.reports.pairs import ReportPair, sided_atoms
from evaluation.reports.words import joined
from findings.catalogue import is_a
from findings.claims import Claim, Frozen
from findings.vocabulary import Finding, Side
from reporting.contradictions import contradictions
from reporting.places import atoms
from reporting.review_items import Said


class FaithfulnessScore(Frozen):
    """Rates over all reports, each with what it is a share of."""

    contradicting: Estimate
    """Share of reports that affirm something in one sentence and deny it in another."""
    unsupported: Estimate
    """Share of the affirmations of judged findings that the reference does not make."""
    affirmations: int
    wrong_side: Estimate
    """Share of the sided affirmations that name no side of the reference, where it has some."""
    sided: int
    repeated: Estimate
    """Share of sentences that stand in the same report before."""
    sentences: int


def faithfulness(pairs: Sequence[ReportPair]) -> FaithfulnessScore:
    """Count what each report does, and give the shares with intervals over patients."""
    patients = [pair.reference.patient for pair in pairs]
    against_itself = _counts(pairs, lambda pair: (int(contradicts_itself(pair)), 1))
    ungrounded = _counts(pairs, unsupported_affirmations)
    sides = _counts(pairs, wrong_sides)
    repetitions = _counts(pairs, repeated_sentences)
    return FaithfulnessScore(
        contradicting=_share(against_itself, patients),
        unsupported=_share(ungrounded, patients),
        affirmations=int(ungrounded[:, 1].sum()),
        wrong_side=_share(sides, patients),
        sided=int(sides[:, 1].sum()),
        repeated=_share(repetitions, patients),
        sentences=int(repetitions[:, 1].sum()),
    )


def contradicts_itself(pair: ReportPair) -> bool:
    """Whether one sentence of the generated report denies what another affirms."""
    said = [
        Said(atom, sentence)
        for sentence in pair.read.sentences
        for claim in sentence.claims
        if claim.finding not in (Finding.NO_FINDING, Finding.OTHER_FINDING)
        for atom in atoms(claim)
    ]
    return any(True for _ in contradictions(said))


def unsupported_affirmations(pair: ReportPair) -> tuple[int, int]:
    """Affirmations of findings that the reference denies or leaves out, and all that are judged.

    Each finding counts once. A finding is supported by its own kind and by what it is a kind of.
    """
    said = {atom.finding for atom in sided_atoms(pair.claims)}
    judged = [finding for finding in said if pair.reference.touches(finding)]
    true = {claim.finding for claim in pair.reference.claims if claim.present}
    missing = [f for f in judged if not any(is_a(own, f) or is_a(f, own) for own in true)]
    return len(missing), len(judged)


def wrong_sides(pair: ReportPair) -> tuple[int, int]:
    """Sided affirmations on a side that the reference does not name, and all that can be judged."""
    true = sided_atoms(pair.reference.claims)
    wrong = checked = 0
    for atom in dict.fromkeys(sided_atoms(pair.claims)):
        sides = {own.side for own in true if _alike(own, atom)}
        if atom.side not in (Side.LEFT, Side.RIGHT) or not sides or None in sides:
            continue
        checked += 1
        wrong += atom.side not in sides
    return wrong, checked


def repeated_sentences(pair: ReportPair) -> tuple[int, int]:
    """Sentences that repeat an earlier one of the report word for word, and all sentences."""
    texts = [joined(sentence.text) for sentence in pair.read.sentences]
    return len(texts) - len(set(texts)), len(texts)


def _alike(one: Claim, other: Claim) -> bool:
    return is_a(one.finding, other.finding) or is_a(other.finding, one.finding)


def _counts(
    pairs: Sequence[ReportPair], count: Callable[[ReportPair], tuple[int, int]]
) -> NDArray[np.int64]:
    return np.array([count(pair) for pair in pairs], dtype=np.int64).reshape(len(pairs), 2)


def _share(counts: NDArray[np.int64], patients: Sequence[str]) -> Estimate:
    def statistic(cases: NDArray[np.int64]) -> float:
        part, whole = counts[cases].sum(axis=0)
        return float(part / whole) if whole else float("nan")

    return estimate(statistic, patients)
