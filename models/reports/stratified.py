"""Radixpert's studies: a stratified sample with quotas for rare findings, split 80/10/10.

Both versions train on 16,000 studies of PadChest (section III). The first names stratified
sampling; the second iterative stratification with minimum quotas, which both get here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from imaging.study import View
from models.data.records import Split
from models.datasets.record import RadiographRecord
from models.datasets.splitting import SplitPlan, split_records

SHARES: Final = {Split.TRAIN: 0.8, Split.VAL: 0.1, Split.TEST: 0.1}
QUOTA: Final = 5
"""Patients with each finding that the sample, and each of its parts, has at least where it can."""


def one_frontal_each(records: Sequence[RadiographRecord]) -> list[RadiographRecord]:
    """The frontal images with a report; of a study's several the first."""
    found: dict[str, RadiographRecord] = {}
    for record in records:
        if record.report is not None and record.view is not View.LATERAL:
            key = f"{record.source}/{record.study or record.image_id}"
            found.setdefault(key, record)
    return list(found.values())


def sampled(
    records: Sequence[RadiographRecord], most: int, quota: int = QUOTA, seed: int = 7
) -> list[RadiographRecord]:
    """About ``most`` records with the findings of all, by whole patients; 0 takes all."""
    if not most or most >= len(records):
        return list(records)
    share = most / len(records)
    plan = SplitPlan({Split.TRAIN: share, Split.OTHER: 1 - share}, quota, seed)
    unsplit = [replace(record, split=Split.OTHER) for record in records]
    parts = split_records(unsplit, plan).parts
    return [record for record in records if parts[record.patient_key] is Split.TRAIN]


def with_splits(
    records: Sequence[RadiographRecord], quota: int = QUOTA, seed: int = 7
) -> list[RadiographRecord]:
    """The published split where there is one to train and validate on, else 80/10/10."""
    published = {record.split for record in records}
    if {Split.TRAIN, Split.VAL} <= published:
        return list(records)
    parts = split_records(records, SplitPlan(SHARES, quota, seed)).parts
    return [replace(record, split=parts[record.patient_key]) for record in records]
