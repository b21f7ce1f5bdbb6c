"""The prior comparer states a change only where it is beyond the error of what is compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from findings.errors import ExpertError
from findings.evidence import Evidence, PriorFinding
from findings.vocabulary import Change, Finding, Polarity, Side
from imaging.study import Study, View
from tools.classifier import ClassifierExpert
from tools.contract import Expert, ExpertContext, Role
from tools.measurer import MeasurerExpert
from tools.prior_comparer import PriorComparerExpert
from tools.segmenter import SegmenterExpert

MakeStudy = Callable[..., Study]
EFFUSION = Finding.PLEURAL_EFFUSION


@pytest.fixture
def experts(segmenter_model: Any, classifier_model: Any, cache: Path) -> dict[Role, Expert]:
    """The experts that look at both images."""
    return {
        Role.SEGMENTER: SegmenterExpert(cache, segmenter_model),
        Role.CLASSIFIER: ClassifierExpert(cache, classifier_model),
        Role.MEASURER: MeasurerExpert(cache),
    }


def seen(study: Study, experts: dict[Role, Expert]) -> tuple[Evidence, ...]:
    """What the experts say of the current image."""
    outlines = experts[Role.SEGMENTER].run(study, ExpertContext())
    given = ExpertContext(evidence=outlines)
    return (
        *experts[Role.CLASSIFIER].run(study, given),
        *experts[Role.MEASURER].run(study, given),
    )


def compared(study: Study, experts: dict[Role, Expert], cache: Path) -> tuple[PriorFinding, ...]:
    """The comparer's findings."""
    comparer = PriorComparerExpert(cache, experts)
    found = comparer.run(study, ExpertContext(evidence=seen(study, experts)))
    assert [item.id for item in found] == [f"E{n}" for n in range(1, len(found) + 1)]
    return tuple(item for item in found if isinstance(item, PriorFinding))


def test_without_a_prior_there_is_nothing_to_say(
    make_study: MakeStudy, experts: dict[Role, Expert], cache: Path
) -> None:
    assert compared(make_study(), experts, cache) == ()


@pytest.mark.parametrize(
    ("report", "effusion", "polarity", "change"),
    [
        ("No pleural effusion.", 0.9, Polarity.ABSENT, Change.NEW),
        ("No pleural effusion.", 0.6, Polarity.ABSENT, None),
        ("Left pleural effusion.", 0.05, Polarity.PRESENT, None),
        ("Left pleural effusion.", 0.2, Polarity.PRESENT, None),
        ("Left pleural effusion.", 0.9, Polarity.PRESENT, None),
        ("Possible left pleural effusion.", 0.05, Polarity.PRESENT, None),
        ("Sin derrame pleural.", 0.9, Polarity.ABSENT, Change.NEW),
    ],
)
def test_a_prior_report_is_held_against_the_image(
    make_study: MakeStudy,
    experts: dict[Role, Expert],
    cache: Path,
    report: str,
    effusion: float,
    polarity: Polarity,
    change: Change | None,
) -> None:
    study = make_study(effusion=effusion, prior_report=report)
    found = [item for item in compared(study, experts, cache) if item.finding is EFFUSION]
    assert [(item.polarity, item.change) for item in found] == [(polarity, change)]
    assert found[0].side is (Side.LEFT if polarity is Polarity.PRESENT else None)


def test_a_claim_is_handed_on_once_and_without_the_reports_words(
    make_study: MakeStudy, experts: dict[Role, Expert], cache: Path
) -> None:
    report = "Mr Example: left pleural effusion. Left pleural effusion again. No nodule."
    found = compared(make_study(prior_report=report), experts, cache)
    assert [item.finding for item in found] == [EFFUSION, Finding.NODULE]
    assert all(item.text is None for item in found)


@pytest.mark.parametrize(
    ("before", "now", "polarity", "change"),
    [
        (0.05, 0.9, Polarity.ABSENT, Change.NEW),
        (0.05, 0.6, Polarity.ABSENT, None),
        (0.9, 0.05, Polarity.PRESENT, Change.RESOLVED),
        (0.5, 0.05, Polarity.PRESENT, None),
        (0.9, 0.5, Polarity.PRESENT, None),
        (0.3, 0.9, None, None),
    ],
)
def test_two_images_are_compared_beyond_the_operating_points(
    make_study: MakeStudy,
    experts: dict[Role, Expert],
    cache: Path,
    before: float,
    now: float,
    polarity: Polarity | None,
    change: Change | None,
) -> None:
    study = make_study(effusion=now, prior=make_study(effusion=before))
    found = [item for item in compared(study, experts, cache) if item.finding is EFFUSION]
    if polarity is None:
        assert found == []
    else:
        assert [(item.polarity, item.change) for item in found] == [(polarity, change)]
        assert found[0].probability == pytest.approx(before)


def test_nothing_is_compared_with_a_screen(
    make_study: MakeStudy,
    experts: dict[Role, Expert],
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = make_study(effusion=0.9, prior=make_study(effusion=0.9))
    assert EFFUSION in {item.finding for item in compared(study, experts, cache)}
    monkeypatch.setattr("tools.classifier.SCREENS", frozenset({EFFUSION}))
    assert EFFUSION not in {item.finding for item in compared(study, experts, cache)}


@pytest.mark.parametrize(
    ("before", "now", "views", "change"),
    [
        (0.34, 0.46, (View.PA, View.PA), Change.NEW),
        (0.44, 0.56, (View.PA, View.PA), Change.WORSE),
        (0.56, 0.44, (View.PA, View.PA), Change.BETTER),
        (0.46, 0.34, (View.PA, View.PA), Change.RESOLVED),
        (0.44, 0.46, (View.PA, View.PA), None),
        (0.44, 0.50, (View.PA, View.PA), Change.WORSE),
        (0.30, 0.36, (View.PA, View.PA), None),
        (0.34, 0.50, (View.PA, View.AP), None),
        (0.34, 0.50, (View.UNKNOWN, View.UNKNOWN), None),
    ],
)
def test_hearts_are_compared_beyond_the_error_and_in_one_view_only(
    make_study: MakeStudy,
    experts: dict[Role, Expert],
    cache: Path,
    before: float,
    now: float,
    views: tuple[View, View],
    change: Change | None,
) -> None:
    study = make_study(now, view=views[1], prior=make_study(before, view=views[0]))
    found = [
        item for item in compared(study, experts, cache) if item.finding is Finding.CARDIOMEGALY
    ]
    assert [item.change for item in found] == [change]
    assert found[0].text is not None and f"{before / 0.8:.2f}"[:3] in found[0].text


def test_a_prior_that_no_expert_can_look_at_is_an_error_unless_its_report_is_there(
    make_study: MakeStudy, experts: dict[Role, Expert], cache: Path
) -> None:
    comparer = PriorComparerExpert(cache, {})
    prior = make_study()
    with pytest.raises(ExpertError, match="prior image"):
        comparer.run(make_study(prior=prior), ExpertContext())
    both = make_study(prior=prior, prior_report="No pleural effusion.")
    assert len(comparer.run(both, ExpertContext())) == 1
