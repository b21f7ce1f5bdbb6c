"""Reconciliation: pooling, places, disagreements, hierarchy, and its invariants."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.reconciliation import default_fusion, place, reconcile
from agents.reconciliation.pooling import contribution, pool
from findings.claims import Claim, Measurement
from findings.evidence import (
    Classification,
    Clue,
    CrudeSentence,
    Detection,
    Evidence,
    MeasurementEvidence,
    Neighbour,
    PriorFinding,
    RegionMask,
    RunLengthMask,
)
from findings.regions import Region
from findings.vocabulary import Certainty, Change, Finding, Polarity, Severity, Side
from reporting.ledger import Decision, DisagreementType, Ledger, LedgerEntry

LUNG_FINDINGS = (
    Finding.PLEURAL_EFFUSION,
    Finding.CONSOLIDATION,
    Finding.LUNG_OPACITY,
    Finding.NODULE,
    Finding.CARDIOMEGALY,
)
MIRROR = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}


def classified(
    finding: Finding,
    probability: float,
    number: int = 1,
    expert: str = "classifier",
    side: Side | None = None,
) -> Classification:
    return Classification(
        id=f"E{number}",
        expert=expert,
        version="1",
        finding=finding,
        probability=probability,
        threshold=0.5,
        sensitive_threshold=0.2,
        confident_threshold=0.8,
        side=side,
    )


def detected(
    finding: Finding,
    probability: float,
    number: int = 2,
    side: Side | None = Side.LEFT,
    region: Region | None = Region.LEFT_LOWER_ZONE,
    weak: bool = False,
) -> Detection:
    return Detection(
        id=f"E{number}",
        expert="detector",
        version="1",
        finding=finding,
        probability=probability,
        box=(10, 10, 20, 20),
        side=side,
        region=region,
        weak=weak,
    )


def worded(text: str, *claims: Claim, number: int = 3) -> CrudeSentence:
    return CrudeSentence(id=f"E{number}", expert="crude", version="1", text=text, claims=claims)


def ratio(value: float, number: int = 4) -> MeasurementEvidence:
    return MeasurementEvidence(
        id=f"E{number}",
        expert="measurer",
        version="1",
        finding=Finding.CARDIOMEGALY,
        polarity=Polarity.PRESENT if value > 0.5 else Polarity.ABSENT,
        measurement=Measurement(name="cardiothoracic_ratio", value=value, unit="1"),
    )


def neighbour(finding: Finding, number: int = 50) -> Neighbour:
    return Neighbour(
        id=f"E{number}",
        expert="retrieval",
        version="1",
        report_id="R1",
        similarity=0.99,
        language="en",
        text="There is a large mass.",
        findings=(finding,),
        finding=finding,
        probability=0.99,
        side=Side.LEFT,
    )


def entry_of(ledger: Ledger, finding: Finding) -> LedgerEntry:
    found = [entry for entry in ledger.entries if entry.finding is finding]
    assert len(found) == 1, found
    return found[0]


def kinds(entry: LedgerEntry) -> set[DisagreementType]:
    return {note.type for note in entry.disagreements}


# --- deciding -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("probability", "decision", "certainty"),
    [
        (0.95, Decision.PRESENT, Certainty.DEFINITE),
        (0.60, Decision.PRESENT, Certainty.PROBABLE),
        (0.30, Decision.ABSTAIN, Certainty.POSSIBLE),
        (0.05, Decision.ABSENT, Certainty.DEFINITE),
    ],
)
def test_one_classifier_alone_keeps_its_probability_and_its_operating_points(
    probability: float, decision: Decision, certainty: Certainty
) -> None:
    entry = entry_of(reconcile([classified(Finding.EDEMA, probability)]), Finding.EDEMA)
    assert entry.probability == pytest.approx(probability, abs=1e-6)
    assert (entry.decision, entry.certainty) == (decision, certainty)


@pytest.mark.parametrize(
    ("probability", "decision", "certainty"),
    [
        (0.02, Decision.ABSTAIN, Certainty.POSSIBLE),
        (0.20, Decision.ABSTAIN, Certainty.POSSIBLE),
        (0.40, Decision.UNCERTAIN, Certainty.POSSIBLE),
        (0.60, Decision.PRESENT, Certainty.PROBABLE),
        (0.90, Decision.PRESENT, Certainty.DEFINITE),
    ],
)
def test_a_rare_finding_above_its_low_threshold_is_worded_by_its_probability(
    probability: float, decision: Decision, certainty: Certainty
) -> None:
    rare = classified(Finding.HERNIA, probability).model_copy(
        update={"threshold": 0.01, "sensitive_threshold": 0.01, "confident_threshold": 0.05}
    )
    entry = entry_of(reconcile([rare]), Finding.HERNIA)
    assert (entry.decision, entry.certainty) == (decision, certainty)


def test_a_measurement_too_close_to_its_limit_speaks_without_a_stance() -> None:
    ratio = MeasurementEvidence(
        id="E2",
        expert="measurer",
        version="1",
        finding=Finding.CARDIOMEGALY,
        probability=0.66,
        measurement=Measurement(name="cardiothoracic_ratio", value=0.507, unit="1"),
    )
    alone = entry_of(reconcile([classified(Finding.CARDIOMEGALY, 0.3)]), Finding.CARDIOMEGALY)
    both = entry_of(reconcile([classified(Finding.CARDIOMEGALY, 0.3), ratio]), Finding.CARDIOMEGALY)
    assert both.probability > alone.probability
    assert both.measurement == ratio.measurement
    assert both.severity is None


def test_a_positive_wins_in_an_undecided_pool_and_is_marked_uncertain() -> None:
    ledger = reconcile(
        [
            classified(Finding.NODULE, 0.04),
            detected(Finding.NODULE, 0.8),
        ]
    )
    entry = entry_of(ledger, Finding.NODULE)
    assert 0.3 <= entry.probability < 0.5
    assert (entry.decision, entry.certainty) == (Decision.UNCERTAIN, Certainty.POSSIBLE)
    assert DisagreementType.POLARITY in kinds(entry)
    assert "positive wins" in entry.disagreements[0].settled_by


def test_what_a_voice_affirms_is_never_called_absent() -> None:
    ledger = reconcile(
        [
            classified(Finding.NODULE, 0.01),
            worded("A nodule.", Claim(finding=Finding.NODULE)),
        ]
    )
    entry = entry_of(ledger, Finding.NODULE)
    assert entry.probability < 0.2
    assert entry.decision is Decision.ABSTAIN
    assert entry.claim() is None


RARE = {"threshold": 0.03, "sensitive_threshold": 0.03, "confident_threshold": 0.3}


def test_a_classifier_that_may_state_nothing_does_not_hold_back_a_measured_denial() -> None:
    usual = classified(Finding.CARDIOMEGALY, 0.04).model_copy(update=RARE)
    entry = entry_of(reconcile([usual, ratio(0.42)]), Finding.CARDIOMEGALY)
    assert entry.probability < 0.03
    assert entry.decision is Decision.ABSENT
    assert not entry.disagreements


@pytest.mark.parametrize("probability", [0.02, 0.04, 0.1, 0.2, 0.4])
def test_nothing_is_stated_that_is_too_improbable_whoever_affirms_it(probability: float) -> None:
    seen = classified(Finding.NODULE, probability).model_copy(update=RARE)
    entry = entry_of(reconcile([seen, detected(Finding.NODULE, 0.55)]), Finding.NODULE)
    stated = entry.decision in (Decision.PRESENT, Decision.UNCERTAIN)
    assert stated is (entry.probability >= default_fusion().stated.possible)


def test_measurement_speaks_with_the_classifier_and_grades_the_heart() -> None:
    alone = entry_of(reconcile([classified(Finding.CARDIOMEGALY, 0.4)]), Finding.CARDIOMEGALY)
    both = entry_of(
        reconcile([classified(Finding.CARDIOMEGALY, 0.4), ratio(0.58)]), Finding.CARDIOMEGALY
    )
    assert alone.decision is Decision.ABSTAIN
    assert both.decision is Decision.PRESENT
    assert both.severity is Severity.MODERATE
    assert both.measurement is not None and both.measurement.value == 0.58
    normal = entry_of(
        reconcile([classified(Finding.CARDIOMEGALY, 0.7), ratio(0.42)]), Finding.CARDIOMEGALY
    )
    assert DisagreementType.POLARITY in kinds(normal)
    assert normal.severity is None


# --- sides and places ---------------------------------------------------------------------------


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


def test_masks_place_boxes_whatever_the_expert_said() -> None:
    lungs = [
        RegionMask(
            id=f"E{number}",
            expert="segmenter",
            version="1",
            region=region,
            box=(x0, 20, x1, 80),
            mask=_lung_mask(x0, x1),
            quality=1.0,
        )
        for number, region, x0, x1 in (
            (1, Region.RIGHT_LUNG, 10, 40),
            (2, Region.LEFT_LUNG, 60, 90),
        )
    ]
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
    lungs = [
        RegionMask(
            id=f"E{number}",
            expert="segmenter",
            version="1",
            region=region,
            box=(x0, 20, x1, 80),
            mask=_lung_mask(x0, x1),
            quality=1.0,
        )
        for number, region, x0, x1 in (
            (1, Region.RIGHT_LUNG, 10, 40),
            (2, Region.LEFT_LUNG, 70, 90),
        )
    ]
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


def test_equal_printed_ratios_have_equal_grades() -> None:
    fusion = default_fusion()
    assert fusion.grade("cardiothoracic_ratio", 0.516) is Severity.MILD
    assert fusion.grade("cardiothoracic_ratio", 0.524) is Severity.MILD
    assert fusion.grade("cardiothoracic_ratio", 0.514) is Severity.MINIMAL


# --- prior, neighbours, hierarchy ---------------------------------------------------------------


def prior(
    finding: Finding, polarity: Polarity, change: Change | None = None, number: int = 9
) -> PriorFinding:
    return PriorFinding(
        id=f"E{number}",
        expert="comparer",
        version="1",
        finding=finding,
        polarity=polarity,
        change=change,
    )


def test_prior_findings_speak_on_change_alone() -> None:
    now = classified(Finding.PLEURAL_EFFUSION, 0.9)
    bare = entry_of(reconcile([now]), Finding.PLEURAL_EFFUSION)
    new = entry_of(
        reconcile([now, prior(Finding.PLEURAL_EFFUSION, Polarity.ABSENT)]),
        Finding.PLEURAL_EFFUSION,
    )
    worse = entry_of(
        reconcile([now, prior(Finding.PLEURAL_EFFUSION, Polarity.PRESENT, Change.WORSE)]),
        Finding.PLEURAL_EFFUSION,
    )
    assert (new.change, worse.change) == (Change.NEW, Change.WORSE)
    assert bare.probability == new.probability == worse.probability


def test_a_change_that_the_image_contradicts_is_a_disagreement() -> None:
    entry = entry_of(
        reconcile(
            [
                classified(Finding.EDEMA, 0.9),
                prior(Finding.EDEMA, Polarity.PRESENT, Change.RESOLVED),
            ]
        ),
        Finding.EDEMA,
    )
    assert entry.change is None
    assert kinds(entry) == {DisagreementType.CHANGE}
    gone = entry_of(
        reconcile(
            [
                classified(Finding.EDEMA, 0.01),
                prior(Finding.EDEMA, Polarity.PRESENT, Change.RESOLVED),
            ]
        ),
        Finding.EDEMA,
    )
    assert gone.change is Change.RESOLVED


def test_a_finding_is_not_gone_because_it_is_not_seen() -> None:
    entry = entry_of(
        reconcile([classified(Finding.EDEMA, 0.01), prior(Finding.EDEMA, Polarity.PRESENT)]),
        Finding.EDEMA,
    )
    assert (entry.decision, entry.change) == (Decision.ABSENT, None)


def test_a_finding_only_the_prior_names_is_never_asserted() -> None:
    entry = entry_of(reconcile([prior(Finding.NODULE, Polarity.PRESENT)]), Finding.NODULE)
    assert entry.decision is Decision.ABSTAIN
    assert entry.claim() is None


def test_a_finding_only_a_neighbour_has_never_enters() -> None:
    ledger = reconcile([classified(Finding.EDEMA, 0.9), neighbour(Finding.MASS)])
    assert Finding.MASS not in {entry.finding for entry in ledger.entries}


def test_a_stated_kind_silences_the_denied_parent() -> None:
    ledger = reconcile(
        [classified(Finding.CONSOLIDATION, 0.9, 1), classified(Finding.LUNG_OPACITY, 0.05, 2)]
    )
    parent = entry_of(ledger, Finding.LUNG_OPACITY)
    assert parent.decision is Decision.ABSTAIN
    assert parent.probability >= entry_of(ledger, Finding.CONSOLIDATION).probability
    assert "hierarchy" in parent.disagreements[-1].settled_by


def test_no_finding_is_derived_and_only_where_everything_was_looked_at() -> None:
    required = default_fusion().no_finding.required
    clean = [classified(f, 0.05, n) for n, f in enumerate(required, start=1)]
    entry = entry_of(reconcile(clean), Finding.NO_FINDING)
    assert (entry.decision, entry.certainty) == (Decision.PRESENT, Certainty.DEFINITE)
    assert entry.evidence
    undecided = [*clean[:-1], classified(required[-1], 0.3, 99)]
    assert entry_of(reconcile(undecided), Finding.NO_FINDING).certainty is Certainty.PROBABLE
    partial = entry_of(reconcile(clean[:-1]), Finding.NO_FINDING)
    assert partial.decision is Decision.ABSTAIN
    ill = [*clean[:-1], classified(required[-1], 0.9, 99)]
    assert entry_of(reconcile(ill), Finding.NO_FINDING).decision is Decision.ABSTAIN
    loud = [classified(Finding.NO_FINDING, 0.99, 1), classified(Finding.MASS, 0.9, 2)]
    assert entry_of(reconcile(loud), Finding.NO_FINDING).decision is Decision.ABSTAIN


# --- invariants ---------------------------------------------------------------------------------


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


def test_a_screen_has_no_vote() -> None:
    screened = classified(Finding.TUBERCULOSIS, 0.99).model_copy(update={"screen": True})
    assert not reconcile([screened]).entries
    assert reconcile([classified(Finding.TUBERCULOSIS, 0.99)]).entries


def test_a_voice_without_weight_states_nothing_and_can_only_hold_a_denial_back() -> None:
    silent = default_fusion().model_copy(
        update={"weights": default_fusion().weights.model_copy(update={"experts": {"crude": 0.0}})}
    )
    opacity = Claim(finding=Finding.LUNG_OPACITY, polarity=Polarity.ABSENT)
    alone = reconcile([worded("The lungs are clear.", opacity)], silent)
    assert entry_of(alone, Finding.LUNG_OPACITY).decision is Decision.ABSTAIN
    denied = classified(Finding.EDEMA, 0.01)
    assert entry_of(reconcile([denied], silent), Finding.EDEMA).decision is Decision.ABSENT
    text = worded("Edema.", Claim(finding=Finding.EDEMA))
    held = entry_of(reconcile([denied, text], silent), Finding.EDEMA)
    assert held.decision is Decision.ABSTAIN
