"""Clinical efficacy and faithfulness of generated reports, by hand."""

from __future__ import annotations

import sys

import pytest

from evaluation.reports.efficacy import CHEXPERT, FIVE, LESIONS, efficacy, lesion_table
from evaluation.reports.faithfulness import (
    contradicts_itself,
    faithfulness,
    repeated_sentences,
    unsupported_affirmations,
    wrong_sides,
)
from evaluation.reports.field_metrics import FieldMetric, field_scores
from evaluation.reports.pairs import ReferenceReport, ReportPair
from evaluation.reports.score import score_reports
from findings.claims import Claim
from findings.errors import ResourceError
from findings.vocabulary import Finding, Language, Side

ENGLISH = Language.ENGLISH


def pair(generated: str, reference: str, patient: str = "p") -> ReportPair:
    """A generated report beside a person's."""
    return ReportPair(generated, ReferenceReport.written(patient, reference, ENGLISH), ENGLISH)


def labelled(generated: str, *claims: Claim) -> ReportPair:
    """A generated report beside labels that speak of effusion and pneumonia alone."""
    judged = frozenset({Finding.PLEURAL_EFFUSION, Finding.PNEUMONIA})
    return ReportPair(generated, ReferenceReport("p", "", claims, judged), ENGLISH)


def test_efficacy_by_hand() -> None:
    pairs = [
        pair("There is cardiomegaly.", "There is cardiomegaly and a pleural effusion.", "a"),
        pair("There is a pleural effusion.", "The lungs are clear.", "b"),
        pair("There is pulmonary edema.", "There is pulmonary edema.", "c"),
    ]
    five = efficacy(pairs, FIVE)
    # Called: cardiomegaly, effusion, edema; true: cardiomegaly, effusion, edema; two agree.
    assert five.micro_precision.value == pytest.approx(2 / 3)
    assert five.micro_recall.value == pytest.approx(2 / 3)
    assert five.micro_f1.value == pytest.approx(2 / 3)
    # Of the three that occur two are perfect and the effusion is not.
    assert five.macro_f1.value == pytest.approx(2 / 3)
    assert five.findings == 5


def test_a_kind_affirms_what_it_is_a_kind_of_and_doubt_counts() -> None:
    found = efficacy([pair("Possible right upper lobe pneumonia.", "Lung opacity.")], CHEXPERT)
    # Pneumonia was called and is not there; lung opacity was called with it, and is.
    assert found.micro_recall.value == 1
    assert found.micro_precision.value == pytest.approx(1 / 2)


def test_no_finding_is_what_nothing_affirms() -> None:
    found = efficacy([pair("The lungs are clear.", "No acute disease.")], CHEXPERT)
    assert found.micro_f1.value == 1
    spoilt = efficacy([pair("There is a pneumothorax.", "No acute disease.")], CHEXPERT)
    assert spoilt.micro_f1.value == 0


def test_columns_that_the_source_never_judges_are_left_out() -> None:
    pairs = [labelled("There is a rib fracture.", Claim(finding=Finding.PLEURAL_EFFUSION))]
    found = efficacy(pairs, CHEXPERT)
    # No finding, effusion, pneumonia, and what pneumonia is a kind of: opacities.
    assert found.findings < len(CHEXPERT)
    assert found.micro_precision.value in (None, 0)
    assert {row.finding for row in lesion_table(pairs)} == {
        Finding.PLEURAL_EFFUSION,
        Finding.PNEUMONIA,
    }


def test_lesion_table_by_hand() -> None:
    rows = {
        row.finding: row
        for row in lesion_table(
            [
                pair("There is a nodule.", "There is a nodule and emphysema."),
                pair("There is a nodule.", "There is pneumothorax."),
            ]
        )
    }
    assert set(rows) == set(LESIONS)
    nodule, emphysema = rows[Finding.NODULE], rows[Finding.EMPHYSEMA]
    assert (nodule.positives, nodule.called, nodule.precision, nodule.recall) == (1, 2, 0.5, 1)
    assert nodule.f1 == pytest.approx(2 / 3)
    assert (emphysema.precision, emphysema.recall, emphysema.f1) == (None, 0, 0)
    assert rows[Finding.HERNIA].f1 is None


def test_a_contradiction_is_seen() -> None:
    assert contradicts_itself(pair("There is a pneumothorax. No pneumothorax.", "x."))
    assert not contradicts_itself(pair("There is a pneumothorax. No effusion.", "x."))
    assert not contradicts_itself(pair("", "x."))


def test_unsupported_affirmations_count_judged_findings_once() -> None:
    own = labelled(
        "Left pleural effusion. Right pleural effusion. There is pneumonia. Rib fracture.",
        Claim(finding=Finding.PLEURAL_EFFUSION),
    )
    assert unsupported_affirmations(own) == (1, 2)
    assert unsupported_affirmations(labelled("No effusion.")) == (0, 0)


def test_wrong_sides_are_judged_where_the_reference_has_a_side() -> None:
    left = Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.LEFT)
    both = Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.BILATERAL)
    unsided = Claim(finding=Finding.PLEURAL_EFFUSION)
    assert wrong_sides(labelled("There is a right pleural effusion.", left)) == (1, 1)
    assert wrong_sides(labelled("There is a left pleural effusion.", left)) == (0, 1)
    assert wrong_sides(labelled("There is a right pleural effusion.", both)) == (0, 1)
    assert wrong_sides(labelled("Bilateral pleural effusions.", left)) == (1, 2)
    assert wrong_sides(labelled("There is a right pleural effusion.", unsided)) == (0, 0)


def test_repetition_is_word_by_word() -> None:
    own = pair("The lungs are clear. The lungs are clear! No effusion.", "x.")
    assert repeated_sentences(own) == (1, 3)


def test_rates_and_their_wholes() -> None:
    found = faithfulness(
        [
            pair("There is a pneumothorax. No pneumothorax.", "There is a pneumothorax.", "a"),
            pair("There is a nodule. There is a nodule.", "The lungs are clear.", "b"),
        ]
    )
    assert found.contradicting.value == 0.5
    assert (found.unsupported.value, found.affirmations) == (0.5, 2)
    assert (found.wrong_side.value, found.sided) == (None, 0)
    assert (found.repeated.value, found.sentences) == (0.25, 4)


def test_a_perfect_report_is_scored_so() -> None:
    texts = ("There is a left pleural effusion.", "The lungs are clear. No pneumothorax.")
    found = score_reports([pair(text, text, text[:5]) for text in texts])
    assert [figure.value for figure in found.overlap.bleu] == pytest.approx([1] * 4)
    assert found.overlap.rouge_l.value == pytest.approx(1)
    assert found.chexpert.micro_f1.value == 1
    assert found.faithfulness.unsupported.value == 0
    assert found.overlap.bert_score is None
    assert found.distinct == 2


def test_metrics_of_the_field_say_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "radeval", None)
    assert field_scores(["a"], ["a"], ()) == {}
    with pytest.raises(ResourceError, match="pip install"):
        field_scores(["a"], ["a"], (FieldMetric.RADGRAPH,))


def test_metrics_of_the_field_are_asked_for_by_their_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import types

    class Library:
        """Answers as RadEval does: references and hypotheses by keyword."""

        def __init__(self, metrics: list[str]) -> None:
            self.metrics = metrics

        def __call__(self, refs: list[str], hyps: list[str]) -> dict[str, float]:
            assert (refs, hyps) == (["wanted"], ["written"])
            return {f"{self.metrics[0]}_score": 0.5}

    module = types.ModuleType("radeval")
    module.RadEval = Library  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "radeval", module)
    found = field_scores(["written"], ["wanted"], (FieldMetric.GREEN, FieldMetric.RADCLIQ))
    assert found == {"green_score": 0.5, "radcliq_score": 0.5}
