"""Reconciliation: what holds for any evidence."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from voices import classified, detected, neighbour, ratio, worded

from agents.reconciliation import reconcile
from agents.reconciliation.pooling import contribution, pool
from findings.claims import Claim
from findings.evidence import (
    Clue,
    CrudeSentence,
    Evidence,
)
from findings.regions import Region
from findings.vocabulary import Certainty, Finding, Polarity, Side
from reporting.ledger import Decision, LedgerEntry

LUNG_FINDINGS = (
    Finding.PLEURAL_EFFUSION,
    Finding.CONSOLIDATION,
    Finding.LUNG_OPACITY,
    Finding.NODULE,
    Finding.CARDIOMEGALY,
)
MIRROR = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}


@st.composite
def evidence_sets(draw: st.DrawFn) -> list[Evidence]:
    items: list[Evidence] = []
    for number in range(1, draw(st.integers(1, 10)) + 1):
        finding = draw(st.sampled_from(LUNG_FINDINGS))
        probability = draw(st.floats(0, 1))
        side = draw(st.sampled_from([None, Side.LEFT, Side.RIGHT]))
        region = {
            None: None,
            Side.LEFT: Region.LEFT_LOWER_ZONE,
            Side.RIGHT: Region.RIGHT_LOWER_ZONE,
        }[side]
        match draw(st.integers(0, 4)):
            case 0:
                items.append(classified(finding, probability, number, f"c{number % 2}"))
            case 1:
                weak = draw(st.booleans())
                items.append(detected(finding, probability, number, side, region, weak))
            case 2:
                polarity = draw(st.sampled_from(Polarity))
                claim = Claim(finding=finding, polarity=polarity, side=side, region=region)
                items.append(worded("A sentence.", claim, number=number))
            case 3:
                items.append(ratio(round(0.3 + probability / 2, 3), number))
            case _:
                items.append(
                    Clue(
                        id=f"E{number}",
                        expert="clues",
                        version="1",
                        finding=finding,
                        probability=probability,
                        text="clue",
                    )
                )
    return items


def _mirrored(item: Evidence) -> Evidence:
    def region(value: Region | None) -> Region | None:
        if value is None:
            return None
        swap = {"left_": "right_", "right_": "left_"}
        for one, other in swap.items():
            if value.value.startswith(one):
                return Region(other + value.value.removeprefix(one))
        return value

    update: dict[str, object] = {
        "side": MIRROR.get(item.side) if item.side else None,
        "region": region(item.region),
    }
    if isinstance(item, CrudeSentence):
        update["claims"] = tuple(
            claim.model_copy(
                update={
                    "side": MIRROR.get(claim.side) if claim.side else None,
                    "region": region(claim.region),
                }
            )
            for claim in item.claims
        )
    return item.model_copy(update=update)


@given(evidence_sets(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_evidence_does_not_matter(
    items: list[Evidence], shuffler: random.Random
) -> None:
    shuffled = list(items)
    shuffler.shuffle(shuffled)
    assert reconcile(shuffled) == reconcile(items)


@given(evidence_sets(), st.sampled_from(list(Finding)))
@settings(max_examples=60, deadline=None)
def test_adding_a_neighbour_changes_nothing(items: list[Evidence], finding: Finding) -> None:
    assert reconcile([*items, neighbour(finding)]) == reconcile(items)


@given(evidence_sets())
@settings(max_examples=60, deadline=None)
def test_swapping_all_sides_swaps_the_ledger(items: list[Evidence]) -> None:
    def key(entry: LedgerEntry, swap: bool) -> tuple[object, ...]:
        side = MIRROR.get(entry.side, entry.side) if swap and entry.side else entry.side
        return (entry.finding, side, entry.probability, entry.decision, entry.severity)

    straight = sorted(str(key(entry, False)) for entry in reconcile(items).entries)
    swapped = [_mirrored(item) for item in items]
    assert sorted(str(key(entry, True)) for entry in reconcile(swapped).entries) == straight


@given(evidence_sets(), st.data())
@settings(max_examples=60, deadline=None)
def test_nothing_is_stated_without_a_voice_and_certainty_follows_the_decision(
    items: list[Evidence], data: st.DataObject
) -> None:
    for entry in reconcile(items).entries:
        if entry.claim() is not None:
            assert entry.evidence
        if entry.decision is Decision.UNCERTAIN:
            assert entry.certainty is Certainty.POSSIBLE
        if entry.decision is Decision.ABSENT:
            assert entry.severity is None


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 2)), min_size=1, max_size=6),
    st.integers(0, 5),
    st.floats(0, 1),
    st.floats(0.01, 0.9),
)
def test_the_pool_rises_with_every_vote(
    votes: list[tuple[float, float]], index: int, raised: float, base: float
) -> None:
    index %= len(votes)
    probability, weight = votes[index]
    louder = list(votes)
    louder[index] = (max(probability, raised), weight)

    def pooled(all_votes: list[tuple[float, float]]) -> float:
        return pool(base, (contribution(p, base, w, 0.005, 0.995) for p, w in all_votes))

    assert pooled(louder) >= pooled(votes)
