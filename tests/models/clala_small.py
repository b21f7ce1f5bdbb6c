"""CLALA-Net at a size for tests: eight made-up films, their claims, and a task on them."""

from __future__ import annotations

import numpy as np
import torch
from small_loop import small_loop

from findings.claims import Claim
from findings.regions import Region
from findings.vocabulary import Finding, Language, Side
from models.clala.config import ClalaConfig
from models.clala.decoder import WholeWords
from models.clala.inference import ClalaWriter
from models.clala.lesions import LESIONS
from models.clala.network import ClalaNetwork, ClalaShape, RegionViews, Switches
from models.clala.preset import ClalaSettings, StageSettings
from models.clala.region_sentences import compose_region, every_sentence
from models.clala.task import ClalaTask, Films
from models.crude_report.tokens import Vocabulary
from models.data.sentence_pool import composed
from models.data.weak_pair_sources import FOURTEEN, with_absences
from models.reports.contract import Decoding, ReportModelName
from models.reports.preset import Backbones

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
LOOP = small_loop(100, trunk_learning_rate=5e-3, warmup_steps=5, ema_decay=0.9, seed=0)


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
