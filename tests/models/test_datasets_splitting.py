"""Splits by patient: whole patients, even findings, quotas, and the same split every time."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from findings.errors import UserInputError
from findings.vocabulary import Finding
from models.data.records import Split
from models.datasets.record import LabelState, RadiographRecord
from models.datasets.split_table import read_splits, write_splits
from models.datasets.splitting import Patient, SplitPlan, patients_of, split_patients, split_records

THREE = {Split.TRAIN: 0.7, Split.VAL: 0.1, Split.TEST: 0.2}
RARE, COMMON, OTHER = Finding.HERNIA, Finding.INFILTRATION, Finding.EDEMA


def record(
    image: int, patient: str, *present: Finding, split: Split = Split.OTHER
) -> RadiographRecord:
    """A radiograph with findings."""
    labels = dict.fromkeys(present, LabelState.PRESENT)
    name = f"{image}.png"
    return RadiographRecord("set", name, Path(name), patient, labels=labels, split=split)


def made_set(patients: int, seed: int) -> list[RadiographRecord]:
    """Patients with one to eight images; the findings of a patient's images resemble each other."""
    chance = random.Random(seed)
    shares = {RARE: 0.01, OTHER: 0.06, Finding.MASS: 0.1, COMMON: 0.3}
    records = []
    for patient in range(patients):
        own = [finding for finding, share in shares.items() if chance.random() < share]
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            present = [finding for finding in own if chance.random() < 0.8]
            records.append(record(len(records), f"{patient:05}", *present))
    return records


def deviation(records: list[RadiographRecord], parts: dict[str, Split], plan: SplitPlan) -> float:
    """Mean distance of a part's share of a finding's images from the share it should have."""
    distances = []
    for finding in (RARE, OTHER, Finding.MASS, COMMON):
        own = [r for r in records if r.label(finding) is LabelState.PRESENT]
        counts = Counter(parts[r.patient_key] for r in own)
        distances += [abs(counts[part] / len(own) - share) for part, share in plan.shares.items()]
    return statistics.mean(distances)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sets(st.sampled_from([RARE, OTHER, COMMON]))), max_size=30
    ),
    st.integers(0, 3),
    st.integers(0, 2),
)
def test_every_patient_is_whole_in_one_part(
    images: list[tuple[int, set[Finding]]], seed: int, quota: int
) -> None:
    records = [record(i, str(patient), *own) for i, (patient, own) in enumerate(images)]
    plan = SplitPlan(THREE, quota, seed)
    result = split_records(records, plan)
    assert set(result.parts) == {own.patient_key for own in records}
    assert set(result.parts.values()) <= set(THREE)
    for (part, trait), count in result.short.items():
        holders = {
            own.patient_key
            for own in records
            if Finding(trait) in own.labels and result.parts[own.patient_key] is part
        }
        assert len(holders) == count < quota
    assert split_records(records[::-1], plan).parts == result.parts


def test_findings_are_spread_better_than_by_chance() -> None:
    records = made_set(1500, seed=3)
    plan = SplitPlan(THREE)
    patients = sorted({own.patient_key for own in records})
    by_chance = []
    for seed in range(10):
        chance = random.Random(seed)
        drawn = chance.choices(list(THREE), list(THREE.values()), k=len(patients))
        by_chance.append(deviation(records, dict(zip(patients, drawn, strict=True)), plan))
    parts = dict(split_records(records, plan).parts)
    # Whole patients with up to eight images cannot be dealt out to the last image.
    assert deviation(records, parts, plan) < 0.3 * min(by_chance)
    images = Counter(parts[own.patient_key] for own in records)
    for part, share in THREE.items():
        assert images[part] / len(records) == pytest.approx(share, abs=0.01)


def test_rare_findings_meet_their_quota() -> None:
    # Ten patients with a hernia: by shares alone the validation part would have one.
    records = [record(i, str(i), RARE) for i in range(10)]
    records += [record(i, str(i), COMMON) for i in range(10, 400)]
    parts = split_records(records, SplitPlan(THREE, quota=3)).parts
    holders = Counter(parts[own.patient_key] for own in records if RARE in own.labels)
    assert min(holders[part] for part in THREE) == 3
    assert Counter(parts.values())[Split.VAL] == pytest.approx(40, abs=3)


def test_quotas_that_cannot_be_met_are_reported() -> None:
    records = [record(i, str(i), RARE) for i in range(4)] + [record(9, "9", COMMON)]
    result = split_records(records, SplitPlan(THREE, quota=2))
    assert sum(2 - own for (_, trait), own in result.short.items() if trait == RARE) >= 2
    assert {trait for _, trait in result.short} == {RARE, COMMON}


def test_a_published_test_part_stays() -> None:
    records = [
        record(i, str(i // 2), COMMON, split=Split.TEST if i < 20 else Split.TRAIN)
        for i in range(100)
    ]
    # One image of this patient is in the test part, so all are.
    records.append(record(100, "3", split=Split.TRAIN))
    keep = frozenset({Split.TEST})
    plan = SplitPlan({Split.TRAIN: 0.75, Split.VAL: 0.25})
    parts = split_records(records, plan, keep).parts
    tested = {own.patient_key for own in records if own.split is Split.TEST}
    assert {key for key, part in parts.items() if part is Split.TEST} == tested
    assert Counter(parts.values()) == {Split.TEST: 10, Split.TRAIN: 30, Split.VAL: 10}


def test_images_of_unknown_patients_are_patients() -> None:
    records = [record(i, "") for i in range(20)]
    assert len(patients_of(records)) == 20
    assert Counter(split_records(records, SplitPlan(THREE)).parts.values())[Split.TRAIN] == 14


def test_patients_of_one_pool_are_one() -> None:
    first = replace(record(0, "4"), source="gbseg", patient_pool="covid")
    second = replace(record(1, "4"), source="covid")
    assert len(patients_of([first, second])) == 1
    assert len(patients_of([replace(first, patient_pool=""), second])) == 2


def test_another_seed_gives_another_split() -> None:
    patients = [Patient(str(i), 1, {COMMON.value: i % 2}) for i in range(60)]
    plans = [SplitPlan(THREE, seed=seed) for seed in (1, 1, 2)]
    first, again, other = (split_patients(patients, plan).parts for plan in plans)
    assert first == again != other


@pytest.mark.parametrize(
    "shares",
    [{Split.TRAIN: 1.0}, {Split.TRAIN: 0.5, Split.VAL: 0.4}, {Split.TRAIN: 1.2, Split.VAL: -0.2}],
)
def test_shares_that_make_no_split_are_refused(shares: dict[Split, float]) -> None:
    with pytest.raises(UserInputError, match="split"):
        SplitPlan(shares)


def test_a_split_is_written_and_read_back(tmp_path: Path) -> None:
    records = [record(i, f"{i:03}") for i in range(10)]
    parts = split_records(records, SplitPlan(THREE)).parts
    table = tmp_path / "splits.csv"
    assert write_splits(table, records, parts) == 10
    read = read_splits(table)
    assert read == {("set", own.image_id): parts[own.patient_key] for own in records}
    assert not list(tmp_path.glob("*.unfinished"))
    table.write_text("source,image,split\nset,a,training\n", encoding="utf-8")
    with pytest.raises(UserInputError, match="train, val or test"):
        read_splits(table)
