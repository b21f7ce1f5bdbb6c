"""Planted errors are found, true reports are left alone."""

from __future__ import annotations

import random

import pytest

from agents.settings import load_settings
from evaluation.review import Planted, evaluate_review, plant, read_texts, true_ledger
from findings.errors import WeightsError
from findings.vocabulary import Language
from models.weights import locate
from reporting.existing_report import read_report
from reporting.review import review_report
from reporting.review_items import ItemType

REPORT = (
    "FINDINGS: There is a 2.5 cm nodule in the right upper lobe. No pneumothorax. The heart is "
    "enlarged.\nIMPRESSION: Enlarged heart."
)


@pytest.mark.parametrize("kind", list(Planted))
def test_each_kind_of_error_is_planted_and_changes_what_is_said(kind) -> None:
    report = read_report(REPORT, Language.ENGLISH)
    planting = plant(report, kind, random.Random(4))
    assert planting is not None and planting.report != report
    types = {i.type for i in review_report(planting.report, true_ledger(report), False).items}
    assert types - {ItemType.AGREED, ItemType.NO_COMPARISON}


def test_a_report_agrees_with_its_own_ledger() -> None:
    report = read_report(REPORT, Language.ENGLISH)
    found = review_report(report, true_ledger(report), False)
    assert {item.type for item in found.items} == {ItemType.AGREED}


def test_real_reports_meet_the_bars() -> None:
    try:
        corpora = locate("report-corpora", load_settings().cache_dir)
    except WeightsError as error:
        pytest.skip(str(error))
    measured = evaluate_review(read_texts(corpora), most=600)
    assert sum(score.planted for score in measured.scores) >= 500
    assert min(score.rate for score in measured.scores) >= 0.95
    assert max(measured.alarms.values()) / measured.reports <= 0.02
