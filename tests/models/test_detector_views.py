"""Boxes of an image and of its mirror image become one set; a proposal knows its place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from small_detector import SIZE, TINY

from models.detector.context import ContextHead, surroundings
from models.detector.network import DetectorNetwork, NetworkSettings
from models.detector.views import Found, look, merged

SETTINGS = TINY.model_copy(update={"context": True, "mirrored": True})


def found(*rows: tuple[float, float, float, float, int, float]) -> Found:
    """Boxes, findings and scores, in the order given."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return Found(table[:, :4], table[:, 4].astype(np.int64), table[:, 5])


@st.composite
def finds(draw: st.DrawFn) -> Found:
    """Boxes on a coarse grid, best first."""
    part = st.integers(0, 6)
    rows = draw(
        st.lists(
            st.tuples(part, part, st.integers(1, 4), st.integers(1, 4), st.integers(0, 2), part),
            max_size=5,
        )
    )
    made = [
        (x / 10, y / 10, (x + w) / 10, (y + h) / 10, f, (s + 1) / 8) for x, y, w, h, f, s in rows
    ]
    return found(*sorted(made, key=lambda row: -row[5]))


def test_boxes_of_one_place_become_one_weighted_by_score() -> None:
    both = merged(found((0.1, 0.1, 0.5, 0.5, 2, 0.6)), found((0.1, 0.1, 0.5, 0.6, 2, 0.2)))
    assert both.findings.tolist() == [2]
    assert both.boxes[0].tolist() == pytest.approx([0.1, 0.1, 0.5, 0.525])
    assert both.scores.tolist() == pytest.approx([0.4])


def test_what_one_view_alone_sees_keeps_half_its_score() -> None:
    both = merged(
        found((0.1, 0.1, 0.5, 0.5, 0, 0.6)),
        found((0.1, 0.1, 0.5, 0.5, 1, 0.9), (0.6, 0.6, 0.9, 0.9, 0, 0.2)),
    )
    assert both.findings.tolist() == [1, 0, 0]
    assert both.scores.tolist() == pytest.approx([0.45, 0.3, 0.1])


@given(finds())
def test_a_view_merged_with_itself_is_itself(own: Found) -> None:
    # Boxes that overlap within one view may pair crosswise; of one box a finding there is no doubt.
    _, first = np.unique(own.findings, return_index=True)
    rows = np.sort(first)
    single = Found(own.boxes[rows], own.findings[rows], own.scores[rows])
    both = merged(single, single)
    assert np.allclose(both.boxes, single.boxes)
    assert both.findings.tolist() == single.findings.tolist()
    assert np.allclose(both.scores, single.scores)


@given(finds(), finds())
def test_merging_loses_no_finding_and_keeps_the_order(one: Found, other: Found) -> None:
    both = merged(one, other)
    assert set(both.findings) == {*one.findings, *other.findings}
    assert max(len(one.scores), len(other.scores)) <= len(both.scores)
    assert len(both.scores) <= len(one.scores) + len(other.scores)
    assert (np.diff(both.scores) <= 0).all()
    assert ((both.boxes >= 0) & (both.boxes <= 1)).all()


def test_the_mirror_image_is_found_the_mirrored_boxes() -> None:
    torch.manual_seed(0)
    network = DetectorNetwork(SETTINGS, 3).eval()
    torch.nn.init.constant_(network.roi_heads.box_predictor.cls_score.bias, 0.0)
    image = torch.rand(1, SIZE, SIZE)
    seen, mirrored = look(network, torch.cat([image, image.flip(-1)]))
    assert len(seen.scores) > 0
    turned = mirrored.boxes.copy()
    turned[:, [0, 2]] = 1 - mirrored.boxes[:, [2, 0]]
    # Pairs are made from the first view's side, so that single weak boxes may pair otherwise.
    assert seen.scores[0] == pytest.approx(mirrored.scores[0], abs=1e-3)
    assert seen.boxes[0] == pytest.approx(turned[0], abs=0.02)


def test_a_proposal_is_told_its_place_and_its_image() -> None:
    coarse = torch.stack([torch.zeros(3, 2, 2), torch.ones(3, 2, 2)])
    proposals = [torch.tensor([[0.0, 0, 64, 32]]), torch.tensor([[16.0, 16, 48, 48]] * 2)]
    told = surroundings(coarse, proposals, [(64, 64), (64, 64)])
    assert told.shape == (3, 4 + 6)
    assert told[0].tolist() == [0.0, -0.5, 1.0, 0.0, *[0.0] * 6]
    assert told[1].tolist() == [0.0, 0.0, 0.0, 0.0, *[1.0] * 6]
    head = ContextHead(3, 2, 8)
    patches = torch.rand(3, 3, 2, 2)
    assert head(patches, told).shape == (3, 8)
    assert not torch.equal(head(patches, told), head(patches, told.flip(0)))


def test_context_is_for_findings_judged_one_by_one() -> None:
    with pytest.raises(ValidationError, match="one by one"):
        NetworkSettings.model_validate({**SETTINGS.model_dump(), "exhaustive": True})
