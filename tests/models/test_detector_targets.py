"""What a proposal may teach where drawn boxes are not exhaustive, against slow references."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.rpn import RPNHead

from findings.vocabulary import Finding
from models.detector.heads import IndependentFindingHeads
from models.detector.proposals import CautiousProposalNetwork
from models.detector.targets import (
    ABSENT,
    PRESENT,
    UNKNOWN,
    MatchingRules,
    proposal_targets,
    undrawn,
)

FINDINGS = 3
RULES = MatchingRules(positive_overlap=0.5, negative_overlap=0.3, elsewhere_weight=0.25)


def overlap(one: list[float], other: list[float]) -> float:
    """Intersection over union, the long way."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    area = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (area[0] + area[1] - shared)


def slowly(
    proposal: list[float], boxes: list[list[float]], findings: list[int], stated: int, finding: int
) -> tuple[float, float, int]:
    """Target, weight and matched box of one proposal and one finding, in words."""
    own = [place for place, drawn in enumerate(findings) if drawn == finding]
    if own:
        best = max(own, key=lambda place: overlap(proposal, boxes[place]))
        met = overlap(proposal, boxes[best])
        if met >= RULES.positive_overlap:
            return 1.0, 1.0, best
        return 0.0, RULES.elsewhere_weight if met < RULES.negative_overlap else 0.0, -1
    return 0.0, 1.0 if stated == ABSENT else 0.0, -1


@st.composite
def boxes(draw: st.DrawFn, least: int) -> list[list[float]]:
    """Boxes on a coarse grid, so that overlaps of every size occur."""
    corners = st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(1, 6), st.integers(1, 6))
    return [
        [float(x), float(y), float(x + width), float(y + height)]
        for x, y, width, height in draw(st.lists(corners, min_size=least, max_size=6))
    ]


@given(
    boxes(least=1),
    boxes(least=0),
    st.lists(st.integers(0, FINDINGS - 1), min_size=6, max_size=6),
    st.lists(st.sampled_from([PRESENT, ABSENT, UNKNOWN]), min_size=3, max_size=3),
)
def test_targets_agree_with_the_slow_reference(
    proposals: list[list[float]],
    drawn: list[list[float]],
    findings: list[int],
    stated: list[int],
) -> None:
    own = findings[: len(drawn)]
    for finding in own:
        stated[finding] = PRESENT
    said = proposal_targets(
        torch.tensor(proposals),
        torch.tensor(drawn).reshape(-1, 4),
        torch.tensor(own, dtype=torch.int64),
        torch.tensor(stated),
        RULES,
    )
    for row, proposal in enumerate(proposals):
        for finding in range(FINDINGS):
            target, weight, matched = slowly(proposal, drawn, own, stated[finding], finding)
            assert float(said.target[row, finding]) == target
            assert float(said.weight[row, finding]) == pytest.approx(weight)
            place = int(said.matched[row, finding])
            assert (place >= 0) == (matched >= 0)
            if matched >= 0:
                assert overlap(proposal, drawn[place]) == pytest.approx(
                    overlap(proposal, drawn[matched])
                )


def test_what_is_stated_but_not_drawn_teaches_no_proposal() -> None:
    said = proposal_targets(
        torch.tensor([[0.0, 0, 4, 4]]),
        torch.tensor([[0.0, 0, 4, 4]]),
        torch.tensor([0]),
        torch.tensor([PRESENT, PRESENT, UNKNOWN]),
        RULES,
    )
    assert said.weight.tolist() == [[1.0, 0.0, 0.0]]
    assert undrawn(torch.tensor([0]), torch.tensor([PRESENT, PRESENT, UNKNOWN])).tolist() == [
        False,
        True,
        False,
    ]


def proposal_network() -> CautiousProposalNetwork:
    """A small one, over one map of 8 x 8 cells of 8 pixels."""
    anchors = AnchorGenerator(((16,),), ((1.0,),))
    counts = {"training": 20, "testing": 20}
    return CautiousProposalNetwork(anchors, RPNHead(4, 1), 0.5, 0.3, 32, 0.5, counts, counts, 0.7)


def test_off_the_boxes_of_an_incomplete_image_no_anchor_is_background() -> None:
    network = proposal_network()
    grid = torch.arange(8.0) * 8
    corners = torch.cartesian_prod(grid, grid)
    anchors = [torch.cat([corners, corners + 16], dim=1)] * 3
    drawn = {"boxes": torch.tensor([[8.0, 8.0, 24.0, 24.0]])}
    empty = {"boxes": torch.zeros(0, 4)}
    labels, _ = network.assign_targets_to_anchors(
        anchors,
        [
            {**drawn, "complete": torch.tensor(True)},
            {**drawn, "complete": torch.tensor(False)},
            {**empty, "complete": torch.tensor(False)},
        ],
    )
    assert set(labels[0].tolist()) == {1.0, 0.0, -1.0}
    assert set(labels[1].tolist()) == {1.0, -1.0}
    assert torch.equal(labels[0] == 1, labels[1] == 1)
    assert set(labels[2].tolist()) == {-1.0}
    losses = network.compute_loss(
        torch.randn(3 * 64, 1), torch.randn(3 * 64, 4), [labels[2]] * 3, [anchors[0]] * 3
    )
    assert [float(loss) for loss in losses] == [0.0, 0.0]


class _Fixed(nn.Module):
    """Gives what it was made with, whatever it is asked."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value

    def forward(self, *_: object) -> object:
        return self.value


def heads(logits: Tensor, deltas: Tensor, instance_weight: float = 0.0) -> IndependentFindingHeads:
    """The second stage with given outputs."""
    made = IndependentFindingHeads(
        _Fixed(None), _Fixed(None), _Fixed((logits, deltas)), 0.5, 0.5, 64, 0.25, None, 0.3, 0.5, 10
    )
    made.rules, made.instance_weight = RULES, instance_weight
    return made


def test_the_losses_of_a_hand_worked_image() -> None:
    # One drawn box, taken as the only proposal: finding 0 is drawn, 1 stated only, 2 absent.
    logits = torch.tensor([[0.0, 1.0, -2.0]], requires_grad=True)
    deltas = torch.zeros(1, 12, requires_grad=True)
    stage = heads(logits, deltas, instance_weight=0.5).train()
    target = {
        "boxes": torch.tensor([[0.0, 0.0, 10.0, 10.0]]),
        "labels": torch.tensor([1]),
        "stated": torch.tensor([PRESENT, PRESENT, ABSENT]),
    }
    _, losses = stage({}, [torch.zeros(0, 4)], [(32, 32)], [target])
    softplus = nn.functional.softplus
    judged = softplus(torch.tensor(0.0)) + softplus(torch.tensor(-2.0))
    assert float(losses["loss_classifier"].detach()) == pytest.approx(float(judged))
    assert float(losses["loss_box_reg"].detach()) == 0.0
    assert float(losses["loss_instances"].detach()) == pytest.approx(
        0.5 * float(softplus(torch.tensor(-1.0)))
    )
    losses["loss_classifier"].backward()
    assert logits.grad is not None and float(logits.grad[0, 1]) == 0.0


def test_boxes_come_out_one_for_each_place_and_finding() -> None:
    proposals = torch.tensor([[0.0, 0, 20, 20], [1.0, 1, 21, 21], [0.0, 0, 20, 20]])
    logits = torch.tensor([[2.0, 1.0, -9.0], [1.0, -9.0, -9.0], [-9.0, -9.0, -9.0]])
    stage = heads(logits, torch.zeros(3, 12)).eval()
    (found,), losses = stage({}, [proposals], [(16, 32)], None)
    assert losses == {}
    # The second proposal lies on the first and is suppressed for finding 1 (numbered from 1).
    assert found["labels"].tolist() == [1, 2]
    assert found["scores"].tolist() == pytest.approx([0.8808, 0.7311], abs=1e-4)
    assert found["boxes"].tolist() == [[0, 0, 20, 16]] * 2


def test_no_finding_names_a_side_so_mirroring_moves_boxes_only() -> None:
    assert not [name for name in Finding if {"left", "right"} & set(name.split("_"))]
