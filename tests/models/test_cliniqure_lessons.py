"""CliniQure's prompt, its disease set, and the observations made for training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from findings.claims import Claim
from findings.errors import UserInputError
from findings.regions import Region
from findings.vocabulary import Finding, Side
from models.cliniqure.diseases import SymptomCase, read_diseases
from models.cliniqure.observing import simulated
from models.cliniqure.preset import ROWS, CliniqurePreset, Noise
from models.cliniqure.prompting import (
    Inputs,
    Observation,
    PlacedBox,
    structured_prompt,
    symptom_prompt,
)
from models.data.weak_pair_sources import FOURTEEN
from models.training.presets import read_preset
from models.training.roles import Role

SEEN = Observation(
    classes=(Finding.PLEURAL_EFFUSION, Finding.CARDIOMEGALY, Finding.PLEURAL_EFFUSION),
    boxes=(
        PlacedBox(Finding.PLEURAL_EFFUSION, Side.LEFT, Region.LEFT_LOWER_ZONE),
        PlacedBox(Finding.NODULE, Side.RIGHT),
        PlacedBox(Finding.MASS),
    ),
    crude="The heart is   enlarged.\nNo pneumothorax.",
)


def test_the_prompt_holds_classes_boxes_and_crude_report() -> None:
    assert structured_prompt(SEEN, Inputs()).splitlines() == [
        "Write the chest X-ray report of these results.",
        "Classes: pleural effusion; cardiomegaly",
        "Boxes: pleural effusion in the left lower lung zone; right lung nodule; lung mass",
        "Crude report: The heart is enlarged. No pneumothorax.",
        "Report:",
    ]


def test_nothing_seen_is_said_and_a_switched_off_line_is_not_there() -> None:
    assert structured_prompt(Observation(), Inputs()).count(": none") == 3
    lines = structured_prompt(SEEN, Inputs(boxes=False, crude=False)).splitlines()
    assert [line.partition(":")[0] for line in lines[1:]] == ["Classes", "Report"]
    prompts = {structured_prompt(SEEN, row.inputs) for row in ROWS.values()}
    assert len(prompts) == 3  # the base model sees the whole prompt


@given(st.text(max_size=3000))
def test_whatever_the_crude_report_is_the_prompt_keeps_its_lines(crude: str) -> None:
    prompt = structured_prompt(Observation(crude=crude), Inputs())
    assert len(prompt.split("\n")) == 5
    assert len(prompt) < 1000


def test_diseases_are_read_from_json_lines_and_csv(tmp_path: Path) -> None:
    (tmp_path / "en.json").write_text(
        json.dumps([{"disease": "Influenza", "common_symptom": ["Fever", " cough"], "n": 1}, {}])
    )
    (tmp_path / "more.jsonl").write_text(
        '{"disease": "Asthma", "common_symptom": "Wheeze"}\n\n'
        '{"disease": "Influenza", "common_symptom": "Fever,  cough"}\n'
        '{"disease": "Nothing", "common_symptom": ""}\n'
    )
    (tmp_path / "table.csv").write_text('disease,Common Symptom\nGout,"Red, hot joint"\n')
    (tmp_path / "README.md").write_text("not data")
    assert read_diseases(tmp_path) == (
        SymptomCase("Fever, cough", "Influenza"),
        SymptomCase("Wheeze", "Asthma"),
        SymptomCase("Red, hot joint", "Gout"),
    )
    assert symptom_prompt("Fever,\ncough") == "Symptoms: Fever, cough\nDisease:"


@pytest.mark.parametrize(
    "content", ["", "[1, 2]", "{", '"text"', '[{"disease": 3}]', "[" * 100_000]
)
def test_what_is_no_disease_set_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UserInputError):
        read_diseases(tmp_path)
    with pytest.raises(UserInputError, match="huggingface"):
        read_diseases(tmp_path / "absent")


def test_no_disease_is_both_trained_and_validated_on() -> None:
    cases = [SymptomCase(f"symptom {n}", f"Disease {n % 200}") for n in range(400)]
    validated = {case.disease for case in cases if case.validation}
    assert 5 < len(validated) < 40
    assert not validated & {case.disease for case in cases if not case.validation}
    assert SymptomCase("a", "ASTHMA").validation == SymptomCase("b", "asthma").validation


def reword(claims: Sequence[Claim], random: np.random.Generator) -> str:
    """Names the affirmations."""
    return "; ".join(claim.finding for claim in claims if claim.present)


def test_without_noise_an_observation_is_the_labels() -> None:
    claims = (
        Claim(finding=Finding.NODULE, side=Side.LEFT, region=Region.LEFT_UPPER_ZONE),
        Claim(finding=Finding.EDEMA),
    )
    none = Noise(missed=0, false=0, crude_missed=0, crude_false=0)
    seen = simulated(claims, reword, none, np.random.default_rng(0))
    assert set(seen.classes) == {Finding.NODULE, Finding.EDEMA}
    assert seen.boxes == (PlacedBox(Finding.NODULE, Side.LEFT, Region.LEFT_UPPER_ZONE),)
    assert seen.crude == "nodule; edema"


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_noise_comes_at_its_rates(seed: int) -> None:
    noise = Noise(missed=0.4, false=0.1, crude_missed=0.4, crude_false=0.1)
    random = np.random.default_rng(seed)
    claims = (Claim(finding=Finding.NODULE), Claim(finding=Finding.EDEMA))
    seen = [simulated(claims, reword, noise, random) for _ in range(400)]
    kept = np.mean([Finding.NODULE in own.classes for own in seen])
    added = np.mean([len(set(own.classes) - {Finding.NODULE, Finding.EDEMA}) for own in seen])
    assert kept == pytest.approx(0.6, abs=0.1)
    assert added == pytest.approx(0.1 * (len(FOURTEEN) - 2), abs=0.25)
    agree = np.mean([("nodule" in own.crude) == (Finding.NODULE in own.classes) for own in seen])
    assert agree == pytest.approx(0.6 * 0.6 + 0.4 * 0.4, abs=0.1)  # drawn apart


def test_the_presets_say_what_the_paper_does() -> None:
    paper = read_preset(CliniqurePreset, Role.REPORT, "cliniqure-paper")
    assert (paper.cliniqure.lora.rank, paper.cliniqure.lora.alpha) == (8, 32)
    assert paper.cliniqure.lora.dropout == 0.1
    assert (paper.loop.learning_rate, paper.loop.batch_size) == (2e-5, 8)
    assert paper.backbones.language == "hf:facebook/opt-1.3b"
    assert paper.cliniqure.lessons == "symptoms"
    assert (
        read_preset(CliniqurePreset, Role.REPORT, "cliniqure-small").cliniqure.lessons == "reports"
    )
