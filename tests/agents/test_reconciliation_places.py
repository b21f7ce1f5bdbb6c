"""Reconciliation: sides, places, and the disagreements about them."""

from __future__ import annotations

from voices import classified, detected, entry_of, kinds, ratio, worded

from agents.reconciliation import place, reconcile
from findings.claims import Claim, Measurement
from findings.evidence import (
    Detection,
    RegionMask,
    RunLengthMask,
)
from findings.regions import Region
from findings.vocabulary import Finding, Severity, Side
from reporting.ledger import Decision, DisagreementType


def test_side_is_settled_by_the_box_and_not_by_the_text() -> None:
    ledger = reconcile(
        [
            classified(Finding.PLEURAL_EFFUSION, 0.9),
            detected(Finding.PLEURAL_EFFUSION, 0.8, side=Side.LEFT),
            worded("Right effusion.", Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.RIGHT)),
        ]
    )
    entry = entry_of(ledger, Finding.PLEURAL_EFFUSION)
    assert entry.side is Side.LEFT
    [note] = [n for n in entry.disagreements if n.type is DisagreementType.SIDE]
    assert note.settled_by == "boxes and masks"
    assert "crude says right" in note.detail


def test_a_text_alone_states_no_side() -> None:
    ledger = reconcile(
        [
            classified(Finding.PLEURAL_EFFUSION, 0.9),
            worded("Right effusion.", Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.RIGHT)),
        ]
    )
    assert entry_of(ledger, Finding.PLEURAL_EFFUSION).side is None


def test_place_and_severity_and_number_disagreements_are_typed() -> None:
    wide = Measurement(name="cardiothoracic_ratio", value=0.70, unit="1")
    ledger = reconcile(
        [
            classified(Finding.NODULE, 0.9, 1),
            detected(Finding.NODULE, 0.9, 2, Side.LEFT, Region.LEFT_LOWER_ZONE),
            worded(
                "Left upper zone nodule.",
                Claim(finding=Finding.NODULE, side=Side.LEFT, region=Region.LEFT_UPPER_ZONE),
                Claim(finding=Finding.CARDIOMEGALY, severity=Severity.MILD, measurement=wide),
            ),
            ratio(0.58),
        ]
    )
    nodule, heart = entry_of(ledger, Finding.NODULE), entry_of(ledger, Finding.CARDIOMEGALY)
    assert nodule.region is Region.LEFT_LOWER_ZONE
    assert DisagreementType.PLACE in kinds(nodule)
    assert {DisagreementType.SEVERITY, DisagreementType.NUMBER} <= kinds(heart)
    assert heart.severity is Severity.MODERATE
    assert heart.measurement is not None and heart.measurement.value == 0.58


def test_boxes_of_one_finding_in_two_places_make_two_entries_and_one_side_one_effusion() -> None:
    two = reconcile(
        [
            detected(Finding.NODULE, 0.95, 1, Side.LEFT, Region.LEFT_UPPER_ZONE),
            detected(Finding.NODULE, 0.90, 2, Side.RIGHT, Region.RIGHT_LOWER_ZONE),
        ]
    )
    assert {e.side for e in two.entries if e.finding is Finding.NODULE} == {Side.LEFT, Side.RIGHT}
    one = reconcile(
        [
            detected(Finding.PLEURAL_EFFUSION, 0.95, 1, Side.LEFT, Region.LEFT_LOWER_ZONE),
            detected(Finding.PLEURAL_EFFUSION, 0.7, 2, Side.LEFT, Region.LEFT_COSTOPHRENIC_ANGLE),
        ]
    )
    entry = entry_of(one, Finding.PLEURAL_EFFUSION)
    assert entry.evidence == ("E1", "E2")
    assert [vote.weight == 0 for vote in entry.votes] == [False, True]


def test_a_box_over_both_lungs_beside_one_of_a_zone_tells_of_no_side_twice() -> None:
    zone = detected(Finding.INFILTRATION, 0.90, 2, Side.LEFT, Region.LEFT_MID_ZONE)
    both = detected(Finding.INFILTRATION, 0.85, 3, Side.BILATERAL, Region.LUNGS)
    seen = classified(Finding.INFILTRATION, 0.6)
    ledger = reconcile([seen, zone, both])
    placed = {entry.side: entry for entry in ledger.entries if entry.finding is zone.finding}
    assert len(ledger.entries) == 3 and set(placed) == {Side.LEFT, Side.RIGHT}
    assert placed[Side.LEFT].region is Region.LEFT_MID_ZONE
    assert placed[Side.RIGHT].region is Region.RIGHT_LUNG
    assert "E3" in placed[Side.LEFT].evidence and "E3" in placed[Side.RIGHT].evidence
    alone = entry_of(reconcile([seen, both]), Finding.INFILTRATION)
    assert (alone.side, alone.region) == (Side.BILATERAL, Region.LUNGS)


def test_boxes_never_say_where_a_finding_is_not() -> None:
    ledger = reconcile(
        [
            classified(Finding.NODULE, 0.02),
            detected(Finding.NODULE, 0.1, 2, Side.LEFT, weak=True),
            detected(Finding.NODULE, 0.1, 3, Side.RIGHT, Region.RIGHT_LOWER_ZONE, weak=True),
        ]
    )
    entry = entry_of(ledger, Finding.NODULE)
    assert (entry.decision, entry.side, entry.region) == (Decision.ABSENT, None, None)


def test_weak_boxes_place_a_finding_without_voting_for_it() -> None:
    plain = entry_of(reconcile([classified(Finding.NODULE, 0.9)]), Finding.NODULE)
    boxed = entry_of(
        reconcile([classified(Finding.NODULE, 0.9), detected(Finding.NODULE, 0.99, weak=True)]),
        Finding.NODULE,
    )
    assert boxed.probability == plain.probability
    assert boxed.side is Side.LEFT


def _lung_mask(x0: int, x1: int) -> RunLengthMask:
    runs = [20 * 100 + x0]
    for _ in range(60):
        runs += [x1 - x0, 100 - (x1 - x0)]
    runs[-1] += 20 * 100 - x0
    return RunLengthMask(height=100, width=100, runs=tuple(runs))


def _lungs(left_from: int) -> list[RegionMask]:
    sides = ((1, Region.RIGHT_LUNG, 10, 40), (2, Region.LEFT_LUNG, left_from, 90))
    return [
        RegionMask(
            id=f"E{number}",
            expert="segmenter",
            version="1",
            region=region,
            box=(x0, 20, x1, 80),
            mask=_lung_mask(x0, x1),
            quality=1.0,
        )
        for number, region, x0, x1 in sides
    ]


def test_masks_place_boxes_whatever_the_expert_said() -> None:
    lungs = _lungs(left_from=60)
    box = Detection(
        id="E3",
        expert="detector",
        version="1",
        finding=Finding.NODULE,
        probability=0.9,
        box=(65, 25, 75, 35),
        side=Side.RIGHT,
    )
    *_, placed = place([*lungs, box])
    assert (placed.side, placed.region) == (Side.LEFT, Region.LEFT_UPPER_ZONE)
    assert place([box]) == (box,)


def _heart_mask() -> RegionMask:
    return RegionMask(
        id="E4",
        expert="segmenter",
        version="1",
        region=Region.CARDIAC_SILHOUETTE,
        box=(45, 50, 70, 80),
        mask=RunLengthMask(
            height=100, width=100, runs=(50 * 100 + 45, *([25, 75] * 29), 25, 30 + 20 * 100)
        ),
        quality=1.0,
    )


def test_what_of_the_lungs_is_seen_through_the_heart_lies_behind_it() -> None:
    lungs = _lungs(left_from=70)
    boxes = [
        Detection(
            id=f"E{number}",
            expert="detector",
            version="1",
            finding=finding,
            probability=0.9,
            box=(58, 60, 68, 75),
        )
        for number, finding in ((5, Finding.ATELECTASIS), (6, Finding.CARDIOMEGALY))
    ]
    *_, lung, heart = place([*lungs, _heart_mask(), *boxes])
    assert (lung.side, lung.region) == (Side.LEFT, Region.RETROCARDIAC)
    assert (heart.side, heart.region) == (None, Region.CARDIAC_SILHOUETTE)
