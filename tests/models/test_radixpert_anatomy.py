"""Radixpert's second version: fusion by hand, frozen branches, its planned work, preferences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_loop import small_loop

from findings.claims import Claim
from findings.vocabulary import Finding, Language, Side
from models.data.records import Split
from models.data.weak_pair_sources import FOURTEEN, with_absences
from models.radixpert_anatomy.fusion import AnatomyFusion, on_grid
from models.radixpert_anatomy.maps import FINER, FIVE, AnatomyMaps, known_maps, read_segmenter
from models.radixpert_anatomy.network import AnatomyNetwork, Seen, channels_of
from models.radixpert_anatomy.paper import count_radixpert_anatomy, paper_count
from models.radixpert_anatomy.preset import ROWS, AnatomyPreset, AnatomyShape, AnatomySwitches
from models.radixpert_anatomy.prompting import prompt_with
from models.radixpert_anatomy.task import AnatomyTask, PreferenceTask
from models.radixpert_anatomy.visual import AdaptedEncoder
from models.reports.cases import CaseSet, ReportCase
from models.reports.contract import Decoding
from models.reports.neighbours import NearestReports
from models.reports.preference import dpo_loss, preference_pairs, worse
from models.reports.prompts import REPORT_PROMPT
from models.reports.vision import HubEncoder
from models.training.loop import TrainingLoop
from models.training.presets import read_preset
from models.training.roles import Role

SHAPE = AnatomyShape.model_validate(
    {
        "pooled": 2,
        "embedding": 3,
        "projector": 16,
        "lora": {"rank": 4, "alpha": 8.0},
        "visual_lora": {"rank": 2, "alpha": 4.0},
    }
)
WIDTH = 6
PROMPT = REPORT_PROMPT[Language.ENGLISH]
LOOP = small_loop(80)
Make = Callable[..., Any]


def network_of(tiny: Make, switches: AnatomySwitches, most_tokens: int = 40) -> AnatomyNetwork:
    """Over a tiny random Llama."""
    model, tokenizer = tiny()
    torch.manual_seed(1)
    return AnatomyNetwork(model, tokenizer, WIDTH, SHAPE, switches, most_tokens)


def shown(count: int, switches: AnatomySwitches, seed: int = 0) -> Seen:
    """Random patches and maps."""
    source = torch.Generator().manual_seed(seed)
    maps = torch.rand(count, channels_of(switches), 4, 4, generator=source)
    return Seen(
        torch.randn(count, 16, WIDTH, generator=source),
        maps if switches.anatomy else None,
        (PROMPT,) * count,
    )


# The fusion


def test_each_patch_meets_the_anatomy_in_it() -> None:
    torch.manual_seed(0)
    fusion: Any = AnatomyFusion(WIDTH, 5, 3, 4, 8)
    patches, maps = torch.randn(2, 9, WIDTH), torch.rand(2, 5, 6, 6)
    found = fusion(patches, on_grid(maps, 3))
    first, last = fusion.projector[0], fusion.projector[2]
    for row in range(2):
        for place in range(9):
            y, x = divmod(place, 3)
            density = maps[row, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean(dim=(1, 2))
            meaning = fusion.semantic.weight[:, :, 0, 0] @ density + fusion.semantic.bias
            joined = torch.cat([fusion.norm(patches[row, place]), meaning])
            hidden = torch.nn.functional.gelu(first.weight @ joined + first.bias)
            wanted = last.weight @ hidden + last.bias
            assert torch.allclose(found[row, place], wanted, atol=1e-5)
    with pytest.raises(ValueError, match="needs the maps"):
        fusion(patches, None)


def test_maps_hold_how_much_of_a_patch_each_region_fills(chest_film: Make) -> None:
    segmenter = read_segmenter()
    film = chest_film(90, 80)
    plain, finer = (AnatomyMaps(segmenter, 4, 4, own) for own in (False, True))
    maps = finer.of(film)
    assert maps.shape == (len(FIVE) + len(FINER), 4, 4) and plain.channels == 5
    assert float(maps.min()) >= 0 and float(maps.max()) <= 1
    assert np.array_equal(plain.of(film), maps[:5])


def test_maps_are_made_once(tmp_path: Path, shared_data: Path) -> None:
    images = sorted((shared_data / "nih" / "images").glob("*.jpg"))[:3]
    anatomy = AnatomyMaps(read_segmenter(), 4, 4, False)
    used = np.array([0, 2])
    known = known_maps(anatomy, images, used, tmp_path)
    lungs = known(np.array([2, 0]))
    assert lungs.shape == (2, 5, 4, 4) and float(lungs[:, :2].mean()) > 0.05
    # The patient's left lung lies on the image's right.
    assert float(lungs[:, 0, :, 2:].sum()) > 3 * float(lungs[:, 0, :, :2].sum())
    with pytest.raises(KeyError):
        known(np.array([1]))
    [file] = tmp_path.glob("anatomy-maps-*.npy")
    written = file.stat().st_mtime_ns
    again = known_maps(anatomy, images, used, tmp_path)
    assert torch.equal(again(used), known(used)) and file.stat().st_mtime_ns == written


# What trains


def test_projector_convolution_and_adapters_train_alone(tiny_language_model: Make) -> None:
    switches = AnatomySwitches()
    network = network_of(tiny_language_model, switches)
    before = {name: value.clone() for name, value in network.named_parameters()}
    trained = network.trained_names()
    assert {"fusion" if n.startswith("fusion") else n.split(".")[-3] for n in trained} == {
        "fusion",
        "lora_A",
        "lora_B",
    }
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network.train()
    for _ in range(2):
        optimiser.zero_grad()
        network.report_loss(shown(2, switches), ["The heart is large.", "No nodule."]).backward()
        optimiser.step()
    now = dict(network.named_parameters())
    assert all(torch.equal(now[n], old) for n, old in before.items() if n not in trained)
    assert all(not torch.equal(now[name], before[name]) for name in trained if "norm" not in name)


def test_adapters_are_single_precision_over_a_half_precision_rest(
    tiny_language_model: Make,
) -> None:
    def halved() -> Any:
        model, tokenizer = tiny_language_model()
        return model.bfloat16(), tokenizer

    switches = AnatomySwitches()
    network = network_of(halved, switches)
    kinds = {p.requires_grad: p.dtype for p in network.parameters()}
    assert kinds == {True: torch.float32, False: torch.bfloat16}
    network.report_loss(shown(2, switches), ["The heart is large.", "No nodule."]).backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)
    assert len(network.eval().write(shown(2, switches), Decoding(most_tokens=4, beams=2))) == 2


@pytest.mark.parametrize("row", [row for row in ROWS if row not in ("visual_lora", "preference")])
def test_rows_change_the_network(tiny_language_model: Make, row: str) -> None:
    switches = ROWS[row]
    network = network_of(tiny_language_model, switches)
    names = network.trained_names()
    assert any("lora_" in name for name in names) == switches.lora
    assert any("semantic" in name for name in names) == switches.anatomy
    seen = shown(2, switches)
    prefix = network.prefix(seen)
    assert prefix.shape == (2, 4, 32)
    if seen.maps is not None:
        other = Seen(seen.image, seen.maps.flip(-1), seen.prompts)
        assert not torch.allclose(prefix, network.prefix(other), atol=1e-4)


class Plain:
    """Words that the tiny language model knows."""

    def report(self, claims: Sequence[Claim], random: np.random.Generator) -> str:
        """One short sentence for each affirmed claim."""
        said = [
            f"{claim.side or ''} {claim.finding.replace('_', ' ')}".strip()
            for claim in claims
            if claim.present
        ]
        return " ".join(f"There is {one}." for one in said)


class Claimed:
    """Cases with a finding on a side each."""

    def __init__(self, count: int) -> None:
        sides = (Side.LEFT, Side.RIGHT)
        found = [
            with_absences([Claim(finding=finding, side=side)], ())
            for finding in FOURTEEN[: (count + 1) // 2]
            for side in sides
        ][:count]
        splits = (Split.TRAIN, Split.VAL)
        cases = [
            ReportCase("nih", f"{split}{place}", f"p{place}", Path("none"), split, claims)
            for split in splits
            for place, claims in enumerate(found)
        ]
        self.set = CaseSet(cases, Plain())
        self.seen = shown(count, AnatomySwitches(), seed=5)
        self.count = count

    def look(self, indices: np.ndarray[Any, Any]) -> Seen:
        """Both splits show the same images."""
        rows = torch.from_numpy(np.asarray(indices) % self.count)
        assert self.seen.maps is not None
        return Seen(self.seen.image[rows], self.seen.maps[rows], (PROMPT,) * len(rows))


def test_eight_cases_are_learnt_by_heart_and_a_killed_run_ends_alike(
    tiny_language_model: Make, tmp_path: Path
) -> None:
    held = Claimed(8)

    def task() -> AnatomyTask:
        return AnatomyTask(
            held.set,
            held.look,
            8,
            0.0,
            lambda: network_of(tiny_language_model, AnatomySwitches()),
        )

    whole = TrainingLoop(task(), LOOP, tmp_path / "whole")
    outcome = whole.run()
    figures = outcome.best().metrics
    # The frozen output layer of so small a model bounds how sure it can be.
    assert figures["loss"] < 0.9 and figures["image_gain"] > 0.5
    network: Any = whole.network
    network.load_state_dict(outcome.best_weights)
    network.eval()
    order = held.set.validation
    texts = network.write(held.look(order), Decoding(most_tokens=20))
    random = np.random.default_rng(0)
    assert texts == [held.set.report(int(index), random) for index in order]
    short = LOOP.model_copy(update={"steps": 6, "validate_every": 3})
    straight = TrainingLoop(task(), short, tmp_path / "straight")
    straight.run()
    killed = TrainingLoop(task(), short, tmp_path / "killed")
    for _ in range(3):
        killed.advance()
    killed.validate()
    killed.save()
    killed.advance()
    resumed = TrainingLoop(task(), short, tmp_path / "killed")
    assert resumed.resume() and resumed.step == 3
    resumed.run()
    for name, value in straight.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


# Planned work


def test_visual_adapters_learn_on_a_copy_of_the_encoder(
    tiny_language_model: Make, hub_classifier_folder: Make, chest_film: Make, tmp_path: Path
) -> None:
    encoder = HubEncoder(hub_classifier_folder(tmp_path / "vit"))
    assert (encoder.rows, encoder.columns, encoder.width) == (4, 4, 16)
    films = [chest_film(40, 40), chest_film(40, 40).T.copy()]
    before = encoder.encode(films)
    adapted = AdaptedEncoder(encoder, SHAPE.visual_lora)
    assert torch.allclose(adapted.encode(films), before, atol=1e-5)
    model, tokenizer = tiny_language_model()
    network = AnatomyNetwork(
        model, tokenizer, 16, SHAPE, AnatomySwitches(anatomy=False), 40, adapted
    )
    names = [n for n in network.trained_names() if n.startswith("encoder")]
    assert names and all("lora_" in name and ".visual." in name for name in names)
    seen = Seen(adapted.pixels(films), None, (PROMPT, PROMPT))
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network.train()
    for _ in range(3):
        optimiser.zero_grad()
        network.report_loss(seen, ["The heart is large.", "No nodule."]).backward()
        optimiser.step()
    assert not torch.allclose(adapted.encode(films), before, atol=1e-3)
    assert torch.equal(encoder.encode(films), before)


def test_neighbours_are_of_other_patients_and_survive_the_disk(tmp_path: Path) -> None:
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1]], dtype=np.float32)
    index = NearestReports(vectors, ["first", "second", "third"], ["a", "b", "c"])
    query = np.array([1, 0], dtype=np.float32)
    assert index.nearest(query, 2) == ["first", "second"]
    assert index.nearest(query, 2, patient="a") == ["second", "third"]
    index.save(tmp_path)
    assert NearestReports.load(tmp_path).nearest(query, 3) == ["first", "second", "third"]
    assert "patient" not in (tmp_path / "neighbours.json").read_text().replace("patients", "")
    prompt = prompt_with(["Heart large. Lungs clear."], Language.ENGLISH, 2)
    assert prompt.startswith("Report of a similar radiograph: Heart large.\n")
    assert prompt.endswith(PROMPT) and prompt_with([], Language.ENGLISH, 2) == PROMPT


def test_the_preference_loss_is_the_published_one() -> None:
    policy = torch.tensor([[-3.0, -5.0], [-4.0, -2.0]])
    reference = torch.tensor([[-3.5, -4.5], [-4.0, -4.0]])
    margins = [(-3.0 + 3.5) - (-5.0 + 4.5), 0.0 - 2.0]
    wanted = sum(-math.log(1 / (1 + math.exp(-0.3 * margin))) for margin in margins) / 2
    assert float(dpo_loss(policy, reference, 0.3)) == pytest.approx(wanted, abs=1e-6)
    assert float(dpo_loss(reference, reference, 0.3)) == pytest.approx(math.log(2), abs=1e-6)


def test_worse_reports_have_one_thing_wrong() -> None:
    random = np.random.default_rng(0)
    left = Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.LEFT)
    claims = with_absences([left], FOURTEEN)
    kinds = set()
    for _ in range(60):
        changed = {c for c in worse(claims, random) if c.present}
        right = left.model_copy(update={"side": Side.RIGHT})
        if changed == {right}:
            kinds.add("side")
        elif left in changed and len(changed) == 2:
            kinds.add("made up")
        elif changed == {Claim(finding=Finding.NO_FINDING)}:
            kinds.add("left out")
        else:
            pytest.fail(f"not one of the known faults: {changed}")
    assert kinds == {"side", "made up", "left out"}
    normal = with_absences((), FOURTEEN)
    [made_up] = [c for c in worse(normal, random) if c.present]
    assert made_up.finding is not Finding.NO_FINDING


def test_preferences_are_learnt_from_where_training_ended(
    tiny_language_model: Make, tmp_path: Path
) -> None:
    held = Claimed(8)
    pairs = preference_pairs(held.set, 20, 0.0, seed=1)
    assert len(pairs) > 15 and pairs == preference_pairs(held.set, 20, 0.0, seed=1)
    task = PreferenceTask(
        held.set,
        held.look,
        8,
        0.0,
        lambda: network_of(tiny_language_model, AnatomySwitches()),
        {},
        pairs,
        beta=0.1,
    )
    settings = LOOP.model_copy(update={"steps": 10, "validate_every": 10, "learning_rate": 5e-3})
    loop = TrainingLoop(task, settings, tmp_path)
    first = loop.advance()
    assert first == pytest.approx(math.log(2), abs=1e-3)
    outcome = loop.run()
    assert outcome.history[-1].loss < 0.6
    assert 0 <= outcome.history[-1].metrics["preferred"] <= 1


# The paper's size


def test_the_papers_parameters_add_up() -> None:
    counted = paper_count("anatomy")
    block = 64 * (2 * (2560 + 2048) + 2 * (2560 + 1024) + 3 * (2560 + 10240))
    convolution = 5 * 64 + 64
    projector = (768 + 64) * 2048 + 2048 + 2048 * 2560 + 2560
    assert counted.trainable == 34 * block + convolution + projector + 2 * 768
    assert round(counted.trainable / 1e6) == 126
    base = paper_count("base")
    assert base.trainable == 768 * 2560 + 2560 + 2 * 768
    counts = {count.row: count for count in count_radixpert_anatomy()}
    assert counts["anatomy"].ours == counted.trainable and counts["whole"].reason


def test_presets_are_read() -> None:
    paper = read_preset(AnatomyPreset, Role.REPORT, "radixpert_anatomy-paper")
    assert paper.cases.most_cases == 16000 and paper.cases.language is Language.SPANISH
    small = read_preset(AnatomyPreset, Role.REPORT, "radixpert_anatomy-small")
    assert small.preference_loop().steps == small.preference.steps
