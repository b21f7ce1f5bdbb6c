"""Several radiologists' boxes made one: CliniQure's merging and redundancy filter.

The paper (section 4.1) merges boxes of an image whose intersection over union lies above a
threshold and whose aspect ratios are similar into the box around them, whatever their labels, and
joins the labels. It states neither figure; the defaults here reproduce its example (its table 2:
two of three overlapping boxes are merged, the third is left for its shape).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from findings.evidence import Box
from findings.vocabulary import Finding
from models.datasets.labels import stronger
from models.datasets.record import FindingBox, LabelState, RadiographRecord


@dataclass(frozen=True, slots=True)
class MergingSettings:
    """When two boxes of an image mark the same place."""

    overlap: float = 0.5
    """Intersection over union that must be passed."""
    aspect: float = 0.85
    """The smaller width-to-height ratio over the larger one must reach this share."""
    one_box_a_label: bool = False
    """Keep one box for each set of labels of an image, the largest, as the paper's words have it
    ("identical image_id and class_names"). Two nodules then count as one, so it is off."""


@dataclass(frozen=True, slots=True)
class MergedBox:
    """A place in an image with every finding marked there, in the vocabulary's order."""

    box: Box
    findings: tuple[Finding, ...]
    labels: tuple[str, ...]
    """The data set's own words, sorted."""
    readers: tuple[str, ...]
    """The radiologists who marked it, sorted; how many agree is how far it can be trusted."""


def merge_boxes(
    boxes: Sequence[FindingBox], settings: MergingSettings | None = None
) -> tuple[MergedBox, ...]:
    """Merge boxes that are linked, directly or over others; the order given does not matter.

    "No finding" is no place: a box of it is dropped. Identical boxes of one label become one.
    """
    settings = settings or MergingSettings()
    unique = sorted(
        {box for box in boxes if box.finding is not Finding.NO_FINDING},
        key=lambda box: (box.box, box.label, box.reader),
    )
    merged = [_around([unique[i] for i in group]) for group in _linked(unique, settings)]
    if settings.one_box_a_label:
        largest: dict[tuple[str, ...], MergedBox] = {}
        for one in merged:
            known = largest.get(one.labels)
            if known is None or _area(one.box) > _area(known.box):
                largest[one.labels] = one
        merged = list(largest.values())
    return tuple(sorted(merged, key=lambda one: (one.box, one.labels)))


def merged_labels(record: RadiographRecord) -> dict[Finding, LabelState]:
    """A record's labels without a redundant "No finding": it is absent where anything is seen."""
    labels = dict(record.labels)
    seen = [state for finding, state in labels.items() if finding is not Finding.NO_FINDING]
    strongest = LabelState.UNKNOWN
    for state in seen:
        strongest = stronger(strongest, state)
    if strongest is LabelState.PRESENT and Finding.NO_FINDING in labels:
        labels[Finding.NO_FINDING] = LabelState.ABSENT
    return labels


def overlap(first: Box, second: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    across = min(first[2], second[2]) - max(first[0], second[0])
    down = min(first[3], second[3]) - max(first[1], second[1])
    if across <= 0 or down <= 0:
        return 0.0
    common = across * down
    return common / (_area(first) + _area(second) - common)


def same_place(first: Box, second: Box, settings: MergingSettings) -> bool:
    """True where two boxes overlap and are shaped alike."""
    one, other = _aspect(first), _aspect(second)
    alike = min(one, other) / max(one, other) >= settings.aspect
    return alike and overlap(first, second) > settings.overlap


def _linked(boxes: Sequence[FindingBox], settings: MergingSettings) -> list[list[int]]:
    """Indices in groups: two boxes of a group are the same place, or linked by others that are."""
    group = list(range(len(boxes)))

    def root(index: int) -> int:
        while group[index] != index:
            group[index] = group[group[index]]
            index = group[index]
        return index

    for later, box in enumerate(boxes):
        for earlier in range(later):
            if same_place(boxes[earlier].box, box.box, settings):
                group[root(later)] = root(earlier)
    members: dict[int, list[int]] = {}
    for index in range(len(boxes)):
        members.setdefault(root(index), []).append(index)
    return list(members.values())


def _around(boxes: Sequence[FindingBox]) -> MergedBox:
    marked = {box.finding for box in boxes}
    return MergedBox(
        box=(
            min(box.box[0] for box in boxes),
            min(box.box[1] for box in boxes),
            max(box.box[2] for box in boxes),
            max(box.box[3] for box in boxes),
        ),
        findings=tuple(finding for finding in Finding if finding in marked),
        labels=tuple(sorted({box.label for box in boxes})),
        readers=tuple(sorted({box.reader for box in boxes if box.reader})),
    )


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _aspect(box: Box) -> float:
    return (box[2] - box[0]) / (box[3] - box[1])
