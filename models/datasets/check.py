"""What is in a data set's folder, as far as its tables and a sample of its images tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from findings.claims import Frozen
from findings.errors import StudyError
from findings.vocabulary import Finding
from models.data.records import Split
from models.datasets.dataset import Dataset, DatasetCard
from models.datasets.leaks import LeakReport, find_leaks
from models.datasets.notes import Notes
from models.datasets.pixels import image_size
from models.datasets.record import LabelState, RadiographRecord

SAMPLE: Final = 200
"""Images whose header is read."""


class FindingCount(Frozen):
    """How often a finding occurs in one part of a data set."""

    finding: Finding
    split: Split
    present: int
    absent: int
    uncertain: int
    boxes: int


class SplitCount(Frozen):
    """The size of one part of a data set."""

    split: Split
    images: int
    patients: int


class DatasetReport(Frozen):
    """What `readingroom data check` found."""

    card: DatasetCard
    splits: tuple[SplitCount, ...]
    findings: tuple[FindingCount, ...]
    views: dict[str, int]
    outlines: dict[str, int]
    regions: int
    reports: int
    patients_told_apart: bool
    problems: dict[str, int]
    unmapped: dict[str, int]
    sampled_images: int
    unreadable_images: int
    other_frame: int
    """Sampled images whose size is not that of the frame of their boxes."""
    boxes_outside: int
    """Boxes of the sampled images that reach out of their frame."""
    leaks: LeakReport

    @property
    def images(self) -> int:
        """Radiographs whose file is there."""
        return sum(count.images for count in self.splits)


def check_dataset(
    dataset: Dataset, *, compare_images: bool = False, sample: int = SAMPLE
) -> DatasetReport:
    """Read every table of a data set and the headers of some images.

    Raises:
        UserInputError: a table is damaged.
    """
    notes = Notes()
    records = list(dataset.records(notes))
    chosen = _spread(records, sample)
    unreadable, other_frame, outside = _look_at(chosen)
    return DatasetReport(
        card=dataset.card,
        splits=_split_counts(records),
        findings=_finding_counts(records),
        views=_counted(record.view.value for record in records),
        outlines=_counted(o.structure.value for record in records for o in record.outlines),
        regions=sum(len(record.regions) for record in records),
        reports=sum(record.report is not None for record in records),
        patients_told_apart=any(record.patient for record in records),
        problems=_counted(notes.counts.elements()),
        unmapped=dict(notes.unmapped.most_common(20)),
        sampled_images=len(chosen),
        unreadable_images=unreadable,
        other_frame=other_frame,
        boxes_outside=outside,
        leaks=find_leaks(records, compare_images=compare_images),
    )


def _spread(records: Sequence[RadiographRecord], count: int) -> list[RadiographRecord]:
    """At most `count` records, evenly over the whole list, those with boxes first."""
    boxed = [record for record in records if record.boxes]
    chosen: list[RadiographRecord] = []
    for group, most in ((boxed, count // 2), (records, count)):
        step = max(1, -(-len(group) // max(1, most)))
        chosen += group[::step]
    unique = {(record.source, record.image_id): record for record in chosen}
    return list(unique.values())[:count]


def _look_at(records: Sequence[RadiographRecord]) -> tuple[int, int, int]:
    unreadable = other_frame = outside = 0
    for record in records:
        try:
            size = image_size(record.image)
        except StudyError:
            unreadable += 1
            continue
        width, height = record.frame or size
        other_frame += bool(record.boxes) and record.frame is not None and record.frame != size
        # Half a pixel of rounding is no fault of the data.
        outside += sum(
            own.box[0] < -0.5
            or own.box[1] < -0.5
            or own.box[2] > width + 0.5
            or own.box[3] > height + 0.5
            for own in record.boxes
        )
    return unreadable, other_frame, outside


def _split_counts(records: Sequence[RadiographRecord]) -> tuple[SplitCount, ...]:
    images = Counter(record.split for record in records)
    patients = {split: {r.patient_key for r in records if r.split is split} for split in images}
    return tuple(
        SplitCount(split=split, images=images[split], patients=len(patients[split]))
        for split in Split
        if images[split]
    )


def _finding_counts(records: Sequence[RadiographRecord]) -> tuple[FindingCount, ...]:
    states: Counter[tuple[Finding, Split, LabelState]] = Counter()
    boxes: Counter[tuple[Finding, Split]] = Counter()
    for record in records:
        split = record.split
        states.update((finding, split, state) for finding, state in record.labels.items())
        boxes.update((box.finding, split) for box in record.boxes)
    named = {finding for finding, _, state in states if state is not LabelState.ABSENT}
    named |= {finding for finding, _ in boxes}
    return tuple(
        FindingCount(
            finding=finding,
            split=split,
            present=states[finding, split, LabelState.PRESENT],
            absent=states[finding, split, LabelState.ABSENT],
            uncertain=states[finding, split, LabelState.UNCERTAIN],
            boxes=boxes[finding, split],
        )
        for finding in Finding
        if finding in named
        for split in Split
        if any(states[finding, split, state] for state in LabelState) or boxes[finding, split]
    )


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(str(value) for value in values).most_common())
