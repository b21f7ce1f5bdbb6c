"""Weak reports, vocabulary and training of the crude-report generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from findings.claims import Claim
from findings.labeler import label_report
from findings.regions import Region
from findings.vocabulary import Finding, Language, Polarity, Side
from models.backbones import build_backbone
from models.blocks import normalise
from models.crude_report.composing import NORMAL, ReportComposer, learn_vocabulary, stated
from models.crude_report.decoding import DecodingSettings, decode_reports
from models.crude_report.network import Backbone, CrudeReportNetwork, GeneratorShape, word_loss
from models.crude_report.preset import CrudeReportPreset, CrudeReportSettings
from models.crude_report.task import CrudeReportTask, balanced_chances
from models.crude_report.tokens import END, SPECIAL, START, UNKNOWN, Vocabulary, split_words
from models.data.sentence_pool import Origin, PooledSentence
from models.data.weak_pair_sources import FOURTEEN, with_absences
from models.training.loop import TrainingLoop
from models.training.presets import LoopSettings, read_preset
from models.training.roles import Role

LEFT_EFFUSION = Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.LEFT)
SHAPE = GeneratorShape(
    backbone=Backbone.SHARED_TRUNK,
    width=32,
    heads=4,
    layers=1,
    feed_forward=32,
    slots=16,
    top_k=4,
    dropout=0.0,
    visual_dropout=0.0,
)
SETTINGS = CrudeReportSettings(shape=SHAPE, least_count=1, wordings=1, balance=0.0, blank_share=0.0)


def pooled(text: str, *claims: Claim) -> PooledSentence:
    """A sentence of the corpus."""
    return PooledSentence(text=text, language=Language.ENGLISH, origin=Origin.OPENI, claims=claims)


def composer(wordings: int = 2, most_words: int = 60) -> ReportComposer:
    """Knows a few sentences; all else is worded plainly."""
    return ReportComposer(
        [
            pooled("Small left effusion is seen.", LEFT_EFFUSION),
            pooled("The heart is large.", Claim(finding=Finding.CARDIOMEGALY)),
            pooled("Lungs clear, no effusion.", NORMAL[2], NORMAL[4]),
        ],
        wordings,
        most_words,
    )


# Vocabulary


def test_rare_words_are_unknown() -> None:
    vocabulary = Vocabulary.of(["No effusion.", "No Effusion, no oedema."], least_count=2)
    assert vocabulary.words == (".", "effusion", "no")
    assert vocabulary.encode("No oedema.") == [len(SPECIAL) + 2, UNKNOWN, len(SPECIAL)]
    assert vocabulary.knows("no effusion.") and not vocabulary.knows("oedema")


def test_a_vocabulary_survives_json_and_refuses_what_is_no_word() -> None:
    vocabulary = Vocabulary.of(["There is a left-sided effusion, small."], least_count=1)
    assert Vocabulary.model_validate_json(vocabulary.model_dump_json()) == vocabulary
    for words in (("a", "a"), ("<b>",), ("A",), ("x" * 41,)):
        with pytest.raises(ValueError, match="word"):
            Vocabulary(words=words)


@given(st.lists(st.sampled_from(["heart", "is", "left-sided", ".", ","]), max_size=30))
def test_numbers_become_sentences_with_full_stops(words: list[str]) -> None:
    vocabulary = Vocabulary(words=("heart", "is", "left-sided", ".", ","))
    sentences = vocabulary.sentences(
        [*(len(SPECIAL) + vocabulary.words.index(word) for word in words), END, START]
    )
    for sentence in sentences:
        assert sentence.endswith(".") and sentence[0] not in ".,"
    kept = [word for sentence in sentences for word in split_words(sentence) if word not in ".,"]
    assert kept == [word for word in words if word not in ".,"]


@given(st.text(max_size=60))
def test_any_text_can_be_numbered(text: str) -> None:
    vocabulary = Vocabulary.of([text], least_count=1)
    numbers = vocabulary.encode(text)
    assert UNKNOWN not in numbers
    assert len(numbers) == len(split_words(text))


# Weak reports


def test_a_weak_report_states_its_labels_and_nothing_else() -> None:
    random = np.random.default_rng(0)
    for finding in FOURTEEN:
        for side in (None, Side.LEFT):
            claims = with_absences([Claim(finding=finding, side=side)], FOURTEEN)
            for _ in range(5):
                text = composer(wordings=6).compose(claims, random)
                read = label_report(text, Language.ENGLISH)
                present = {(claim.finding, claim.side) for claim in read if claim.present}
                assert {found for found, _ in present} == {finding}, text
                assert {found for _, found in present} <= {side, None}, text
                assert not any(c.finding is finding for c in read if not c.present)


def test_a_normal_radiograph_gets_the_round_of_denials() -> None:
    claims = with_absences((), FOURTEEN)
    assert tuple(stated(claims)) == NORMAL
    text = composer().compose(claims, np.random.default_rng(0))
    assert not any(c.present for c in label_report(text, Language.ENGLISH))


def test_wordings_of_the_same_claim_are_drawn_anew() -> None:
    claims = with_absences([LEFT_EFFUSION], FOURTEEN)
    random = np.random.default_rng(0)
    assert len({composer(wordings=3).compose(claims, random) for _ in range(30)}) > 5
    assert "small left effusion is seen ." in composer().compose(claims, random)


def test_what_does_not_fit_goes_denials_first() -> None:
    claims = with_absences([LEFT_EFFUSION], FOURTEEN)
    text = composer(most_words=9).compose(claims, np.random.default_rng(0))
    assert len(split_words(text)) <= 9
    assert "left effusion" in text


def test_a_place_without_a_sentence_is_worded_plainly() -> None:
    claim = Claim(finding=Finding.NODULE, side=Side.RIGHT, region=Region.RIGHT_UPPER_ZONE)
    [read] = label_report(composer().wordings(claim)[0], Language.ENGLISH)
    assert (read.finding, read.side) == (Finding.NODULE, Side.RIGHT)


def test_balance_draws_rare_findings_as_often_as_common_ones() -> None:
    normal = (Claim(finding=Finding.NO_FINDING),)
    claims = [normal] * 90 + [(LEFT_EFFUSION,)] * 9 + [(Claim(finding=Finding.HERNIA),)]
    even = balanced_chances(claims, 1.0)
    assert even[:90].sum() == pytest.approx(even[90:99].sum()) == pytest.approx(even[99])
    assert balanced_chances(claims, 0.0) == pytest.approx(np.full(100, 0.01))


# Training


def task_of(cases: int, settings: CrudeReportSettings = SETTINGS) -> CrudeReportTask:
    """Random features; each case has a finding of its own."""
    claims = [with_absences([Claim(finding=f)], FOURTEEN) for f in FOURTEEN[:cases]]
    features = torch.randn(cases, 1280, 2, 2, generator=torch.Generator().manual_seed(0))
    words = composer(wordings=1)
    indices = np.arange(cases)
    return CrudeReportTask(
        settings,
        8,
        words,
        learn_vocabulary(words, claims, settings.least_count, rounds=1),
        claims,
        lambda chosen: features[torch.from_numpy(chosen)],
        indices,
        indices,
    )


def test_the_generator_learns_eight_cases_by_heart(tmp_path: Path) -> None:
    task = task_of(8)
    loop = LoopSettings(
        steps=110,
        batch_size=8,
        learning_rate=5e-3,
        trunk_learning_rate=1e-3,
        weight_decay=0.0,
        warmup_steps=5,
        clip_norm=1.0,
        ema_decay=0.5,
        validate_every=110,
        patience=9,
        seed=1,
        threads=1,
    )
    outcome = TrainingLoop(task, loop, tmp_path).run()
    assert outcome.history[-1].metrics["loss"] < 0.1
    assert outcome.history[-1].metrics["image_gain"] > 0.1
    network = task.network()
    assert isinstance(network, CrudeReportNetwork)
    network.load_state_dict(outcome.best_weights)
    decoded = decode_reports(
        network.eval(), task._look(np.arange(8)), DecodingSettings(beams=2, block_repeated=0)
    )
    for finding, report in zip(FOURTEEN, decoded, strict=False):
        text = " ".join(task._vocabulary.sentences(report.words))
        read = label_report(text, Language.ENGLISH)
        assert {claim.finding for claim in read if claim.present} == {finding}, text


def test_the_shared_trunk_stays_bit_identical() -> None:
    torch.manual_seed(0)
    trunk = build_backbone("efficientnet_lite0").eval()
    before = {name: value.clone() for name, value in trunk.state_dict().items()}
    network = CrudeReportNetwork(SHAPE, 12)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    with torch.inference_mode():
        seen = trunk.forward_features(normalise(torch.rand(2, 1, 64, 64)))
    words = torch.randint(4, 12, (2, 5))
    word_loss(network(seen.clone(), words[:, :-1]), words[:, 1:]).backward()
    optimiser.step()
    assert not any(name.startswith("trunk") for name, _ in network.named_parameters())
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())
    assert list(task_of(2).trunk_parameters(network)) == []


# Presets


def published_parameters(words: int) -> int:
    """R2GenCMN counted by hand: section 3.2 of the paper and its published settings."""
    width, inner, slots = 512, 512, 2048
    resnet101 = 42_500_160  # without its classification layer
    projection = 2048 * width + width
    attention = 4 * (width * width + width)
    feed_forward = width * inner + inner + inner * width + width
    norm = 2 * width
    memory = slots * width + attention
    encoder = 3 * (attention + feed_forward + 2 * norm) + norm
    decoder = 3 * (2 * attention + feed_forward + 3 * norm) + norm
    return resnet101 + projection + memory + encoder + decoder + words * (2 * width + 1)


def test_the_published_size_builds_with_the_published_parameters() -> None:
    preset = read_preset(CrudeReportPreset, Role.CRUDE_REPORT, "r2gencmn").crude_report
    assert preset.shape == GeneratorShape()
    words = 761
    with torch.device("meta"):
        network = CrudeReportNetwork(preset.shape, words)
    counted = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert counted == published_parameters(words) == 59_053_369
    image = torch.empty(1, 3, 224, 224, device="meta")
    logits = network(image, torch.empty(1, 60, dtype=torch.long, device="meta"))
    assert logits.shape == (1, 60, words)
    assert (preset.decoding.beams, preset.decoding.most_words) == (3, 60)


def test_the_small_preset_fits_its_budget() -> None:
    preset = read_preset(CrudeReportPreset, Role.CRUDE_REPORT, "small").crude_report
    network = CrudeReportNetwork(preset.shape, 500)
    assert 2 * sum(p.numel() for p in network.parameters()) <= 5_000_000


def test_absent_claims_are_denied_in_the_pool_style() -> None:
    denied = [Claim(finding=Finding.PNEUMOTHORAX, polarity=Polarity.ABSENT)]
    [read] = label_report(composer().compose(denied, np.random.default_rng(1)), Language.ENGLISH)
    assert (read.finding, read.polarity) == (Finding.PNEUMOTHORAX, Polarity.ABSENT)
