"""Lesion cross-attention, contrastive losses and region decoder of CLALA-Net."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from findings.regions import CLALA_REGIONS
from models.clala.attention import LesionCrossAttention, lesion_weights
from models.clala.decoder import DecoderShape, RegionDecoder
from models.clala.losses import info_nce, lesion_negatives, shared_lesion
from models.clala.network import (
    ClalaNetwork,
    ClalaShape,
    PatchRegions,
    RegionEyeShape,
    RegionViews,
    Switches,
    TrunkRegions,
)
from models.clues.preset import TextEncoderSettings
from models.reports.contract import Decoding

TEXT = TextEncoderSettings(model="none", frozen=True, hidden=6)
SHAPE = ClalaShape(
    eye=RegionEyeShape(kind="trunk", channels=5, pooled=1),
    width=16,
    heads=2,
    dropout=0.0,
    text=TEXT,
    text_width=8,
    decoder=DecoderShape(width=16, layers=1, heads=2, feed_forward=16, most_tokens=6, dropout=0.0),
)


def views(films: int = 2) -> RegionViews:
    """Random trunk maps with random boxes."""
    torch.manual_seed(1)
    corners = torch.rand(films, len(CLALA_REGIONS), 2, 2).sort(dim=2).values
    boxes = corners.flatten(2)
    return RegionViews(
        present=torch.ones(films, len(CLALA_REGIONS), dtype=torch.bool),
        boxes=boxes,
        maps=torch.rand(films, 5, 10, 10),
    )


def network(switches: Switches | None = None, shape: ClalaShape = SHAPE) -> ClalaNetwork:
    """A tiny network with twelve words."""
    torch.manual_seed(0)
    return ClalaNetwork(shape, switches or Switches(), 12, (0, 1, 2), torch.randn(14, 6)).eval()


# Lesion cross-attention


def test_weights_are_nine_tenths_and_one_tenth() -> None:
    weights = lesion_weights(torch.tensor([[True, False]]))
    assert weights.tolist() == [[pytest.approx(0.9), pytest.approx(0.1)]]


def attended_by_hand(
    module: LesionCrossAttention, regions: Tensor, lesions: Tensor, weights: Tensor
) -> Tensor:
    """The paper's equations with loops: one film, one head after the other."""
    attention = module.attention
    width, heads = attention.embed_dim, attention.num_heads
    each = width // heads
    bias_q, bias_k, bias_v = attention.in_proj_bias.split(width)
    hinted = torch.stack([weights[i] * lesions[i] for i in range(len(lesions))])
    rows = []
    for region in regions:
        joined = []
        for head in range(heads):
            part = slice(head * each, (head + 1) * each)
            query = attention.q_proj_weight[part] @ region + bias_q[part]
            keys = [attention.k_proj_weight[part] @ own + bias_k[part] for own in hinted]
            values = [attention.v_proj_weight[part] @ own + bias_v[part] for own in hinted]
            scores = [float(query @ key) / math.sqrt(each) for key in keys]
            total = sum(math.exp(score) for score in scores)
            shares = [math.exp(score) / total for score in scores]
            joined.append(
                sum(
                    (share * value for share, value in zip(shares, values, strict=True)),
                    torch.zeros(each),
                )
            )
        rows.append(region + attention.out_proj(torch.cat(joined)))
    return torch.stack([module.norm(row) for row in rows])


def test_cross_attention_follows_the_equations() -> None:
    torch.manual_seed(0)
    module = LesionCrossAttention(width=8, text_width=6, heads=2).eval()
    regions, lesions = torch.randn(1, 3, 8), torch.randn(14, 6)
    weights = lesion_weights(torch.rand(1, 14) > 0.5)
    with torch.no_grad():
        found = module(regions, lesions, weights)[0]
        wanted = attended_by_hand(module, regions[0], lesions, weights[0])
    torch.testing.assert_close(found, wanted)


def test_a_label_changes_every_region_of_its_film_and_of_no_other() -> None:
    net, seen = network(), views()
    labels = torch.zeros(2, 14, dtype=torch.bool)
    with torch.no_grad():
        raw = net.look(seen)
        before = net.refine(raw, labels)
        labels[1, 3] = True
        after = net.refine(raw, labels)
    assert torch.equal(before[0], after[0])
    assert bool((before[1] != after[1]).any(dim=-1).all())


def test_without_the_switch_labels_make_no_difference() -> None:
    net = network(Switches(lca=False))
    raw = torch.randn(2, 11, 16)
    assert torch.equal(net.refine(raw, torch.ones(2, 14, dtype=torch.bool)), raw)
    assert not any(name.startswith("attention") for name, _ in net.named_parameters())


# Contrastive losses


def nce_by_hand(anchors: Tensor, others: Tensor, temperature: float, negatives: Tensor) -> float:
    """InfoNCE in plain loops."""
    losses = []
    for i, anchor in enumerate(anchors):
        cosines = [
            float(anchor @ other / (anchor.norm() * other.norm())) / temperature for other in others
        ]
        chosen = [c for j, c in enumerate(cosines) if j == i or bool(negatives[i, j])]
        losses.append(-cosines[i] + math.log(sum(math.exp(c) for c in chosen)))
    return sum(losses) / len(losses)


def test_info_nce_is_the_slow_reference() -> None:
    torch.manual_seed(0)
    anchors, others = torch.randn(6, 4), torch.randn(6, 4)
    negatives = torch.rand(6, 6) > 0.4
    negatives.fill_diagonal_(False)
    found = info_nce(anchors, others, torch.tensor(0.2), negatives)
    assert float(found) == pytest.approx(nce_by_hand(anchors, others, 0.2, negatives), rel=1e-5)


def test_info_nce_of_orthogonal_pairs_is_known() -> None:
    # Each pair has cosine 1, each negative 0: -1 + log(e + 2) at temperature 1.
    found = info_nce(torch.eye(3) * 5, torch.eye(3) * 2, torch.tensor(1.0), ~torch.eye(3).bool())
    assert float(found) == pytest.approx(-1 + math.log(math.e + 2))


def test_a_pair_without_negatives_teaches_nothing() -> None:
    one = torch.randn(2, 4, requires_grad=True)
    loss = info_nce(one, torch.randn(2, 4), torch.tensor(0.1), torch.zeros(2, 2).bool())
    assert float(loss.detach()) == 0
    none = one[:0].detach()
    assert float(info_nce(none, none, torch.tensor(0.1), torch.zeros(0, 0).bool())) == 0


def test_negatives_differ_in_lesion_or_place() -> None:
    lesions, places = torch.tensor([4, 4, 4, 7]), torch.tensor([0, 0, 1, 0])
    assert lesion_negatives(lesions, places).int().tolist() == [
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [1, 1, 0, 1],
        [1, 1, 1, 0],
    ]
    assert lesion_negatives(lesions, places, by_place=False).int().tolist() == [
        [0, 0, 0, 1],
        [0, 0, 0, 1],
        [0, 0, 0, 1],
        [1, 1, 1, 0],
    ]


def test_a_region_that_also_shows_the_lesion_is_no_negative() -> None:
    labels = torch.zeros(3, 14, dtype=torch.bool)
    labels[0, 4] = labels[1, 7] = labels[1, 4] = labels[2, 7] = True
    lesions, places = torch.tensor([4, 7, -1]), torch.tensor([0, 0, 0])
    assert shared_lesion(labels, lesions, places).int().tolist() == [
        [1, 1, 0],  # anchor 0 was chosen for lesion 4, which comparison 1 shows as well
        [0, 1, 1],
        [0, 0, 0],
    ]
    elsewhere = shared_lesion(labels, lesions, torch.tensor([0, 1, 0]))
    assert elsewhere.int().tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


# What looks at the regions


def test_a_region_sees_its_own_part_of_the_map_alone() -> None:
    torch.manual_seed(0)
    eye = TrunkRegions(RegionEyeShape(kind="trunk", channels=5, pooled=2), 7).eval()
    seen = views(1)
    assert seen.maps is not None and seen.boxes is not None
    seen.boxes[0, 0] = torch.tensor([0.0, 0.0, 0.3, 0.3])
    seen.boxes[0, 1] = torch.tensor([0.6, 0.6, 1.0, 1.0])
    changed = RegionViews(seen.present, seen.boxes, seen.maps.clone())
    assert changed.maps is not None
    changed.maps[:, :, 6:, 6:] += 1.0
    with torch.no_grad():
        before, after = eye(seen), eye(changed)
    assert torch.equal(before[0, 0], after[0, 0])
    assert not torch.equal(before[0, 1], after[0, 1])


def test_patches_are_seen_one_by_one_at_any_size() -> None:
    torch.manual_seed(0)
    eye = PatchRegions(RegionEyeShape(layers=1, heads=2, size=32), 16).eval()
    patches = torch.rand(2, 3, 48, 48)
    present = torch.ones(2, 3, dtype=torch.bool)
    with torch.no_grad():
        found = eye(RegionViews(present, patches=patches))
        alone = eye(RegionViews(present[1:, 2:], patches=patches[1:, 2:]))
    assert found.shape == (2, 3, 16)
    torch.testing.assert_close(found[1, 2], alone[0, 0], rtol=1e-4, atol=1e-5)


# Decoder


def test_the_decoder_overfits_and_writes_what_it_learnt() -> None:
    torch.manual_seed(0)
    decoder = RegionDecoder(SHAPE.decoder.model_copy(update={"width": 32}), 8, 12, (0, 1, 2))
    regions = torch.randn(4, 8)
    texts = [[4, 5, 6], [7, 8], [9], [10, 4, 11, 5]]
    optimiser = torch.optim.Adam(decoder.parameters(), lr=5e-3)
    for _ in range(150):
        optimiser.zero_grad()
        loss = decoder.loss(regions, texts)
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.1
    decoder.eval()
    for decoding in (Decoding(), Decoding(beams=3)):
        written = [[word for word in row if word > 2] for row in decoder.write(regions, decoding)]
        assert written == texts
    # One region alone is written as it is within the batch.
    assert [n for n in decoder.write(regions[2:3], Decoding())[0] if n > 2] == texts[2]


def test_words_ahead_are_not_seen() -> None:
    net = network().decoder
    regions = torch.randn(1, 16)
    with torch.no_grad():
        shown = net.show(regions)[:, None]
        one = net.bert(torch.tensor([[1, 5, 6]]), encoder_hidden_states=shown).logits
        other = net.bert(torch.tensor([[1, 5, 9]]), encoder_hidden_states=shown).logits
    torch.testing.assert_close(one[0, :2], other[0, :2])
    assert not torch.equal(one[0, 2], other[0, 2])


def test_the_loss_counts_words_and_ends_and_no_padding() -> None:
    net = network().decoder
    regions = torch.randn(2, 16)
    with torch.no_grad():
        together = float(net.loss(regions, [[4, 5], [6]]))
        first = float(net.loss(regions[:1], [[4, 5]]))
        second = float(net.loss(regions[1:], [[6]]))
    assert together == pytest.approx((3 * first + 2 * second) / 5, rel=1e-4)


def test_sampling_follows_the_seed() -> None:
    net = network().decoder
    regions = torch.randn(3, 16)
    wild = Decoding(sample=True, temperature=5.0)
    assert net.write(regions, wild, seed=3) == net.write(regions, wild, seed=3)
    texts = {str(net.write(regions, wild, seed=seed)) for seed in range(4)}
    assert len(texts) > 1


# Two stages


def test_fine_tuning_moves_attention_and_decoder_alone() -> None:
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.for_fine_tuning()
    seen, labels = views(), torch.rand(2, 14) > 0.5
    optimiser = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(3):
        optimiser.zero_grad()
        refined = net.refine(net.look(seen), labels).flatten(0, 1)
        net.decoder.loss(refined, [[4, 5]] * len(refined)).backward()
        optimiser.step()
    moved = {
        name.partition(".")[0]
        for name, value in net.state_dict().items()
        if not torch.equal(before[name], value)
    }
    assert moved == {"attention", "decoder"}


def test_regions_know_their_names() -> None:
    seen = views(1)
    assert seen.boxes is not None
    seen.boxes[:] = torch.tensor([0.1, 0.1, 0.6, 0.6])
    with torch.no_grad():
        named = network().look(seen)[0]
        nameless = network(shape=SHAPE.model_copy(update={"named_regions": False})).look(seen)[0]
    assert len(np.unique(named.numpy().round(5), axis=0)) == len(CLALA_REGIONS)
    assert len(np.unique(nameless.numpy().round(5), axis=0)) == 1
