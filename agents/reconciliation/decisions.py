"""Deciding one entry: pooled probability against operating points, and the voices' stances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.reconciliation.fusion import Fusion, Stated
from agents.reconciliation.pooling import contribution, pool
from agents.reconciliation.voices import Stance, Voice
from findings.vocabulary import Certainty, Finding
from reporting.ledger import Decision, Vote


@dataclass(frozen=True)
class OperatingPoints:
    """Thresholds in force on the pooled probability of one finding."""

    sensitive: float
    threshold: float
    confident: float


@dataclass(frozen=True)
class Verdict:
    """What was decided, how surely, and why in one sentence."""

    decision: Decision
    certainty: Certainty
    reason: str


def operating_points(voices: Sequence[Voice], fusion: Fusion) -> OperatingPoints:
    """The classifier's own operating points (the strictest of several), else the defaults."""
    own = [voice.classification for voice in voices if voice.classification is not None]
    if not own:
        points = fusion.operating
        return OperatingPoints(points.sensitive, points.threshold, points.confident)
    return OperatingPoints(
        sensitive=min(item.sensitive_threshold for item in own),
        threshold=max(item.threshold for item in own),
        confident=max(item.confident_threshold for item in own),
    )


def tally(
    finding: Finding, voices: Sequence[Voice], fusion: Fusion
) -> tuple[float, tuple[Vote, ...]]:
    """The pooled probability of the voices on one finding, and each voice as a vote.

    Of several voices of one expert and kind only the strongest enters the pool (two boxes on one
    lesion are not two witnesses); the others are kept as votes of no weight.
    """
    base = fusion.base_rate(finding)
    weighed = [(voice, _log_odds(voice, base, fusion)) for voice in sorted(voices, key=_order)]
    strongest: dict[tuple[str, str], int] = {}
    for index, (voice, log_odds) in enumerate(weighed):
        key = (voice.expert, voice.kind)
        if key not in strongest or log_odds > weighed[strongest[key]][1]:
            strongest[key] = index
    counted = set(strongest.values())
    votes = tuple(
        Vote(
            expert=voice.expert,
            evidence=voice.evidence,
            polarity=voice.polarity,
            probability=voice.probability,
            weight=round(log_odds, 6) if index in counted else 0.0,
            side=voice.side,
            region=voice.region,
        )
        for index, (voice, log_odds) in enumerate(weighed)
    )
    return pool(base, (weighed[index][1] for index in counted)), votes


def decide(
    probability: float, voices: Sequence[Voice], points: OperatingPoints, stated: Stated
) -> Verdict:
    """The verdict on a pooled probability.

    Nothing is stated that is less probable than `stated.possible`. Above that, a finding is stated
    above its balanced threshold; how surely, the probability itself tells. Undecided pools (between
    the sensitive and the balanced threshold) follow CLALA-Net's rule: a voice that affirms wins
    over voices that deny, and the entry is marked uncertain. A finding is called absent only below
    the sensitive threshold and where no voice affirms it. Voices without weight state nothing by
    themselves: they can only keep a finding from being denied.
    """
    affirmed = any(voice.stance is Stance.AFFIRMS for voice in voices)
    counting = [voice for voice in voices if voice.weight > 0]
    if not counting:
        return Verdict(
            Decision.ABSTAIN, Certainty.POSSIBLE, "Only voices without weight speak of it."
        )
    if probability >= max(points.threshold, stated.possible):
        return _affirmative(probability, points, stated)
    if probability >= points.sensitive:
        return _undecided(probability, counting, points, stated)
    if affirmed:
        return Verdict(
            Decision.ABSTAIN,
            Certainty.POSSIBLE,
            "The pool is below the sensitive threshold, but a voice affirms it.",
        )
    return Verdict(
        Decision.ABSENT, Certainty.DEFINITE, "The pool is below the sensitive threshold."
    )


def _affirmative(probability: float, points: OperatingPoints, stated: Stated) -> Verdict:
    """The verdict above the balanced threshold, where a finding is probable enough to be stated."""
    if probability >= max(points.confident, stated.definite):
        return Verdict(
            Decision.PRESENT, Certainty.DEFINITE, "The pool is above the confident threshold."
        )
    above = "The pool is above the balanced threshold"
    if probability >= stated.probable:
        return Verdict(Decision.PRESENT, Certainty.PROBABLE, f"{above}.")
    return Verdict(Decision.UNCERTAIN, Certainty.POSSIBLE, f"{above}, but not probable.")


def _undecided(
    probability: float, counting: Sequence[Voice], points: OperatingPoints, stated: Stated
) -> Verdict:
    """The verdict above the sensitive threshold on what is not stated by its probability alone."""
    affirmed = any(voice.stance is Stance.AFFIRMS for voice in counting)
    if affirmed and probability >= stated.possible:
        return Verdict(
            Decision.UNCERTAIN,
            Certainty.POSSIBLE,
            "The pool is undecided and a positive voice wins over negative ones.",
        )
    if affirmed:
        reason = "A voice affirms it, but the pool is too improbable for it to be stated."
    elif probability >= points.threshold:
        reason = "The pool is above the balanced threshold, but too improbable to be stated."
    else:
        reason = "The pool is undecided and no voice affirms it."
    return Verdict(Decision.ABSTAIN, Certainty.POSSIBLE, reason)


def _log_odds(voice: Voice, base: float, fusion: Fusion) -> float:
    bounds = fusion.bounds
    neutral = base if voice.neutral is None else voice.neutral
    log_odds = contribution(voice.probability, neutral, voice.weight, bounds.lowest, bounds.highest)
    return max(0.0, log_odds) if voice.only_raises else log_odds


def _order(voice: Voice) -> tuple[int, str]:
    return int(voice.evidence[1:]), voice.expert
