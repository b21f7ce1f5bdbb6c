"""Weak pairing: sentences are clean, true of the image they are drawn for, and drawn by seed."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findings.claims import Claim
from findings.errors import WeightsError
from findings.labeler import ReportLabeler, label_report
from findings.regions import Region
from findings.vocabulary import Finding, Language, Polarity, Severity, Side
from models.data.records import Split
from models.data.report_sentences import (
    OPENI,
    PADCHEST,
    is_usable,
    read_openi_sentences,
    read_padchest_sentences,
    split,
)
from models.data.sentence_pool import (
    Level,
    Origin,
    PooledSentence,
    SentenceKey,
    SentencePool,
    composed,
    level_of,
    mirrored,
)
from models.data.weak_pair_sources import (
    FOURTEEN,
    WeakRecord,
    read_weak_records,
    with_absences,
)
from models.data.weak_pairs import WeakPairs, build_pool, contradicts, supports

REPORT = """<eCitation><Abstract>
<AbstractText Label="INDICATION">Cough</AbstractText>
<AbstractText Label="FINDINGS">1. The heart is normal in size. Small left pleural effusion.
There is XXXX atelectasis. No pneumothorax. No pneumothorax. Unchanged right lower lobe opacity.
Large right pneumothorax on the lateral view.</AbstractText>
<AbstractText Label="IMPRESSION">Otherwise, patchy right upper lobe consolidation.</AbstractText>
</Abstract></eCitation>"""


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    with tarfile.open(tmp_path / OPENI, "w:gz") as archive:
        content = REPORT.encode()
        member = tarfile.TarInfo("ecgen-radiology/1.xml")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    rows = [
        "Report,MethodLabel,LabelsLocalizationsBySentence",
        "derram pleural izquierd .,Physician,\"[['pleural effusion', 'loc left']]\"",
        "cardiomegali . sin infiltr .,Physician,\"[['cardiomegaly'], ['normal']]\"",
        "cardiomegali .,RNN_model,\"[['cardiomegaly']]\"",
    ]
    with gzip.open(tmp_path / PADCHEST, "wt", encoding="utf-8") as table:
        table.write("\n".join(rows) + "\n")
    return tmp_path


def record(*claims: Claim) -> WeakRecord:
    return WeakRecord("nih", "a", "p", Path("a.jpg"), Split.TRAIN, with_absences(claims, FOURTEEN))


def test_only_sentences_that_a_frontal_image_can_carry_are_read(corpora: Path) -> None:
    texts = {sentence.text: sentence for sentence in read_openi_sentences(corpora)}
    assert set(texts) == {
        "The heart is normal in size.",
        "Small left pleural effusion.",
        "No pneumothorax.",
        "Patchy right upper lobe consolidation.",
    }
    assert texts["No pneumothorax."].count == 2


def test_stemmed_sentences_carry_the_labels_of_physicians(corpora: Path) -> None:
    (sentence,) = read_padchest_sentences(corpora)
    assert sentence.text == "derram pleural izquierd."
    assert sentence.claims == (Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.LEFT),)


def test_an_absent_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="report-corpora"):
        read_openi_sentences(tmp_path)
    with pytest.raises(WeightsError, match="report-corpora"):
        read_padchest_sentences(tmp_path)


@given(st.text(max_size=200))
def test_any_text_splits_into_lines(text: str) -> None:
    for sentence in split(text):
        assert "\n" not in sentence
        assert sentence.strip(".?! ")


@pytest.mark.parametrize(
    "sentence",
    [
        "There is XXXX opacity.",
        "Opacity measuring 12 mm.",
        "Opacity seen on the lateral view.",
        "Effusion unchanged from the prior study.",
        "Findings discussed with Dr Who.",
        "Opacity.",
    ],
)
def test_sentences_that_say_more_than_the_image_are_not_usable(sentence: str) -> None:
    assert not is_usable(sentence)


def test_a_mirrored_sentence_states_the_other_side() -> None:
    labeler = ReportLabeler(Language.ENGLISH)
    text = "Small left pleural effusion."
    claims = tuple(
        Claim.model_validate(c.model_dump(exclude={"span"}))
        for c in label_report(text, Language.ENGLISH)
    )
    sentence = PooledSentence(
        text=text, language=Language.ENGLISH, origin=Origin.OPENI, claims=claims
    )
    other = mirrored(sentence, labeler)
    assert other is not None
    assert other.text == "Small right pleural effusion."
    assert {claim.side for claim in other.claims} == {Side.RIGHT}
    back = mirrored(other, labeler)
    assert back is not None
    assert back.text == text


def test_a_sentence_about_an_organ_with_a_side_of_its_own_has_no_mirror_image() -> None:
    labeler = ReportLabeler(Language.ENGLISH)
    claim = Claim(finding=Finding.CONSOLIDATION, side=Side.RIGHT, region=Region.RIGHT_MIDDLE_LOBE)
    sentence = PooledSentence(
        text="Right middle lobe consolidation.",
        language=Language.ENGLISH,
        origin=Origin.OPENI,
        claims=(claim,),
    )
    assert mirrored(sentence, labeler) is None


LUNG_ZONES = [r for r in Region if r.value.endswith("_zone")]


@given(
    finding=st.sampled_from([f for f in FOURTEEN if f not in (Finding.HERNIA,)]),
    region=st.sampled_from(LUNG_ZONES),
    severity=st.sampled_from([None, *Severity]),
)
def test_composed_sentences_are_read_back_as_what_they_state(
    finding: Finding, region: Region, severity: Severity | None
) -> None:
    side = Side(region.value.partition("_")[0])
    claim = Claim(finding=finding, side=side, region=region, severity=severity)
    for sentence in composed(claim):
        read = [c for c in label_report(sentence.text, Language.ENGLISH) if c.finding is finding]
        assert [(c.side, level_of(c.region), c.severity, c.present) for c in read] == [
            (side, level_of(region), severity, True)
        ]


def test_what_a_fact_supports_and_rules_out() -> None:
    facts = record(
        Claim(finding=Finding.PNEUMONIA, side=Side.LEFT, region=Region.LEFT_LOWER_ZONE)
    ).claims
    left = Claim(finding=Finding.PNEUMONIA, side=Side.LEFT)
    right = Claim(finding=Finding.PNEUMONIA, side=Side.RIGHT)
    upper = Claim(finding=Finding.PNEUMONIA, region=Region.LEFT_UPPER_ZONE)
    opacity = Claim(finding=Finding.LUNG_OPACITY)
    clear = Claim(finding=Finding.LUNG_OPACITY, polarity=Polarity.ABSENT)
    right_clear = clear.model_copy(update={"side": Side.RIGHT})
    mass = Claim(finding=Finding.MASS)
    unknown = Claim(finding=Finding.SCOLIOSIS)
    normal = Claim(finding=Finding.NO_FINDING)
    consolidation = Claim(finding=Finding.CONSOLIDATION)
    assert [supports(facts, c) for c in (left, opacity, right_clear)] == [True] * 3
    assert not any(supports(facts, c) for c in (right, upper, clear, mass, unknown, normal))
    assert [contradicts(facts, c) for c in (right, upper, clear, mass, normal)] == [True] * 5
    assert not any(contradicts(facts, c) for c in (left, opacity, right_clear, unknown))
    # Consolidation is read for pneumonia so often that neither is known.
    assert not supports(facts, consolidation)
    assert not contradicts(facts, consolidation)


@st.composite
def facts_of(draw: st.DrawFn) -> tuple[Claim, ...]:
    findings = draw(st.lists(st.sampled_from(FOURTEEN), unique=True, max_size=4))
    present = []
    for finding in findings:
        region = draw(st.sampled_from([None, *LUNG_ZONES]))
        side = Side(region.value.partition("_")[0]) if region else None
        present.append(Claim(finding=finding, side=side, region=region))
    return with_absences(present, FOURTEEN)


@given(facts_of(), facts_of(), st.integers(0, 2**32 - 1))
def test_drawn_sentences_are_true_and_depend_on_the_seed_alone(
    facts: tuple[Claim, ...], other: tuple[Claim, ...], seed: int
) -> None:
    records = [
        WeakRecord("nih", str(n), str(n), Path("a.jpg"), Split.TRAIN, claims)
        for n, claims in enumerate((facts, other))
    ]
    wanted = {c for r in records for c in r.claims if c.finding is not Finding.NO_FINDING}
    pool = SentencePool(s for c in sorted(wanted, key=repr) for s in composed(c))
    pairs = WeakPairs(records, pool)
    for number, own in enumerate(records):
        drawn = pairs.draw(number, np.random.default_rng(seed))
        assert drawn == pairs.draw(number, np.random.default_rng(seed))
        assert drawn >= 0
        assert all(supports(own.claims, claim) for claim in pool.sentences[drawn].claims)
        report = pairs.report(number, np.random.default_rng(seed))
        stated = {c.finding for s in report for c in s.claims if c.present}
        assert stated == {claim.finding for claim in own.present} - {Finding.NO_FINDING}
        false = pairs.negatives(np.array([number]), np.arange(len(pool)))[0]
        assert not false[drawn]
        for index in np.flatnonzero(false):
            assert any(contradicts(own.claims, c) for c in pool.sentences[int(index)].claims)


def test_the_pool_files_sentences_by_what_they_state(corpora: Path) -> None:
    pool = build_pool(corpora, [], spanish=True)
    key = SentenceKey(
        Language.ENGLISH,
        Finding.CONSOLIDATION,
        Polarity.PRESENT,
        Side.RIGHT,
        Level.UPPER,
        None,
    )
    assert [s.text for s in pool.stating(key)] == ["Patchy right upper lobe consolidation."]
    mirror = key._replace(side=Side.LEFT)
    assert [s.origin for s in pool.stating(mirror)] == [Origin.MIRRORED]
    assert {s.language for s in pool.of(Language.SPANISH).sentences} == {Language.SPANISH}


def test_real_sources_state_places(shared_data: Path) -> None:
    records = read_weak_records(shared_data)
    by_source: dict[str, list[WeakRecord]] = {}
    for item in records:
        by_source.setdefault(item.source, []).append(item)
    assert {"nih", "jsrt", "shenzhen", "montgomery", "covid"} <= set(by_source)
    sided = [c for r in by_source["jsrt"] for c in r.present if c.side in (Side.LEFT, Side.RIGHT)]
    assert len(sided) >= 100  # every nodule but the few in the midline
    graded = [c for r in by_source["covid"] for c in r.present if c.severity and c.region]
    assert len(graded) > 400
    assert any(c.side for r in by_source["shenzhen"] for c in r.present)
    for item in records:
        assert not any(
            contradicts([f for f in item.claims if f.present], c) for c in item.present
        ), item.source
