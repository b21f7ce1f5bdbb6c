"""Clue injection, cross-modal interaction and losses of TRRG."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from findings.vocabulary import Finding
from models.clues.prompts import DISEASES, clue_prompts
from models.clues.scoring import PROMPTS
from models.trrg.injection import DEVICES, choose_clues, device_prompts, told_prompts
from models.trrg.interaction import CrossModalClueInteraction, consistency_loss
from models.trrg.network import ClueWords, Switches
from models.trrg.preset import ROWS

SCALE = 20.0


def near(*findings: Finding, devices: float = -0.5, which: int = 0) -> tuple[np.ndarray, ...]:
    """Cosines of a film that is nearest to the diseases given, the first the nearest."""
    prompts = np.full((1, len(clue_prompts())), -0.2)
    for place, finding in enumerate(findings):
        prompts[0, PROMPTS.affirming[finding]] = 0.9 - 0.1 * place
    device = np.full((1, len(device_prompts())), -0.6)
    device[0, which] = devices
    return prompts, device


def told(rows: np.ndarray) -> list[str]:
    """The texts of one film's clues."""
    return [told_prompts()[row].text for row in rows[0]]


# Injection


def test_the_three_heaviest_diseases_are_told_in_order() -> None:
    film = near(Finding.MASS, Finding.EDEMA, Finding.HERNIA, Finding.NODULE)
    found = choose_clues(*film, scale=SCALE, most=3, keep_devices=False)
    names = [told_prompts()[row].finding for row in found.rows[0]]
    assert names == [Finding.MASS, Finding.EDEMA, Finding.HERNIA]


def test_weights_are_the_softmax_of_the_nearest_prompts() -> None:
    prompts, devices = near(Finding.MASS, Finding.EDEMA)
    weights = choose_clues(prompts, devices, SCALE, 3, False).weights[0]
    raised = [
        math.exp(SCALE * max(prompts[0, place] for place in PROMPTS.affirming[finding]))
        for finding in DISEASES
    ]
    wanted = [value / sum(raised) for value in raised]
    assert weights == pytest.approx(wanted)
    assert weights.sum() == pytest.approx(1)


def test_clues_name_no_severity_and_a_side_only_where_it_is_clear() -> None:
    assert all(prompt.severity is None for prompt in told_prompts())
    prompts, devices = near(Finding.PLEURAL_EFFUSION)
    flat = choose_clues(prompts, devices, SCALE, 1, False).rows
    assert told_prompts()[flat[0, 0]].side is None
    for place in PROMPTS.affirming[Finding.PLEURAL_EFFUSION]:
        if PROMPTS.prompts[place].side == "left":
            prompts[0, place] = 1.0
    sided = choose_clues(prompts, devices, SCALE, 1, False).rows
    assert told_prompts()[sided[0, 0]].side == "left"


def test_devices_are_crowded_out_without_a_place_of_their_own() -> None:
    """The paper's known failure: a pacemaker beside three heavier diseases is forgotten."""
    pacemaker = DEVICES.index(Finding.PACEMAKER)
    film = near(Finding.MASS, Finding.EDEMA, Finding.HERNIA, devices=0.5, which=pacemaker)
    competing = choose_clues(*film, scale=SCALE, most=3, keep_devices=False)
    assert not any("pacemaker" in text for text in told(competing.rows))
    kept = choose_clues(*film, scale=SCALE, most=3, keep_devices=True)
    assert told(kept.rows)[:3] == told(competing.rows)
    assert told(kept.rows)[3] == "Clue: pacemaker"


@pytest.mark.parametrize("seed", range(20))
def test_no_film_loses_its_device_clue(seed: int) -> None:
    random = np.random.default_rng(seed)
    prompts = random.uniform(-1, 1, (4, len(clue_prompts())))
    devices = random.uniform(-1, 1, (4, len(device_prompts())))
    rows = choose_clues(prompts, devices, SCALE, 3, True).rows
    assert rows.shape == (4, 4)
    for film in range(4):
        nearest = device_prompts()[int(devices[film].argmax())]
        assert told_prompts()[rows[film, 3]] == nearest
        assert not {told_prompts()[row] for row in rows[film, :3]} & set(device_prompts())


def test_a_film_without_device_is_told_of_none() -> None:
    denial = len(device_prompts()) - 1
    film = near(Finding.MASS, devices=0.8, which=denial)
    rows = choose_clues(*film, scale=SCALE, most=3, keep_devices=True).rows
    assert told(rows)[3] == "Clue: absence of support device"


def test_a_heavy_device_wins_a_place_among_competing_clues() -> None:
    film = near(Finding.MASS, Finding.EDEMA, devices=0.85)
    rows = choose_clues(*film, scale=SCALE, most=3, keep_devices=False).rows
    assert "Clue: support device" in told(rows)


# Interaction


def attention_by_hand(
    module: nn.MultiheadAttention, asked: Tensor, known: Tensor, absent: Tensor | None
) -> Tensor:
    """Scaled dot-product attention with loops over queries, heads and keys."""
    width, heads = module.embed_dim, module.num_heads
    each = width // heads
    weight, bias = module.in_proj_weight, module.in_proj_bias
    queries = asked @ weight[:width].T + bias[:width]
    keys = known @ weight[width : 2 * width].T + bias[width : 2 * width]
    values = known @ weight[2 * width :].T + bias[2 * width :]
    rows = []
    for query in queries:
        joined = []
        for head in range(heads):
            part = slice(head * each, (head + 1) * each)
            scores = [
                -math.inf
                if absent is not None and bool(absent[place])
                else float(query[part] @ key[part]) / math.sqrt(each)
                for place, key in enumerate(keys)
            ]
            total = sum(math.exp(score) for score in scores)
            mixed = torch.zeros(each)
            for score, value in zip(scores, values, strict=True):
                mixed = mixed + math.exp(score) / total * value[part]
            joined.append(mixed)
        rows.append(module.out_proj(torch.cat(joined)))
    return torch.stack(rows)


def test_interaction_follows_equations_2_and_3() -> None:
    torch.manual_seed(0)
    module = CrossModalClueInteraction(5, 6, width=8, heads=2, queries=3, inner=16).eval()
    visual, clues = torch.randn(1, 4, 5), torch.randn(1, 5, 6)
    absent = torch.tensor([[False, False, True, False, True]])
    with torch.no_grad():
        found_v, found_c = module(visual, clues, absent)
        seen, told_words = module.project_visual(visual[0]), module.project_clues(clues[0])
        seen = attention_by_hand(module.within_visual, seen, seen, None)
        told_words = attention_by_hand(module.within_clues, told_words, told_words, absent[0])
        wanted_v = module.feed_visual(
            attention_by_hand(module.ask_visual, module.queries, seen, None)
        )
        wanted_c = module.feed_clues(
            attention_by_hand(module.ask_clues, module.queries, told_words, absent[0])
        )
    torch.testing.assert_close(found_v[0], wanted_v)
    torch.testing.assert_close(found_c[0], wanted_c)


def test_what_is_absent_has_no_say() -> None:
    torch.manual_seed(0)
    module = CrossModalClueInteraction(5, 6, width=8, heads=2, queries=3, inner=16).eval()
    visual, clues = torch.randn(1, 4, 5), torch.randn(1, 5, 6)
    absent = torch.tensor([[False, False, False, True, True]])
    with torch.no_grad():
        long = module(visual, clues, absent)
        short = module(visual, clues[:, :3], absent[:, :3])
    for one, other in zip(long, short, strict=True):
        torch.testing.assert_close(one, other)


def test_the_consistency_loss_is_the_mean_cosine() -> None:
    visual = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    clues = torch.tensor([[[3.0, 0.0], [1.0, 1.0]]])
    # cosines 1 and 1/sqrt(2)
    assert float(consistency_loss(visual, clues)) == pytest.approx(-(1 + 1 / math.sqrt(2)) / 2)
    assert float(consistency_loss(visual, -visual)) == pytest.approx(1)


# Clue words and switches


def test_clue_words_are_gathered_with_their_ends() -> None:
    vectors = torch.arange(12, dtype=torch.float32).view(3, 2, 2)
    words = ClueWords(vectors, torch.tensor([[True, False], [True, True], [True, True]]), 2)
    found, absent = words(torch.tensor([[2, 0]]))
    assert found.tolist() == [[[8, 9], [10, 11], [0, 1], [2, 3]]]
    assert absent.tolist() == [[False, False, False, True]]


def test_the_table_has_its_four_rows_and_the_guard() -> None:
    assert list(ROWS) == ["trrg", "base", "dci", "cmci", "competing"]
    assert ROWS["trrg"] == Switches()
    with pytest.raises(ValueError, match="needs clue injection"):
        Switches(dci=False)
    with pytest.raises(ValueError, match="needs clue interaction"):
        Switches(cmci=False)
