"""Which sentences are taught, what is made of them, and what counts as a fault."""

from __future__ import annotations

import json
import random

import pytest

from agents.aggregator.prompt import load_prompt
from agents.tuning.build import TUNED_PROMPT
from agents.tuning.preferences import corruptions
from agents.tuning.sentences import Used, sentence_pairs, turns
from agents.tuning.statements import passes, statement
from agents.tuning.variations import variations
from findings.labeler import label_report
from findings.regions import Region
from findings.vocabulary import Certainty, Finding, Language, Severity, Side
from models.language.pairs import Part
from reporting.context import ReportContext
from retrieval.corpora.report import CorpusReport, patient_key


def test_a_plain_sentence_is_taught_as_the_answer_to_the_phrasers() -> None:
    made = statement("Small left pleural effusion is seen")
    assert made is not None
    assert made.text == "Small left pleural effusion is seen."
    (claim,) = made.claims
    assert claim.finding is Finding.PLEURAL_EFFUSION
    assert (claim.side, claim.severity) == (Side.LEFT, Severity.MILD)
    assert made.task().sentence == made.phrased.text
    assert passes(made.text, made.phrased, made.ledger, ReportContext())


@pytest.mark.parametrize(
    "text",
    [
        "The heart is … enlarged.",  # a word was taken out
        "Small left effusion, unchanged from the prior exam.",  # another examination
        "There is a small left pleural effusion on the lateral view.",
        "Calcified granuloma in the left upper lobe.",  # more than the claim
        "Recommend chest CT for further evaluation.",
        "Cardiomegaly without pulmonary edema.",  # two statements
        "Right upper and left lower lobe airspace disease.",  # places that are misread
        "Heart is mildly heart enlarged.",
        "Trachea midline.",
        "",
    ],
)
def test_a_sentence_that_says_more_or_less_than_its_claims_is_not_taught(text: str) -> None:
    assert statement(text) is None


def test_variations_claim_what_they_mean_to() -> None:
    made = statement("Left base nodule is seen.")
    assert made is not None
    found = variations(made, random.Random(0), 20)
    assert {"mirrored", "recast", "hedged"} <= {step for how, _ in found for step in how.split("+")}
    for how, varied in found:
        (claim,) = varied.claims
        (read,) = label_report(varied.text, Language.ENGLISH)
        assert read.without_span() == claim
        if "mirrored" in how:
            assert (claim.side, claim.region) == (Side.RIGHT, Region.RIGHT_LOWER_ZONE)
        if "recast" in how:
            assert claim.finding is not Finding.NODULE
        assert (claim.certainty is Certainty.DEFINITE) == ("hedged" not in how)


def test_a_heart_is_measured() -> None:
    made = statement("The heart is mildly enlarged.")
    assert made is not None
    values = [
        varied.claims[0].measurement
        for how, varied in variations(made, random.Random(1), 12)
        if "measured" in how
    ]
    assert values
    assert all(value is not None and 0.52 <= value.value <= 0.56 for value in values)


def test_denials_do_not_vary() -> None:
    made = statement("No focal consolidation.")
    assert made is not None
    assert variations(made, random.Random(0), 5) == []


def test_every_corruption_is_found_by_the_read_back() -> None:
    faults = set()
    for text in (
        "Small left effusion is seen.",
        "Right lower lobe nodule may be present.",
        "Moderately enlarged heart (cardiothoracic ratio 0.58).",
        "There is no focal consolidation.",
        "There is a left pleural effusion present.",
    ):
        made = statement(text)
        assert made is not None, text
        found = corruptions(made, random.Random(0))
        faults |= set(found)
        for wrong in found.values():
            assert wrong != made.text
            assert not passes(wrong, made.phrased, made.ledger, ReportContext())
    assert faults == {"side", "severity", "flipped", "added", "certainty", "number"}


def _report(number: int, text: str) -> CorpusReport:
    key = f"CXR{number}"
    return CorpusReport(
        report_id=f"openi-{key}",
        source="openi",
        language=Language.ENGLISH,
        text=text,
        display=text,
        patient=patient_key("openi", key),
    )


def test_a_sentence_of_the_training_part_is_not_met_again_when_testing() -> None:
    prompt, used = load_prompt(TUNED_PROMPT), Used()
    common = "Small left effusion is seen."
    training = [_report(1, f"{common} The lungs are clear.")]
    testing = [_report(2, f"{common} Right pneumothorax is noted.")]
    trained = list(sentence_pairs(training, Part.TRAIN, prompt, 0, used))
    tested = list(sentence_pairs(testing, Part.HELD_OUT, prompt, 0, used))
    answers = {pair.answer for pair, _ in trained}
    assert json.dumps({"text": common}) in answers
    assert tested
    assert not answers & {pair.answer for pair, _ in tested}
    assert {pair.part for pair, _ in tested} == {Part.HELD_OUT}


def test_the_prompt_is_the_one_that_a_draft_sends() -> None:
    made = statement("Small left effusion is seen.")
    assert made is not None
    prompt = load_prompt(TUNED_PROMPT)
    said = [(turn.role, turn.content) for turn in turns(made, prompt)]
    assert said == [("system", prompt.system), ("user", made.phrased.text)]
