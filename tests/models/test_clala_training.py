"""Training, writing and the paper's size of CLALA-Net."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from findings.claims import Claim
from findings.errors import WeightsError
from findings.labeler import label_report
from findings.regions import CLALA_REGIONS, Region
from findings.vocabulary import Finding, Language, Side
from models.clala.aggregation import aggregate
from models.clala.config import ClalaConfig
from models.clala.decoder import WholeWords
from models.clala.inference import ClalaWriter, load_clala
from models.clala.lesions import LESIONS, lesion_labels
from models.clala.network import (
    ClalaNetwork,
    ClalaShape,
    RegionEyeShape,
    RegionViews,
    Switches,
)
from models.clala.paper import count_clala, paper_network
from models.clala.preset import ROWS, ClalaPreset, ClalaSettings, StageSettings
from models.clala.region_sentences import compose_region, every_sentence
from models.clala.task import ClalaTask, Films, LesionPartners
from models.clala.texts import states_alone, written_of_region
from models.clala.training import chosen_films, vit_weights
from models.clala.views import DetectedRegions, box_shares, cut_out
from models.classifier.inference import FindingClassifier
from models.clues.preset import TextEncoderSettings
from models.crude_report.tokens import Vocabulary
from models.data.records import Split
from models.data.sentence_pool import composed
from models.data.weak_pair_sources import FOURTEEN, with_absences
from models.region_detector.inference import FoundRegion
from models.reports.cases import ReportCase
from models.reports.checkpoint import load_trained, save_report_model
from models.reports.contract import Decoding, ReportModelName
from models.reports.preset import Backbones
from models.training.loop import TrainingLoop
from models.training.presets import LoopSettings, read_preset
from models.training.roles import Role

LEFT_EFFUSION = Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.LEFT)
RIGHT_EFFUSION = Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.RIGHT)
LARGE_HEART = Claim(finding=Finding.CARDIOMEGALY)
PRESENT: list[list[Claim]] = [
    [],
    [LEFT_EFFUSION],
    [LARGE_HEART],
    [RIGHT_EFFUSION],
    [LEFT_EFFUSION],
    [LARGE_HEART, RIGHT_EFFUSION],
    [],
    [Claim(finding=Finding.NODULE, side=Side.LEFT, region=Region.LEFT_UPPER_ZONE)],
]
CLAIMS = [with_absences(own, FOURTEEN) for own in PRESENT]
EVERY = np.arange(len(CLAIMS))
SHAPE = {
    "eye": {"kind": "trunk", "channels": 8, "pooled": 1},
    "width": 48,
    "heads": 4,
    "dropout": 0.0,
    "text": {"model": "none", "frozen": True, "hidden": 16},
    "text_width": 32,
    "decoder": {
        "width": 48,
        "layers": 1,
        "heads": 4,
        "feed_forward": 64,
        "most_tokens": 24,
        "dropout": 0.0,
    },
}
SETTINGS = ClalaSettings(
    shape=ClalaShape.model_validate(SHAPE),
    fine_tuning=StageSettings(steps=2, learning_rate=1e-3, size=32),
)
LOOP = LoopSettings(
    steps=100,
    batch_size=8,
    learning_rate=1e-2,
    trunk_learning_rate=5e-3,
    weight_decay=0.0,
    warmup_steps=5,
    clip_norm=1.0,
    ema_decay=0.9,
    validate_every=100,
    patience=9,
    threads=1,
)


def plain(claim: Claim) -> tuple[str, ...]:
    """One wording of a claim, as composed reports have it."""
    return (next(iter(composed(claim))).text.lower().replace(".", " ."),)


WORDS = WholeWords(Vocabulary.of(every_sentence(CLAIMS, plain), least_count=1))


def random_views(films: np.ndarray) -> RegionViews:
    """Another map for every film, the regions side by side on it."""
    maps = np.stack([np.random.default_rng(f).normal(size=(8, 11, 11)) for f in films])
    edges = np.arange(11, dtype=np.float32) / 11
    boxes = np.stack([edges, np.zeros(11), edges + 1 / 11, np.ones(11)], axis=1)
    return RegionViews(
        present=torch.ones(len(films), 11, dtype=torch.bool),
        boxes=torch.from_numpy(np.tile(boxes, (len(films), 1, 1)).astype(np.float32)),
        maps=torch.from_numpy(maps.astype(np.float32)),
    )


def text_vectors(texts: list[str] | tuple[str, ...]) -> torch.Tensor:
    """A vector for each text, from its letters alone."""
    rows = [np.random.default_rng(sum(text.encode()) + len(text)).normal(size=16) for text in texts]
    return torch.nn.functional.normalize(torch.from_numpy(np.stack(rows)).float(), dim=-1)


def build(switches: Switches | None = None) -> ClalaNetwork:
    """The network of these tests."""
    torch.manual_seed(0)
    return ClalaNetwork(
        SETTINGS.shape,
        switches or Switches(),
        WORDS.size,
        WORDS.special,
        text_vectors([str(lesion) for lesion in LESIONS]),
    )


def task(switches: Switches | None = None, films: np.ndarray = EVERY) -> ClalaTask:
    """A task on eight films, which train and validate."""
    settings = SETTINGS.model_copy(update={"switches": switches or Switches()})
    return ClalaTask(
        settings,
        LOOP.batch_size,
        1.0,
        Films(CLAIMS, films, films),
        random_views,
        lambda film, region, random: compose_region(CLAIMS[film], region, plain, random),
        WORDS,
        text_vectors,
        lambda: build(settings.switches),
    )


def writer(network: ClalaNetwork) -> ClalaWriter:
    """Writes of views that the test gives, so it needs no classifier and no finder."""
    config = ClalaConfig(
        name="clala",
        version="0",
        licence="none",
        training_command="none",
        training_data_sha256="",
        model=ReportModelName.CLALA,
        language=Language.ENGLISH,
        backbones=Backbones(),
        language_model_sha256="",
        vision_sha256="",
        decoding=Decoding(most_tokens=24),
        shape=SETTINGS.shape,
        switches=network.switches,
        size=32,
        vocabulary=WORDS.vocabulary,
    )
    return ClalaWriter(config, network, WORDS, None, None, None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> ClalaNetwork:
    """Trained on eight films until it knows them."""
    loop = TrainingLoop(task(), LOOP, tmp_path_factory.mktemp("clala"))
    outcome = loop.run()
    network = build()
    network.load_state_dict(outcome.best_weights)
    return network.eval()


def test_it_overfits_eight_films_and_reports_them(trained: ClalaNetwork) -> None:
    views = [random_views(np.array([film])) for film in EVERY]
    labels = [lesion_labels(claims) for claims in CLAIMS]
    described = writer(trained).describe_views(views, labels)
    right = 0
    for film, own in enumerate(described):
        report = " ".join(aggregate(own.sentences))
        found = {
            (claim.finding, claim.side)
            for claim in label_report(report, Language.ENGLISH)
            if claim.present
        }
        right += found == {(claim.finding, claim.side) for claim in PRESENT[film]}
    assert right >= 7


def test_the_trained_network_listens_to_labels(trained: ClalaNetwork) -> None:
    """The weighted lesion names reach the words: a wrong label moves the loss of the right text."""
    views = random_views(EVERY)
    labels = torch.from_numpy(np.stack([lesion_labels(claims) for claims in CLAIMS]))
    with torch.no_grad():
        raw = trained.look(views)
        assert not torch.equal(trained.refine(raw, labels), trained.refine(raw, ~labels))


def test_saved_and_loaded_it_writes_the_same(trained: ClalaNetwork, tmp_path: Path) -> None:
    own = writer(trained)
    saved = save_report_model(tmp_path, trained.state_dict(), own.config)
    other = build()
    load_trained(other, tmp_path, saved)
    views, labels = [random_views(np.array([3]))], [lesion_labels(CLAIMS[3])]
    written = own.describe_views(views, labels)[0].sentences
    assert writer(other).describe_views(views, labels)[0].sentences == written
    assert ClalaConfig.model_validate_json((tmp_path / "config.json").read_bytes()) == saved


@pytest.mark.parametrize("row", list(ROWS))
def test_switches_change_the_loss_they_name(row: str) -> None:
    switches = ROWS[row]
    own, network = task(switches), build(switches)
    network.eval()
    random = np.random.default_rng(0)
    with torch.no_grad():
        total = float(own.loss(network, random))
        words = float(
            task(switches.model_copy(update={"llcl": False, "itcl": False})).loss(
                network, np.random.default_rng(0)
            )
        )
    assert (total > words) == (switches.llcl or switches.itcl)
    assert (network.attention is not None) == switches.lca


def test_a_resumed_run_ends_the_same(tmp_path: Path) -> None:
    short = LOOP.model_copy(update={"steps": 6, "validate_every": 6})
    whole = TrainingLoop(task(), short, tmp_path / "whole").run().best_weights
    begun = TrainingLoop(task(), short, tmp_path / "parts")
    for _ in range(3):
        begun.advance()
    begun.save()
    resumed = TrainingLoop(task(), short, tmp_path / "parts")
    assert resumed.resume()
    for name, value in resumed.run().best_weights.items():
        assert torch.equal(value, whole[name]), name


# Partners


def test_partners_share_lesion_and_region() -> None:
    partners = LesionPartners(Films(CLAIMS, EVERY, EVERY), by_place=True)
    random = np.random.default_rng(0)
    seen = set()
    for _ in range(20):
        for place, region, lesion, other in partners.draw(EVERY, 64, random):
            assert other != EVERY[place]
            seen.add((region, lesion))
            if lesion >= 0:
                assert partners.labels[place, region, lesion] == 1
                assert partners.labels[other, region, lesion] == 1
            else:
                assert (partners.labels[[place, other], region] == 0).all()
    heart = CLALA_REGIONS.index(Region.CARDIAC_SILHOUETTE), LESIONS.index(Finding.CARDIOMEGALY)
    assert heart in seen
    # Its only nodule has no partner in another film.
    assert not any(lesion == LESIONS.index(Finding.NODULE) for _, lesion in seen)


def test_lesions_are_drawn_before_normal_regions() -> None:
    partners = LesionPartners(Films(CLAIMS, EVERY, EVERY), by_place=True)
    drawn = partners.draw(EVERY, 8, np.random.default_rng(1))
    assert sum(lesion >= 0 for _, _, lesion, _ in drawn) >= 6


# Data


def test_films_with_placed_lesions_are_chosen_first() -> None:
    placed = [film for film, own in enumerate(PRESENT) if any(c.side for c in own)]
    assert set(placed) <= set(chosen_films(CLAIMS, EVERY, 6).tolist())
    assert len(chosen_films(CLAIMS, EVERY, 6)) == 6
    assert chosen_films(CLAIMS, EVERY, 0) is EVERY


def test_a_written_report_is_shared_out_among_regions() -> None:
    case = ReportCase(
        "iu",
        "1",
        "1",
        Path("none"),
        Split.TRAIN,
        (),
        "Heart size is normal. There is a left pleural effusion. No pneumothorax.",
    )
    assert written_of_region(case, Region.CARDIAC_SILHOUETTE) == "Heart size is normal."
    assert written_of_region(case, Region.LEFT_COSTOPHRENIC_ANGLE) == (
        "There is a left pleural effusion."
    )
    assert written_of_region(case, Region.RIGHT_COSTOPHRENIC_ANGLE) is None
    assert written_of_region(case, Region.RIGHT_LUNG) == "No pneumothorax."


def test_a_wording_that_names_another_place_is_not_taken() -> None:
    unplaced = Claim(finding=Finding.INFILTRATION)
    assert states_alone("There is infiltrate.", unplaced)
    assert not states_alone("Infiltrate in the cardiac silhouette.", unplaced)
    assert not states_alone("Infiltrate and nodule.", unplaced)
    assert not states_alone("", unplaced)
    left = Claim(finding=Finding.INFILTRATION, side=Side.LEFT, region=Region.LEFT_LOWER_ZONE)
    assert states_alone("Infiltrate in the left lower lung zone.", left)
    assert not states_alone("Infiltrate in the right lower lung zone.", left)


def test_boxes_become_shares_and_absent_regions_say_so() -> None:
    shares, present = box_shares({Region.LEFT_LUNG: (50.0, 20.0, 90.0, 80.0)}, 100, 200)
    row = CLALA_REGIONS.index(Region.LEFT_LUNG)
    assert present.sum() == 1 and present[row]
    assert shares[row].tolist() == pytest.approx([0.25, 0.2, 0.45, 0.8])


def test_a_cut_out_shows_its_own_pixels() -> None:
    display = np.zeros((100, 200), dtype=np.float32)
    display[:, 100:] = 1.0
    shares = np.array([[0, 0, 0.4, 1], [0.6, 0, 1, 1]], dtype=np.float32)
    dark, bright = cut_out(display, shares, 24)
    assert dark.shape == (24, 24)
    assert float(dark.mean()) < 0.05 < 0.95 < float(bright.mean())


# The paper's size


def test_the_paper_preset_builds_on_the_meta_device() -> None:
    preset = read_preset(ClalaPreset, Role.REPORT, "clala-paper")
    assert (preset.loop.batch_size, preset.loop.weight_decay) == (24, 0.05)
    assert (preset.clala.size, preset.clala.fine_tuning.size) == (224, 384)
    assert preset.clala.fine_tuning.learning_rate == 1e-5
    network = paper_network()
    assert next(network.parameters()).device.type == "meta"
    counts = {count.row: count for count in count_clala()}
    # ViT-B/16 without its classifier: 85.8 million.
    assert counts["image encoder (ViT-B/16)"].ours == 85_798_656
    # BERT-base is 109,482,240 with its pooler of 590,592; a projection of as many is here.
    assert counts["text encoder (BERT-base)"].ours == 109_482_240
    network.for_fine_tuning()
    learning = {n.partition(".")[0] for n, p in network.named_parameters() if p.requires_grad}
    assert learning == {"attention", "decoder"}


def test_the_small_preset_says_what_it_trains() -> None:
    preset = read_preset(ClalaPreset, Role.REPORT, "clala-small")
    assert preset.second_stage().steps == preset.clala.fine_tuning.steps
    assert preset.second_stage().learning_rate == preset.clala.fine_tuning.learning_rate
    assert isinstance(preset.clala.shape.text, TextEncoderSettings)


# The paper's backbones


def test_a_published_vision_transformer_is_taken_up(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(3)
    config = ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        image_size=32,
        patch_size=16,
    )
    published = ViTModel(config, add_pooling_layer=False)
    published.save_pretrained(tmp_path)
    shape = SETTINGS.shape.model_copy(
        update={
            "width": 32,
            "eye": RegionEyeShape(layers=2, heads=2, size=32),
            "decoder": SETTINGS.shape.decoder.model_copy(update={"width": 32}),
        }
    )
    network = ClalaNetwork(shape, Switches(), WORDS.size, WORDS.special, torch.zeros(14, 16))
    weights = vit_weights(tmp_path, 32)
    missing = network.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys
    assert not any(name.startswith("eye.") for name in missing.missing_keys)
    states = dict(published.state_dict())
    same = [
        n for n, v in states.items() if torch.equal(v, network.state_dict()[f"eye.encoder.{n}"])
    ]
    assert len(same) == len(states) > 20
    with pytest.raises(WeightsError, match="32 pixels"):
        vit_weights(tmp_path, 224)
    with pytest.raises(WeightsError, match="cannot be loaded"):
        vit_weights(tmp_path / "nowhere", 32)


def test_regions_cut_out_and_read_by_a_bert_that_learns() -> None:
    """The paper's kind of network, tiny: one step moves both encoders."""
    text = TextEncoderSettings(
        model="none", frozen=False, hidden=16, layers=1, heads=2, vocabulary=40
    )
    shape = SETTINGS.shape.model_copy(
        update={
            "width": 16,
            "eye": RegionEyeShape(layers=1, heads=2, size=32),
            "text": text,
            "decoder": SETTINGS.shape.decoder.model_copy(update={"width": 16}),
        }
    )
    torch.manual_seed(0)

    def tokens(texts: Sequence[str]) -> torch.Tensor:
        ids = torch.tensor([[2, len(text) % 30 + 4, sum(text.encode()) % 30 + 4] for text in texts])
        return torch.stack([ids, torch.ones_like(ids)], dim=1)

    network = ClalaNetwork(
        shape, Switches(), WORDS.size, WORDS.special, tokens([str(own) for own in LESIONS])
    )

    def patches(films: np.ndarray) -> RegionViews:
        shown = torch.stack(
            [torch.rand(11, 32, 32, generator=torch.Generator().manual_seed(int(f))) for f in films]
        )
        return RegionViews(torch.ones(len(films), 11, dtype=torch.bool), patches=shown)

    own = ClalaTask(
        SETTINGS.model_copy(update={"shape": shape}),
        3,
        0.0,
        Films(CLAIMS, EVERY, EVERY),
        patches,
        lambda film, region, random: compose_region(CLAIMS[film], region, plain, random),
        WORDS,
        tokens,
        lambda: network,
    )
    own.loss(network, np.random.default_rng(0)).backward()
    trunk = own.trunk_parameters(network)
    assert trunk and all(p.grad is not None for p in trunk)
    for part in ("eye", "read", "attention", "decoder", "to_text"):
        grads = [p.grad for n, p in network.named_parameters() if n.startswith(f"{part}.")]
        assert any(g is not None and bool(g.abs().sum() > 0) for g in grads), part


# From the folder to a report


def test_a_folder_is_loaded_and_writes(
    tmp_path: Path, chest_film: Callable[[int, int], np.ndarray]
) -> None:
    classifier = FindingClassifier.load()
    eye = SETTINGS.shape.eye.model_copy(update={"channels": 1280})
    shape = SETTINGS.shape.model_copy(update={"eye": eye})
    torch.manual_seed(0)
    network = ClalaNetwork(shape, Switches(), WORDS.size, WORDS.special, torch.randn(14, 16))
    config = writer(build()).config.model_copy(
        update={"shape": shape, "vision_sha256": classifier.config.weights_sha256}
    )
    save_report_model(tmp_path, network.state_dict(), config)
    loaded = load_clala(tmp_path, tmp_path)
    films = [chest_film(64, 64), chest_film(80, 72)]
    reports = loaded.write(films)
    assert len(reports) == 2 and loaded.write(films) == reports
    assert reports[0].text == " ".join(reports[0].sentences)
    assert loaded.name is ReportModelName.CLALA and loaded.language is Language.ENGLISH
    # Labels that are given take the place of the classifier's, and no film is needed for them.
    assert loaded.label(films[0]).shape == (14,)
    save_report_model(
        tmp_path, network.state_dict(), config.model_copy(update={"vision_sha256": "other"})
    )
    with pytest.raises(WeightsError, match="finding classifier"):
        load_clala(tmp_path, tmp_path)


def test_a_region_detector_may_find_the_regions() -> None:
    class Detector:
        config = SimpleNamespace(weights_sha256="x")

        def find(self, display: np.ndarray) -> dict[Region, FoundRegion]:
            box = (1.0, 2.0, 30.0, 40.0)
            return {Region.LEFT_LUNG: FoundRegion(box, 0.9), Region.RIBS: FoundRegion(box, 0.9)}

    finder = DetectedRegions(Detector())  # type: ignore[arg-type]
    assert finder.find(np.zeros((64, 64), np.float32)) == {Region.LEFT_LUNG: (1.0, 2.0, 30.0, 40.0)}
    assert finder.sha256 == "x"
