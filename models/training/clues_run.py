"""One training run of the clue retriever, from data and corpora to deployable weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from findings.errors import StudyError, WeightsError
from models.calibration import fit_platt
from models.classifier.inference import FindingClassifier
from models.clues.config import ClueCalibration, ClueConfig
from models.clues.encoder_folder import find_text_encoder, text_encoder_sha256
from models.clues.inference import prompts_digest
from models.clues.network import ClueNetwork, build_network
from models.clues.preset import CluePreset, ClueSettings, ImageEncoderSettings
from models.clues.prompts import DISEASES, clue_prompts
from models.clues.scoring import disease_scores
from models.clues.task import ClueInputs, ClueTask, FrozenInputs, WholeInputs, embed_records
from models.clues.text_encoder import SentenceEncoder, bert_weights, load_tokenizer, tokenize
from models.data.box_places import BoxPlacer
from models.data.files import cache_key, cached
from models.data.records import Split
from models.data.sentence_pool import PooledSentence, level_of, mirror_claim, side_of
from models.data.trunk_features import trunk_features
from models.data.weak_pair_sources import WeakRecord, read_weak_records
from models.data.weak_pairs import WeakPairs, build_pool
from models.fetching import file_sha256
from models.metrics import area_under_curve
from models.preprocessing import read_display, to_bytes, to_square
from models.published.hub import PREFIX, HubModel
from models.segmenter.inference import AnatomySegmenter
from models.shipping import write_network
from models.training.loop import TrainingLoop
from models.training.machine import has_native_bfloat16
from models.training.presets import read_preset
from models.training.request import TrainingRequest
from models.training.roles import Role
from models.weights import pull

VERSION = "1.0.0"
LICENCE = "Apache-2.0 (code and trunk); weakly paired with NIH and Open-i, see the model card"
CORPORA = "report-corpora"
_SPECIFICITY = 0.9


def train_clues(request: TrainingRequest) -> Path:
    """Train, calibrate on NIH's validation images, write ``out/weights``.

    The report corpora and the sentence encoder are fetched where they are not there yet. See
    :func:`models.training.run.train`.
    """
    preset = read_preset(CluePreset, Role.CLUES, request.preset)
    settings, out = preset.clues, request.out
    torch.set_num_threads(preset.loop.threads)
    text = settings.text
    encoder = find_text_encoder(text.model, request.cache, text.sha256, request.source)
    pretrained = _pretrained(settings, encoder, request.cache)
    records = _records(request.data, settings, out / "cache")
    pool = build_pool(pull(CORPORA, request.cache, source=request.source), records)
    pairs = WeakPairs([*records, *(mirror_record(record) for record in records)], pool)
    texts = [sentence.text for sentence in pool.sentences] + [p.text for p in clue_prompts()]
    classifier = FindingClassifier.load()
    inputs = _inputs(request, settings, records, texts, classifier, encoder)
    task = ClueTask(
        settings,
        preset.loop.batch_size,
        pairs,
        inputs,
        as_prompts(pool.sentences),
        pretrained,
    )
    loop = TrainingLoop(task, preset.loop, out)
    if request.resume:
        loop.resume()
    outcome = loop.run()
    network = build_network(settings.image, settings.text, settings.width, settings.temperature)
    network.load_state_dict(outcome.best_weights)
    network.eval()
    with torch.inference_mode():
        prompts = network.embed_texts(inputs.texts(np.arange(len(pool), len(texts))))
    scores = _scores(network, inputs, task.validation, prompts)
    config = ClueConfig(
        name="clue_retriever",
        version=VERSION,
        licence=LICENCE,
        training_command=request.command,
        training_data_sha256=cache_key(
            *sorted(f"{r.source}/{r.image_id} {r.split}" for r in records)
        ),
        trunk_sha256=classifier.config.weights_sha256,
        image=settings.image,
        text=settings.text,
        text_sha256=text_encoder_sha256(encoder),
        width=settings.width,
        prompts_sha256=prompts_digest(),
        findings=dict(zip(DISEASES, calibrate(scores, task.truth), strict=True)),
        validation={
            finding: area_under_curve(scores[:, column], task.truth[:, column])
            for column, finding in enumerate(DISEASES)
        },
    )
    write_network(out / "weights", {**network.state_dict(), "prompts": prompts}, config)
    return out / "weights"


def mirror_record(record: WeakRecord) -> WeakRecord:
    """The record of the mirrored image: every side exchanged."""
    claims = tuple(mirror_claim(claim) for claim in record.claims)
    return WeakRecord(
        record.source, record.image_id, record.patient, record.image, record.split, claims
    )


def as_prompts(sentences: Sequence[PooledSentence]) -> NDArray[np.int64]:
    """Number of the clue prompt that states what a sentence states; -1 where none does."""
    numbers = {
        (p.finding, p.polarity, p.severity, side_of(p.claim), level_of(p.region)): number
        for number, p in reversed(list(enumerate(clue_prompts())))
    }
    found = np.full(len(sentences), -1)
    for row, sentence in enumerate(sentences):
        if len(sentence.claims) == 1:
            claim = sentence.claims[0]
            key = (
                claim.finding,
                claim.polarity,
                claim.severity,
                side_of(claim),
                level_of(claim.region),
            )
            found[row] = numbers.get(key, -1)
    return found


def calibrate(scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> list[ClueCalibration]:
    """Platt scale and floor of each disease from ``(images, diseases)``."""
    fitted = []
    for column, scale in enumerate(fit_platt(scores, truth)):
        without = scale.apply(scores[~truth[:, column], column])
        fitted.append(ClueCalibration(scale=scale, floor=float(np.quantile(without, _SPECIFICITY))))
    return fitted


def _records(data: Path, settings: ClueSettings, cache: Path) -> list[WeakRecord]:
    placer = BoxPlacer(AnatomySegmenter.load(), cache)
    records = read_weak_records(data, placer, settings.folders)
    placer.save()
    if not any(record.split is Split.TRAIN for record in records):
        raise StudyError("the data folder holds no radiograph of which something is stated")
    judged = [r for r in records if r.split is Split.VAL and r.source == "nih"]
    present = {claim.finding for record in judged for claim in record.present}
    if not set(DISEASES) <= present:
        raise StudyError(
            "the NIH validation rows lack images with some of the fourteen findings, so the clues "
            "cannot be calibrated: give a larger validation split"
        )
    return records


def _inputs(
    request: TrainingRequest,
    settings: ClueSettings,
    records: Sequence[WeakRecord],
    texts: Sequence[str],
    classifier: FindingClassifier,
    encoder: Path,
) -> ClueInputs:
    cache = request.out / "cache"
    images = [record.image for record in records]
    if not (settings.image.shared_trunk and settings.text.frozen):
        return WholeInputs(
            cached(
                cache,
                f"clues-{cache_key(str(settings.image.size), *(str(i.name) for i in images))}",
                lambda: _decode(images, settings.image.size),
            ),
            tokenize(load_tokenizer(encoder), texts, settings.text.longest),
        )
    maps = _maps(records, classifier, cache)
    vectors = cached(
        cache,
        f"clues-{cache_key(text_encoder_sha256(encoder), *texts)}-texts",
        lambda: SentenceEncoder.load(encoder).encode(texts),
    )
    return FrozenInputs(maps, vectors)


def _maps(
    records: Sequence[WeakRecord], classifier: FindingClassifier, cache: Path
) -> NDArray[np.float16]:
    """Trunk maps of all records; each source's are kept apart, so that one can be added."""
    parts = []
    for _, group in groupby(records, key=lambda record: record.source):
        images = [record.image for record in group]
        with torch.autocast("cpu", torch.bfloat16, enabled=has_native_bfloat16()):
            parts.append(
                trunk_features(images, classifier.features, classifier.config.weights_sha256, cache)
            )
    return np.concatenate(parts)


def _decode(images: Sequence[Path], size: int) -> NDArray[np.uint8]:
    return np.stack([to_bytes(to_square(read_display(image), size)) for image in images])


def _pretrained(settings: ClueSettings, encoder: Path, cache: Path) -> dict[str, Tensor] | None:
    weights: dict[str, Tensor] = {}
    if settings.image.weights is not None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            published = load_file(_backbone(settings.image, cache))
        except (OSError, SafetensorError) as error:
            raise WeightsError(
                "The weights of the image encoder cannot be read: give safetensors by timm's names."
            ) from error
        weights |= {f"image.backbone.{name}": value for name, value in published.items()}
    if not settings.text.frozen:
        weights |= bert_weights(encoder)
    return weights or None


def _backbone(image: ImageEncoderSettings, cache: Path) -> Path:
    """The file of the image encoder's published weights."""
    named = str(image.weights)
    file = Path(named).expanduser()
    if named.startswith(PREFIX):
        file = HubModel.named(named, cache).located() / "model.safetensors"
    if not file.is_file():
        raise WeightsError(
            "The weights of the image encoder are not there: name a safetensors file, or pull them "
            "from the hub (hf:timm/NAME)."
        )
    if image.sha256 and file_sha256(file) != image.sha256:
        raise WeightsError(
            "The weights of the image encoder do not have the checksum that the preset requires."
        )
    return file


def _scores(
    network: ClueNetwork, inputs: ClueInputs, records: NDArray[np.int64], prompts: Tensor
) -> NDArray[np.float64]:
    images = embed_records(network, inputs, records)
    with torch.inference_mode():
        similarity = (images @ prompts.T).double().numpy()
        return disease_scores(similarity, float(network.scale))
