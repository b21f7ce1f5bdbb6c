"""Training, writing and the paper's size of TRRG's second stage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_loop import small_loop

from findings.claims import Claim
from findings.errors import WeightsError
from findings.vocabulary import Finding, Language, Side
from models.classifier.inference import FindingClassifier
from models.clues.inference import ClueRetriever
from models.clues.prompts import clue_prompts
from models.data.records import Split
from models.reports.cases import CaseSet, ReportCase
from models.reports.checkpoint import load_trained, save_report_model
from models.reports.contract import Decoding, ReportModelName
from models.reports.prefix import PrefixedLanguageModel
from models.reports.preset import Backbones
from models.reports.prompts import REPORT_PROMPT
from models.training.loop import TrainingLoop
from models.training.presets import read_preset
from models.training.roles import Role
from models.trrg.config import TrrgConfig
from models.trrg.inference import TrrgWriter
from models.trrg.injection import device_prompts, told_prompts
from models.trrg.looking import ClueChooser, read_clue_text
from models.trrg.network import Switches, TrrgNetwork, TrrgShape
from models.trrg.paper import count_trrg, paper_network
from models.trrg.preset import ROWS, TrrgPreset
from models.trrg.task import TrrgTask

SHAPE = TrrgShape(
    visual_width=6,
    visual_side=4,
    pooled=2,
    clue_width=5,
    width=32,
    heads=4,
    queries=3,
    inner=32,
    clues=3,
    most_tokens=40,
)
PROMPTS, WORDS = len(told_prompts()), 4
TEXTS = (
    "The heart is large.",
    "There is a left pleural effusion.",
    "The lungs are clear.",
    "There is a nodule in the right lung.",
    "Small right pneumothorax.",
    "The heart is normal in size.",
    "Severe edema.",
    "No evidence of pneumonia.",
)
LOOP = small_loop(60)
pytestmark = pytest.mark.usefixtures("experts_look_once")
Make = Callable[..., Any]


def clue_words() -> tuple[torch.Tensor, torch.Tensor]:
    """Random words of every prompt."""
    source = torch.Generator().manual_seed(3)
    present = torch.rand(PROMPTS, WORDS, generator=source) > 0.3
    present[:, 0] = True
    return torch.randn(PROMPTS, WORDS, SHAPE.clue_width, generator=source), present


def build(tiny: Make, switches: Switches | None = None) -> TrrgNetwork:
    """Over a tiny random Llama."""
    model, tokenizer = tiny()
    torch.manual_seed(1)
    language = PrefixedLanguageModel(model, tokenizer, SHAPE.most_tokens)
    network = TrrgNetwork(SHAPE, switches or Switches(), language, *clue_words())
    network.start_like_words()
    return network


def fluent(tiny: Make) -> Make:
    """The tiny Llama after it learnt the eight texts with hints before them, and frozen again.

    A language model that knows no language cannot be steered by what it is shown.
    """
    model, tokenizer = tiny()
    language = PrefixedLanguageModel(model.requires_grad_(True), tokenizer, SHAPE.most_tokens)
    source = torch.Generator().manual_seed(5)
    hints = 0.3 * torch.randn(len(TEXTS), 2, language.width, generator=source)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        language.loss(hints, TEXTS, REPORT_PROMPT[Language.ENGLISH]).backward()
        optimiser.step()
    state = {name: value.clone() for name, value in model.state_dict().items()}

    def make() -> Any:
        learnt, known = tiny()
        learnt.load_state_dict(state)
        return learnt.requires_grad_(False).eval(), known

    return make


def visual(indices: np.ndarray) -> torch.Tensor:
    """Other tokens for every case."""
    rows = [np.random.default_rng(int(i)).normal(size=(16, 6)) for i in indices]
    return torch.from_numpy(np.stack(rows).astype(np.float32))


def told_clues(places: int = 4) -> np.ndarray:
    """Other clues for every case."""
    random = np.random.default_rng(0)
    return np.stack([random.permutation(PROMPTS)[:places] for _ in TEXTS]).astype(np.int64)


def cases() -> CaseSet:
    """Eight cases that train, and the same ones that validate."""
    claim = Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.LEFT)
    made = [
        ReportCase("x", str(n), str(n), Path("none"), split, (claim,), text)
        for split in (Split.TRAIN, Split.VAL)
        for n, text in enumerate(TEXTS)
    ]
    return CaseSet(made, None)


def task(tiny: Make, switches: Switches | None = None) -> TrrgTask:
    """On eight cases."""
    chosen = switches or Switches()
    clues = np.tile(told_clues(3 + chosen.keep_devices), (2, 1))
    return TrrgTask(
        cases(), 8, 0.0, lambda i: visual(i % len(TEXTS)), clues, lambda: build(tiny, chosen)
    )


@pytest.fixture(scope="module")
def trained(
    tiny_language_model: Make, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrrgNetwork, dict[str, torch.Tensor]]:
    """Trained on eight cases until it knows them, and its trained part."""
    tiny = fluent(tiny_language_model)
    loop = TrainingLoop(task(tiny), LOOP, tmp_path_factory.mktemp("trrg"))
    before = {n: p.clone() for n, p in loop.network.named_parameters() if not p.requires_grad}
    outcome = loop.run()
    for name, value in loop.network.named_parameters():
        if name in before:
            assert torch.equal(value, before[name]), name
    assert any("language" in name for name in before)
    network = build(tiny)
    network.load_state_dict(outcome.best_weights)
    return network.eval(), outcome.best_weights


def test_it_overfits_eight_reports(trained: tuple[TrrgNetwork, Any]) -> None:
    network, _ = trained
    shown = visual(np.arange(len(TEXTS)))
    with torch.inference_mode():
        prefix, _ = network.prefix(shown, torch.from_numpy(told_clues()))
        prompt = REPORT_PROMPT[Language.ENGLISH]
        for decoding in (Decoding(), Decoding(beams=2)):
            written = network.language.write(prefix, decoding, 0, prompt)
            assert sum(own == text for own, text in zip(written, TEXTS, strict=True)) >= 7


def test_only_what_learns_is_kept(trained: tuple[TrrgNetwork, dict[str, Any]]) -> None:
    parts = {name.partition(".")[0] for name in trained[1]}
    assert parts == {"mapper", "clues", "interaction", "norm", "to_language"}
    assert "clues.vectors" in trained[1]


def test_saved_and_loaded_it_is_the_same(
    trained: tuple[TrrgNetwork, dict[str, Any]], tiny_language_model: Make, tmp_path: Path
) -> None:
    network, weights = trained
    config = config_of(Switches())
    saved = save_report_model(tmp_path, weights, config)
    other = build(tiny_language_model)
    load_trained(other, tmp_path, saved)
    assert TrrgConfig.model_validate_json((tmp_path / "config.json").read_bytes()) == saved
    clues = torch.from_numpy(told_clues()[:2])
    with torch.inference_mode():
        one, _ = network.prefix(visual(np.arange(2)), clues)
        same, _ = other.prefix(visual(np.arange(2)), clues)
    torch.testing.assert_close(one, same, rtol=5e-2, atol=5e-2)
    wrong = build(tiny_language_model, ROWS["base"])
    with pytest.raises(WeightsError):
        load_trained(wrong, tmp_path, saved)


def config_of(switches: Switches) -> TrrgConfig:
    """A config that describes the tests' network."""
    return TrrgConfig(
        name="trrg",
        version="0",
        licence="none",
        training_command="none",
        training_data_sha256="",
        model=ReportModelName.TRRG,
        language=Language.ENGLISH,
        backbones=Backbones(),
        language_model_sha256="",
        vision_sha256="",
        decoding=Decoding(most_tokens=12),
        shape=SHAPE,
        switches=switches,
        retriever_sha256="",
        prompts=PROMPTS,
        words=WORDS,
        devices=((0.0,),),
    )


@pytest.mark.parametrize("row", list(ROWS))
def test_each_row_of_the_table_shows_what_it_says(row: str, tiny_language_model: Make) -> None:
    switches = ROWS[row]
    network = build(tiny_language_model, switches).eval()
    clues = torch.from_numpy(told_clues(3 + switches.keep_devices)[:2])
    shown = visual(np.arange(2))
    with torch.no_grad():
        prefix, consistency = network.prefix(shown, clues)
        other, _ = network.prefix(shown, clues.flip(0))
    film = 4  # sixteen tokens, averaged two by two
    words = clues.shape[1] * WORDS if switches.dci else 0
    gathered = 2 * SHAPE.queries if switches.cmci else words
    assert prefix.shape == (2, film + gathered, 32)
    assert (consistency is not None) == switches.consistency
    # Other clues make a difference only where clues are injected.
    assert torch.equal(prefix, other) != switches.dci
    assert torch.equal(prefix[:, :film], other[:, :film])


def test_the_loss_is_words_and_consistency(tiny_language_model: Make) -> None:
    own, network = task(tiny_language_model), build(tiny_language_model).eval()
    with torch.no_grad():
        total = float(own.loss(network, np.random.default_rng(0)))
        random = np.random.default_rng(0)
        indices = own.draw(random)
        texts = [own.cases.report(int(i), random) for i in indices]
        words = float(own.report_loss(network, indices, texts))
        clues = np.tile(told_clues(), (2, 1))[indices]
        _, consistency = network.prefix(visual(indices % 8), torch.from_numpy(clues))
    assert consistency is not None
    assert total == pytest.approx(words + float(consistency), rel=1e-5)


def test_a_resumed_run_ends_the_same(tiny_language_model: Make, tmp_path: Path) -> None:
    short = LOOP.model_copy(update={"steps": 4, "validate_every": 4})
    whole = TrainingLoop(task(tiny_language_model), short, tmp_path / "a").run().best_weights
    begun = TrainingLoop(task(tiny_language_model), short, tmp_path / "b")
    for _ in range(2):
        begun.advance()
    begun.save()
    resumed = TrainingLoop(task(tiny_language_model), short, tmp_path / "b")
    assert resumed.resume()
    for name, value in resumed.run().best_weights.items():
        assert torch.equal(value, whole[name]), name


class _Patches:
    """An image encoder of the tests' size."""

    width, rows, columns, sha256 = 6, 4, 4, ""

    def encode(self, displays: Any) -> torch.Tensor:
        return torch.stack([torch.full((16, 6), float(display.mean())) for display in displays])


def test_the_writer_finds_clues_with_the_shipped_retriever(
    tiny_language_model: Make, chest_film: Callable[[int, int], Any]
) -> None:
    classifier = FindingClassifier.load()
    retriever = ClueRetriever.load(classifier.config.weights_sha256)
    devices = np.random.default_rng(0).normal(size=(len(device_prompts()), 256)).astype(np.float32)
    chooser = ClueChooser(retriever, devices, SHAPE, Switches())
    network = build(tiny_language_model)
    writer = TrrgWriter(config_of(Switches()), network, _Patches(), chooser, classifier)
    films = [chest_film(64, 64), chest_film(80, 64)]
    first = writer.write(films)
    assert len(first) == 2 and writer.write(films) == first
    assert writer.language is Language.ENGLISH and writer.write([]) == ()
    told = chooser.choose(np.stack([classifier.features(film) for film in films]))
    assert told.rows.shape == (2, 4) and told.weights.shape == (2, 14)
    cosines = retriever.prompt_cosines(retriever.vectors(classifier.features(films[0])[None]))
    assert cosines.shape == (1, len(clue_prompts())) and abs(cosines).max() <= 1.001


# The paper's size


def test_the_paper_preset_builds_on_the_meta_device() -> None:
    preset = read_preset(TrrgPreset, Role.REPORT, "trrg-paper")
    assert (preset.loop.batch_size, preset.loop.learning_rate) == (8, 1e-4)
    assert (preset.trrg.shape.clues, preset.trrg.shape.heads, preset.trrg.shape.width) == (
        3,
        8,
        1024,
    )
    counts = {count.row: count.ours for count in count_trrg()}
    assert counts["language model (Mistral-7B), frozen"] == 7_241_732_096
    assert counts["image encoder (Swin-B), frozen"] == 86_743_224
    assert counts["first stage: image encoder (Swin-B), learning"] == 86_743_224
    # BERT-base cased is 108,310,272 with its pooler of 590,592.
    assert counts["first stage: text encoder (ClinicalBERT), learning"] == 107_719_680
    first = counts["first stage: all, with both projections to 1,024 dimensions"]
    assert first == 86_743_224 + 107_719_680 + 1024 * 1025 + 768 * 1024 + 1024 + 1
    network = paper_network()
    assert {p.device.type for p in network.parameters()} == {"meta"}
    learning = {n.partition(".")[0] for n, p in network.named_parameters() if p.requires_grad}
    assert learning == {"mapper", "clues", "interaction", "norm", "to_language"}
    # The table's first row trains the mapper and the layer to the language model alone.
    base = sum(
        p.numel()
        for n, p in network.named_parameters()
        if n.startswith(("mapper.", "norm.", "to_language."))
    )
    assert base == 1024 * 1024 + 1024 + 2048 + 1024 * 4096 + 4096


def test_the_small_preset_fits_the_shared_trunk() -> None:
    shape = read_preset(TrrgPreset, Role.REPORT, "trrg-small").trrg.shape
    assert (shape.visual_width, shape.visual_side**2) == (1280, 100)


def test_clue_words_come_from_a_frozen_text_encoder(
    tmp_path: Path, tiny_text_encoder: Callable[..., Path]
) -> None:
    texts = [prompt.text.lower().replace(":", "") for prompt in told_prompts()]
    words = tuple(sorted({word for text in texts for word in text.split()}))
    folder = tiny_text_encoder(tmp_path, 384, words)
    retriever = ClueRetriever.load(FindingClassifier.load().config.weights_sha256)
    text = read_clue_text(folder, folder, retriever)
    assert text.vectors.shape == (*text.present.shape, 384)
    assert len(text.vectors) == PROMPTS and text.devices.shape == (len(device_prompts()), 256)
    assert np.linalg.norm(text.devices, axis=1) == pytest.approx(1, abs=1e-4)
    # Short prompts end before long ones, and every prompt has words.
    assert text.present.sum(dim=1).min() >= 3
    assert not bool(text.present.all())
    assert not text.vectors.requires_grad
