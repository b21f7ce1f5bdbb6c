"""The clue retriever: its loss, its prompts, that it learns, and what it retrieves."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from findings.claims import Claim
from findings.errors import StudyError, WeightsError
from findings.labeler import label_report
from findings.regions import region_side
from findings.vocabulary import Finding, Language, Polarity, Severity, Side
from models.calibration import PlattScale
from models.clues.config import ClueCalibration, ClueConfig
from models.clues.inference import ClueRetriever, DeployedClues, nearest, prompts_digest
from models.clues.loss import contrastive_loss
from models.clues.network import ClueNetwork, build_network
from models.clues.preset import CluePreset, ClueSettings
from models.clues.prompts import DISEASES, clue_prompts
from models.clues.scoring import clue_weights, disease_scores, nearest_prompt, side_shares
from models.clues.task import ClueTask, FrozenInputs, WholeInputs
from models.data.records import Split
from models.data.sentence_pool import SentencePool, composed, level_of
from models.data.trunk_features import trunk_features
from models.data.weak_pair_sources import FOURTEEN, WeakRecord, with_absences
from models.data.weak_pairs import WeakPairs
from models.shipping import write_network
from models.training.clues_run import as_prompts, calibrate, mirror_record
from models.training.loop import TrainingLoop
from models.training.presets import read_preset
from models.training.roles import Role


def slow_loss(images: Tensor, texts: Tensor, scale: float, negatives: Tensor) -> float:
    """Equation 1 of the paper, pair by pair."""
    total = 0.0
    count = len(images)
    for i in range(count):
        own = math.exp(scale * float(images[i] @ texts[i]))
        rivals = sum(
            math.exp(scale * float(images[i] @ texts[j])) for j in range(count) if negatives[i, j]
        )
        total -= math.log(own / (own + rivals)) / 2
        rivals = sum(
            math.exp(scale * float(images[j] @ texts[i])) for j in range(count) if negatives[j, i]
        )
        total -= math.log(own / (own + rivals)) / 2
    return total / count


@given(st.integers(1, 6), st.integers(0, 2**31), st.floats(0.5, 20))
def test_the_loss_is_equation_one(count: int, seed: int, scale: float) -> None:
    torch.manual_seed(seed)
    images = functional.normalize(torch.randn(count, 5, dtype=torch.float64), dim=-1)
    texts = functional.normalize(torch.randn(count, 5, dtype=torch.float64), dim=-1)
    negatives = (torch.rand(count, count) < 0.6) & ~torch.eye(count, dtype=torch.bool)
    fast = contrastive_loss(images, texts, torch.tensor(scale, dtype=torch.float64), negatives)
    assert float(fast) == pytest.approx(slow_loss(images, texts, scale, negatives), abs=1e-9)


def test_what_may_be_true_of_an_image_is_no_negative() -> None:
    torch.manual_seed(0)
    images = functional.normalize(torch.randn(3, 4), dim=-1)
    texts = functional.normalize(torch.randn(3, 4), dim=-1).requires_grad_()
    negatives = torch.tensor([[False, False, True], [False, False, True], [False, False, False]])
    contrastive_loss(images, texts, torch.tensor(5.0), negatives)[None].sum().backward()
    assert texts.grad is not None
    # Text 1 is a negative of no image, so it is pulled to image 1 alone and pushed from none.
    others = torch.stack([images[0], images[2]])
    moved = texts.grad[1]
    basis = torch.linalg.lstsq(images[1][:, None], moved[:, None]).solution
    assert torch.allclose(images[1] * basis[0], moved, atol=1e-6)
    assert not torch.allclose(others[0] * basis[0], moved, atol=1e-3)


def test_the_prompts_are_complete_and_read_back() -> None:
    prompts = clue_prompts()
    assert len({prompt.text for prompt in prompts}) == len(prompts)
    for finding in DISEASES:
        own = [p for p in prompts if p.finding is finding and p.polarity is Polarity.PRESENT]
        places = {(p.side, p.region) for p in own}
        assert {(p.severity, p.side, p.region) for p in own} == {
            (severity, side, region) for severity in (None, *Severity) for side, region in places
        }
        assert len(places) >= 2
    for prompt in prompts:
        (read,) = label_report(prompt.text, Language.ENGLISH)
        assert Claim.model_validate(read.model_dump(exclude={"span"})) == prompt.claim


def record(number: int, *claims: Claim, split: Split = Split.TRAIN) -> WeakRecord:
    """A made radiograph of the NIH kind."""
    facts = with_absences(claims, FOURTEEN)
    return WeakRecord("nih", f"i{number}", f"p{number}", Path("a.jpg"), split, facts)


def test_sentences_take_the_form_of_prompts_that_state_the_same() -> None:
    pool = SentencePool(
        [
            *composed(Claim(finding=Finding.MASS, side=Side.LEFT)),
            *composed(Claim(finding=Finding.EDEMA, polarity=Polarity.ABSENT)),
            *composed(Claim(finding=Finding.SCOLIOSIS)),
        ]
    )
    numbers = as_prompts(pool.sentences)
    assert set(numbers[-3:]) == {-1}
    for sentence, number in zip(pool.sentences[:-3], numbers[:-3], strict=True):
        prompt = clue_prompts()[number]
        (claim,) = sentence.claims
        assert (prompt.finding, prompt.polarity, prompt.side) == (
            claim.finding,
            claim.polarity,
            claim.side,
        )


def test_a_mirrored_record_has_its_sides_exchanged() -> None:
    own = record(0, Claim(finding=Finding.MASS, side=Side.LEFT))
    other = mirror_record(own)
    assert [claim.side for claim in other.present] == [Side.RIGHT]
    assert mirror_record(other) == own


CHANNELS, GRID, WORDS = 24, 4, 48


def settings(**changes: object) -> ClueSettings:
    """A very small retriever over frozen encoders."""
    preset = read_preset(CluePreset, Role.CLUES, "small").clues.model_dump()
    preset["image"] |= {"channels": CHANNELS, "hidden": 32, "grid": GRID, "dropout": 0.0}
    preset["text"] |= {"hidden": WORDS}
    return ClueSettings.model_validate(preset | {"width": 32, "prompt_share": 0.0} | changes)


def toy_text(claims: tuple[Claim, ...]) -> NDArray[np.float32]:
    """A sentence vector that says finding, polarity and side."""
    vector = np.zeros(WORDS, dtype=np.float32)
    for claim in claims:
        if claim.finding in DISEASES:
            row = DISEASES.index(claim.finding)
            vector[row] = 1.0 if claim.present else -1.0
        if claim.side in (Side.LEFT, Side.RIGHT):
            vector[20 if claim.side is Side.LEFT else 21] = 1.0
    vector[23] = 0.1
    return vector


def toy_problem() -> tuple[WeakPairs, FrozenInputs, list[WeakRecord]]:
    """Images that show each disease as one bright channel in one half of the map."""
    random = np.random.default_rng(0)
    records, maps = [], []
    for number in range(126):
        finding = DISEASES[number % len(DISEASES)]
        split = Split.VAL if number % 3 == 0 else Split.TRAIN
        seen = random.random((CHANNELS, GRID, GRID)).astype(np.float16) * 0.3
        left = number % 2 == 0
        # The patient's left lies on the image's right.
        seen[DISEASES.index(finding), :, GRID // 2 :][:, :] += np.float16(2.0 * left)
        seen[DISEASES.index(finding), :, : GRID // 2][:, :] += np.float16(2.0 * (not left))
        sided = finding not in (Finding.CARDIOMEGALY, Finding.HERNIA)
        side = (Side.LEFT if left else Side.RIGHT) if sided else None
        records.append(record(number, Claim(finding=finding, side=side), split=split))
        maps.append(seen)
    stated = {claim for r in records for claim in r.claims if claim.finding in DISEASES}
    pool = SentencePool(s for c in sorted(stated, key=repr) for s in composed(c))
    pairs = WeakPairs([*records, *(mirror_record(r) for r in records)], pool)
    said = [s.claims for s in pool.sentences] + [(p.claim,) for p in clue_prompts()]
    vectors = np.stack([toy_text(claims) for claims in said])
    return pairs, FrozenInputs(np.stack(maps), vectors), records


def test_training_learns_diseases_and_sides_and_leaves_what_is_frozen(tmp_path: Path) -> None:
    pairs, inputs, records = toy_problem()
    every = np.arange(len(records))
    before = inputs.images(every, np.zeros(len(records), dtype=bool)).clone()
    texts = inputs.texts(np.arange(len(pairs.pool))).clone()
    task = ClueTask(settings(), 48, pairs, inputs, as_prompts(pairs.pool.sentences))
    loop = read_preset(CluePreset, Role.CLUES, "small").loop.model_copy(
        update={
            "steps": 60,
            "batch_size": 48,
            "learning_rate": 5e-3,
            "warmup_steps": 5,
            "validate_every": 30,
            "threads": 1,
            "ema_decay": 0.9,
        }
    )
    outcome = TrainingLoop(task, loop, tmp_path).run()
    assert outcome.history[-1].loss < outcome.history[0].loss
    assert outcome.best_value > 0.9
    assert torch.equal(before, inputs.images(every, np.zeros(len(records), dtype=bool)))
    assert torch.equal(texts, inputs.texts(np.arange(len(pairs.pool))))
    network = task.network()
    assert isinstance(network, ClueNetwork)
    network.load_state_dict(outcome.best_weights)
    network.eval()
    with torch.inference_mode():
        prompts = network.embed_texts(
            inputs.texts(np.arange(len(clue_prompts())) + len(pairs.pool))
        )
        seen = network.embed_images(inputs.images(every, np.zeros(len(every), dtype=bool)))
    similarity = (seen @ prompts.T).double().numpy()
    scale = float(network.scale.detach())
    right = asked = 0
    for number, own in enumerate(records):
        (claim, *_) = own.present
        if own.split is Split.VAL and claim.side is not None:
            shares = side_shares(similarity[number], scale, claim.finding)
            asked += 1
            right += shares[claim.side] == max(shares[Side.LEFT], shares[Side.RIGHT])
    assert right / asked > 0.9


def test_a_batch_is_of_one_source_and_its_sentences_are_true() -> None:
    pairs, inputs, records = toy_problem()
    task = ClueTask(settings(), 16, pairs, inputs, as_prompts(pairs.pool.sentences))
    chosen, mirrored, sentences = task.draw(np.random.default_rng(3))
    assert len({records[n].source for n in chosen}) == 1
    assert all(records[n].split is Split.TRAIN for n in chosen)
    own = chosen + mirrored * len(records)
    assert pairs.supported[pairs.situation[own], sentences].all()
    assert not np.diag(pairs.negatives(own, sentences)).any()


def test_encoders_that_learn_do_so_together() -> None:
    pairs, _, records = toy_problem()
    whole = settings(
        image={"backbone": "test_vit", "size": 160},
        text={
            "model": "none",
            "frozen": False,
            "hidden": 16,
            "layers": 1,
            "heads": 2,
            "vocabulary": 30,
        },
    )
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (len(records), 160, 160)).astype(np.uint8)
    tokens = torch.randint(1, 30, (len(pairs.pool) + len(clue_prompts()), 2, 6))
    tokens[:, 1] = 1
    task = ClueTask(whole, 4, pairs, WholeInputs(images, tokens), np.full(len(pairs.pool), -1))
    network = task.network()
    task.loss(network, random).backward()
    assert isinstance(network, ClueNetwork)
    learning = {n.split(".")[0] for n, p in network.named_parameters() if p.grad is not None}
    assert learning == {"image", "text", "log_scale"}
    assert len(task.trunk_parameters(network)) > 10


def test_weights_of_another_encoder_are_not_half_taken() -> None:
    pairs, _, records = toy_problem()
    whole = settings(image={"backbone": "test_vit", "size": 160})
    given = {
        f"image.backbone.{name}": value
        for name, value in build_network(whole.image, whole.text, whole.width, whole.temperature)
        .image.backbone.state_dict()
        .items()
    }
    inputs = WholeInputs(np.zeros((len(records), 160, 160), np.uint8), torch.zeros(1, 2, 1))
    prompts = np.full(len(pairs.pool), -1)
    network = ClueTask(whole, 4, pairs, inputs, prompts, given).network()
    assert all(torch.equal(network.state_dict()[name], value) for name, value in given.items())
    renamed = {name.replace("blocks", "layers"): value for name, value in given.items()}
    with pytest.raises(WeightsError, match="left untrained"):
        ClueTask(whole, 4, pairs, inputs, prompts, renamed).network()


def test_the_paper_preset_builds_at_full_size() -> None:
    preset = read_preset(CluePreset, Role.CLUES, "trrg").clues
    with torch.device("meta"):
        network = build_network(preset.image, preset.text, preset.width, preset.temperature)
    sizes = {
        name: sum(p.numel() for p in part.parameters()) / 1e6
        for name, part in (("image", network.image), ("text", network.text))
    }
    # Swin-B and BERT-base without pooler, each with a projection to 1,024.
    assert sizes["image"] == pytest.approx(86.7 + 1.05, abs=0.2)
    assert sizes["text"] == pytest.approx(107.7 + 0.79, abs=0.2)
    assert (preset.width, preset.image.size) == (1024, 224)


def deployed(folder: Path) -> tuple[ClueConfig, ClueRetriever]:
    """A retriever with random weights, written and read."""
    made = settings()
    torch.manual_seed(0)
    flat = PlattScale(slope=1.0, intercept=0.0)
    config = ClueConfig(
        name="clue_retriever",
        version="0",
        licence="none",
        training_command="none",
        training_data_sha256="",
        trunk_sha256="trunk",
        image=made.image,
        text=made.text,
        width=made.width,
        prompts_sha256=prompts_digest(),
        findings={f: ClueCalibration(scale=flat, floor=0.2) for f in DISEASES},
    )
    network = DeployedClues(config)
    network.prompts.copy_(functional.normalize(torch.randn_like(network.prompts), dim=-1))
    written = write_network(folder, network.state_dict(), config)
    return written, ClueRetriever.load("trunk", folder)


def test_clues_reach_their_floor_and_agree_with_their_prompt(tmp_path: Path) -> None:
    _, retriever = deployed(tmp_path)
    seen = np.random.default_rng(1).random((5, CHANNELS, GRID, GRID)).astype(np.float32)
    vectors = retriever.vectors(seen)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    for row in range(5):
        output = retriever.retrieve(seen[row])
        assert np.allclose(output.vector, vectors[row], atol=1e-5)
        assert len(output.clues) <= 3
        assert list(output.probability) == list(DISEASES)
        weights = [clue.weight for clue in output.clues]
        assert weights == sorted(weights, reverse=True)
        for clue in output.clues:
            assert clue.probability >= 0.2
            (read,) = label_report(clue.text, Language.ENGLISH)
            assert (read.finding, read.side, read.region) == (clue.finding, clue.side, clue.region)
            if clue.region is not None and clue.side is not None:
                assert region_side(clue.region) is clue.side
    order, cosines = nearest(vectors[2], vectors, 2)
    assert order[0] == 2
    assert cosines[0] == pytest.approx(1.0, abs=1e-5)


def test_a_retriever_goes_with_its_trunk_and_its_maps(tmp_path: Path) -> None:
    _, retriever = deployed(tmp_path)
    with pytest.raises(WeightsError, match="another finding classifier"):
        ClueRetriever.load("another", tmp_path)
    with pytest.raises(StudyError, match="shared trunk"):
        retriever.vectors(np.zeros((1, CHANNELS + 1, GRID, GRID), dtype=np.float32))
    with pytest.raises(StudyError, match="sentence vectors"):
        retriever.sentence_vectors(np.zeros((1, WORDS + 1), dtype=np.float32))


def test_maps_of_another_size_are_placed_too(tmp_path: Path) -> None:
    _, retriever = deployed(tmp_path)
    larger = np.random.default_rng(1).random((1, CHANNELS, 7, 9)).astype(np.float32)
    assert retriever.vectors(larger).shape == (1, 32)


def test_scores_and_weights_by_hand() -> None:
    prompts = clue_prompts()
    similarity = np.zeros((1, len(prompts)))
    hits = [
        n
        for n, p in enumerate(prompts)
        if p.finding is Finding.PNEUMOTHORAX and p.side is Side.LEFT
    ]
    similarity[0, hits] = 0.5
    scores = disease_scores(similarity, 10.0)[0]
    row = DISEASES.index(Finding.PNEUMOTHORAX)
    own = [p for p in prompts if p.finding is Finding.PNEUMOTHORAX and p.claim.present]
    share = len(hits) / len(own)
    assert scores[row] == pytest.approx(math.log(share * math.exp(5) + 1 - share))
    assert np.delete(scores, row) == pytest.approx(np.zeros(13))
    weights = clue_weights(similarity, 10.0)[0]
    assert weights[row] == pytest.approx(math.exp(5) / (math.exp(5) + 13))
    shares = side_shares(similarity[0], 10.0, Finding.PNEUMOTHORAX)
    assert max(shares, key=lambda side: shares[side]) is Side.LEFT
    assert sum(shares.values()) == pytest.approx(1.0)
    assert side_shares(similarity[0], 10.0, Finding.CARDIOMEGALY) == {}
    prompt = nearest_prompt(similarity[0], Finding.PNEUMOTHORAX, Side.LEFT, graded=False)
    assert prompt.side is Side.LEFT
    assert prompt.severity is None
    assert level_of(prompt.region) is level_of(prompt.claim.region)


def test_the_floor_leaves_nine_in_ten_without_the_disease_below() -> None:
    random = np.random.default_rng(0)
    truth = random.random((400, 2)) < 0.2
    fitted = calibrate(random.normal(size=(400, 2)) + truth, truth)
    assert len(fitted) == 2
    assert all(0 < own.floor < 1 for own in fitted)


def test_trunk_maps_are_computed_once(tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "made" / "images"
    folder.mkdir(parents=True)
    paths = []
    for number in range(3):
        paths.append(folder / f"{number}.png")
        Image.fromarray(np.full((20, 20), 60 * number, dtype=np.uint8)).save(paths[-1])
    calls = []

    def trunk(display: NDArray[np.float32]) -> NDArray[np.float32]:
        calls.append(display.shape)
        return np.full((2, 3, 3), display.mean(), dtype=np.float32)

    told: list[tuple[int, int]] = []
    first = trunk_features(paths, trunk, "sha", tmp_path, lambda done, of: told.append((done, of)))
    again = trunk_features(paths, trunk, "sha", tmp_path)
    assert first.shape == (3, 2, 3, 3)
    assert np.array_equal(first, again)
    assert len(calls) == 3
    assert told[-1] == (3, 3)
    trunk_features(paths, trunk, "another", tmp_path)
    assert len(calls) == 6
