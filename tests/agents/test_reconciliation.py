"""Reconciliation: pooling and deciding, priors, neighbours, coherence."""

from __future__ import annotations

import pytest
from voices import classified, detected, entry_of, kinds, neighbour, ratio, worded

from agents.reconciliation import default_fusion, reconcile
from findings.claims import Claim, Measurement
from findings.evidence import (
    MeasurementEvidence,
    PriorFinding,
)
from findings.vocabulary import Certainty, Change, Finding, Polarity, Severity
from reporting.ledger import Decision, DisagreementType


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


def test_equal_printed_ratios_have_equal_grades() -> None:
    fusion = default_fusion()
    assert fusion.grade("cardiothoracic_ratio", 0.516) is Severity.MILD
    assert fusion.grade("cardiothoracic_ratio", 0.524) is Severity.MILD
    assert fusion.grade("cardiothoracic_ratio", 0.514) is Severity.MINIMAL


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
