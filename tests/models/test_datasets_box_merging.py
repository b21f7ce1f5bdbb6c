"""Merging several radiologists' boxes, against a slow reference and the paper's example."""

from __future__ import annotations

import itertools
import random as standard_random

from hypothesis import given
from hypothesis import strategies as st

from findings.label_maps import Dataset, finding_of
from findings.vocabulary import Finding
from models.datasets.box_merging import MergedBox, MergingSettings, merge_boxes, merged_labels
from models.datasets.record import FindingBox, LabelState, RadiographRecord

LABELS = ("Lung Opacity", "Nodule/Mass", "Consolidation", "No finding")
COORDINATE = st.integers(0, 12)


@st.composite
def boxes(draw: st.DrawFn) -> FindingBox:
    """A box on a coarse grid, so that overlaps are common."""
    x, y = draw(COORDINATE), draw(COORDINATE)
    width, height = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    label = draw(st.sampled_from(LABELS))
    return drawn(label, (x, y, x + width, y + height), draw(st.sampled_from(["R1", "R2", ""])))


def drawn(label: str, box: tuple[float, float, float, float], reader: str) -> FindingBox:
    """A radiologist's box."""
    finding = finding_of(Dataset.VINDR, label)
    assert finding is not None
    return FindingBox(finding, box, label, reader)


def pixels(box: tuple[float, ...]) -> set[tuple[int, int]]:
    """The unit squares of a box with whole corners."""
    x0, y0, x1, y1 = (int(value) for value in box)
    return set(itertools.product(range(x0, x1), range(y0, y1)))


def reference(marked: list[FindingBox], settings: MergingSettings) -> set[tuple[object, ...]]:
    """Merge by the definition: counted squares, and groups grown until nothing more joins."""
    left = {box for box in marked if box.finding is not Finding.NO_FINDING}
    merged = set()
    while left:
        group = {left.pop()}
        grown = True
        while grown:
            grown = False
            for box in list(left):
                if any(_mark_one_place(box, member, settings) for member in group):
                    group.add(box)
                    left.remove(box)
                    grown = True
        xs = [(box.box[0], box.box[2]) for box in group]
        ys = [(box.box[1], box.box[3]) for box in group]
        around = (
            min(x for x, _ in xs),
            min(y for y, _ in ys),
            max(x for _, x in xs),
            max(y for _, y in ys),
        )
        labels = tuple(sorted({box.label for box in group}))
        merged.add((around, labels, tuple(sorted({box.reader for box in group} - {""}))))
    return merged


def _mark_one_place(first: FindingBox, second: FindingBox, settings: MergingSettings) -> bool:
    one, other = pixels(first.box), pixels(second.box)
    overlap = len(one & other) / len(one | other)
    ratios = sorted(
        (box.box[2] - box.box[0]) / (box.box[3] - box.box[1]) for box in (first, second)
    )
    return overlap > settings.overlap and ratios[0] / ratios[1] >= settings.aspect


@given(
    st.lists(boxes(), max_size=9),
    st.sampled_from([0.0, 0.3, 0.5, 0.9]),
    st.sampled_from([0.0, 0.6, 0.85, 1.0]),
)
def test_merging_is_what_the_definition_says(
    marked: list[FindingBox], overlap: float, aspect: float
) -> None:
    settings = MergingSettings(overlap, aspect)
    merged = merge_boxes(marked, settings)
    assert {(own.box, own.labels, own.readers) for own in merged} == reference(marked, settings)


@given(st.lists(boxes(), max_size=9), st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(
    marked: list[FindingBox], random: standard_random.Random
) -> None:
    shuffled = marked + marked[:3]
    random.shuffle(shuffled)
    assert merge_boxes(shuffled) == merge_boxes(marked)


@given(st.lists(boxes(), max_size=9))
def test_nothing_is_lost(marked: list[FindingBox]) -> None:
    merged = merge_boxes(marked)
    for box in marked:
        if box.finding is not Finding.NO_FINDING:
            assert any(_holds(own, box) for own in merged)
    assert all(Finding.NO_FINDING not in own.findings for own in merged)


def _holds(merged: MergedBox, box: FindingBox) -> bool:
    return (
        box.finding in merged.findings
        and box.label in merged.labels
        and (not box.reader or box.reader in merged.readers)
        and merged.box[0] <= box.box[0]
        and merged.box[1] <= box.box[1]
        and merged.box[2] >= box.box[2]
        and merged.box[3] >= box.box[3]
    )


def test_the_example_of_the_paper() -> None:
    """Table 2 of CliniQure, from the radiologists' boxes of that image in VinDr-CXR."""
    marked = [
        drawn("Lung Opacity", (900, 587, 1205, 888), "R10"),
        drawn("Nodule/Mass", (932, 567, 1197, 896), "R8"),
        drawn("Infiltration", (900, 587, 1205, 888), "R10"),
        drawn("Lung Opacity", (905, 583, 1203, 890), "R9"),
        drawn("Consolidation", (932, 567, 1197, 896), "R8"),
    ]
    first, second = merge_boxes(marked)
    assert (first.box, first.labels) == ((900, 583, 1205, 890), ("Infiltration", "Lung Opacity"))
    assert (second.box, second.labels) == ((932, 567, 1197, 896), ("Consolidation", "Nodule/Mass"))
    assert (first.readers, second.readers) == (("R10", "R9"), ("R8",))


def test_one_box_a_label_keeps_the_largest() -> None:
    marked = [
        drawn("Nodule/Mass", (0, 0, 10, 10), "R1"),
        drawn("Nodule/Mass", (50, 50, 80, 80), "R1"),
        drawn("Consolidation", (0, 50, 10, 60), "R1"),
    ]
    assert len(merge_boxes(marked)) == 3
    kept = merge_boxes(marked, MergingSettings(one_box_a_label=True))
    assert {own.box for own in kept} == {(0, 50, 10, 60), (50, 50, 80, 80)}


def test_no_finding_beside_a_finding_is_dropped() -> None:
    from pathlib import Path

    present, absent = LabelState.PRESENT, LabelState.ABSENT
    for seen, kept in ((present, absent), (LabelState.UNCERTAIN, present), (absent, present)):
        record = RadiographRecord(
            *("vindr-cxr", "a", Path("a"), ""),
            labels={Finding.NO_FINDING: present, Finding.MASS: seen},
        )
        assert merged_labels(record) == {Finding.NO_FINDING: kept, Finding.MASS: seen}
