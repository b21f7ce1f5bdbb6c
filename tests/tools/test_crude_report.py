"""The crude-report expert: sentences read for claims, by a stand-in and by the shipped network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from findings.evidence import CrudeSentence, Evidence
from findings.regions import Region
from findings.vocabulary import Finding, Polarity, Side
from imaging.study import FloatImage, Study, StudyImage
from imaging.synthetic import SampleRequest, generate
from models.crude_report.inference import CrudeReport
from tools.contract import ExpertContext
from tools.crude_report import MOST_SENTENCES, CrudeReportExpert


@dataclass
class Writer:
    """Writes what it was told to, whatever the image."""

    sentences: tuple[str, ...]

    def write(self, display: FloatImage, seed: int = 0) -> CrudeReport:
        """The sentences, as many times as the seed says."""
        return CrudeReport(self.sentences * (seed or 1), 0.0, 0.0)


def sample(seed: int) -> Study:
    """A drawn chest."""
    pixels = generate(SampleRequest(seed=seed)).pixels.astype(np.float32)
    return Study(images=(StudyImage(display=pixels / 4095),), study_key="drawn")


def blank() -> Study:
    """A film for those who do not look."""
    return Study(images=(StudyImage(display=np.zeros((32, 32), np.float32)),), study_key="blank")


def read(cache: Path, *sentences: str, seed: int = 0) -> tuple[Evidence, ...]:
    """The evidence made of these sentences."""
    expert = CrudeReportExpert(cache, Writer(sentences))
    return expert.run(blank(), ExpertContext(seed=seed))


def test_each_sentence_carries_the_claims_read_in_it(cache: Path) -> None:
    found = read(
        cache,
        "No pneumothorax.",
        "No effusion, but a nodule in the right upper lobe.",
        "Thank you for the referral.",
    )
    assert [item.id for item in found] == ["E1", "E2", "E3"]
    first, second, third = found
    assert isinstance(first, CrudeSentence) and isinstance(second, CrudeSentence)
    assert first.finding is Finding.PNEUMOTHORAX
    assert [claim.polarity for claim in first.claims] == [Polarity.ABSENT]
    assert {claim.finding for claim in second.claims} == {Finding.PLEURAL_EFFUSION, Finding.NODULE}
    assert (second.finding, second.side) == (Finding.NODULE, Side.RIGHT)
    assert second.region is Region.RIGHT_UPPER_LOBE
    assert isinstance(third, CrudeSentence)
    assert (third.claims, third.finding, third.side) == ((), None, None)


def test_fragments_are_passed_over_but_not_short_sentences_that_say_something(
    cache: Path,
) -> None:
    found = read(cache, "There.", "Cardiomegaly.", "The.", "No effusion.", "Of the.")
    assert [item.text for item in found if isinstance(item, CrudeSentence)] == [
        "Cardiomegaly.",
        "No effusion.",
    ]


def test_an_empty_report_is_no_evidence_and_an_endless_one_is_cut(cache: Path) -> None:
    assert read(cache) == ()
    assert len(read(cache, "No pneumothorax.", seed=5000)) == MOST_SENTENCES


def test_the_shipped_generator_reports_on_a_drawn_chest(cache: Path) -> None:
    expert = CrudeReportExpert(cache)
    if not expert.installed():
        pytest.skip("the crude-report generator is not shipped")
    study = sample(7)
    found = expert.run(study, ExpertContext(seed=3))
    assert found == expert.run(study, ExpertContext(language="es", seed=3))
    assert 1 <= len(found) <= MOST_SENTENCES
    sentences = [item for item in found if isinstance(item, CrudeSentence)]
    assert len(sentences) == len(found)
    assert sum(len(item.text.split()) for item in sentences) <= 60
    assert sum(bool(item.claims) for item in sentences) >= len(found) / 2
    assert expert.card.sha256 and len(expert.card.sha256) == 64
