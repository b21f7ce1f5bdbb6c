"""The text metrics against the implementations that the field compares with, and by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.reports.bert_score import BertScorer, matched
from evaluation.reports.cider import cider
from evaluation.reports.meteor_java import meteor_1_5
from evaluation.reports.overlap import bleu, bleu_counts, meteor, rouge_l
from evaluation.reports.words import joined, words
from findings.errors import ResourceError, WeightsError
from findings.vocabulary import Language

GENERATED = (
    "The heart is enlarged. There is a small left pleural effusion.",
    "No pneumothorax. The lungs are clear.",
    "A nodule in the right upper lobe, 1.5 cm.",
    "The lungs are clear.",
)
REFERENCES = (
    "The heart size is enlarged. Small left effusion is seen.",
    "The lungs are clear. There is no pneumothorax or effusion.",
    "Nodule of the left upper lobe.",
    "The lungs are clear.",
)
report = st.lists(
    st.sampled_from(["the", "heart", "lungs", "are", "clear", "no", "left", "right", "effusion"]),
    min_size=1,
    max_size=14,
).map(" ".join)


def coco(texts: tuple[str, ...] | list[str]) -> dict[int, list[str]]:
    """As COCO's evaluation takes them."""
    return {number: [joined(text)] for number, text in enumerate(texts)}


def test_words_leave_punctuation_out_and_keep_numbers_whole() -> None:
    assert words("Right-sided, 1.5 cm (stable).") == ["right-sided", "1.5", "cm", "stable"]
    assert words("Índice 0,52; ¿derrame?") == ["índice", "0,52", "derrame"]
    assert words("") == []


def test_bleu_is_sacrebleu_over_the_corpus_and_coco_but_for_its_smoothing() -> None:
    from pycocoevalcap.bleu.bleu import Bleu
    from sacrebleu.metrics import BLEU

    counts = bleu_counts(GENERATED, REFERENCES)
    reference, _ = Bleu(4).compute_score(coco(REFERENCES), coco(GENERATED), verbose=0)
    for order in range(1, 5):
        corpus = BLEU(max_ngram_order=order, smooth_method="none", tokenize="none", force=True)
        whole = corpus.corpus_score(
            [joined(text) for text in GENERATED], [[joined(text) for text in REFERENCES]]
        )
        assert bleu(counts, order) == pytest.approx(whole.score / 100)
        assert bleu(counts, order) == pytest.approx(reference[order - 1], abs=1e-6)


def test_bleu_by_hand() -> None:
    # 6 of 8 words match, against 6 words wanted: no brevity penalty. 5 of 7 pairs match.
    counts = bleu_counts(["a b c d e f x y"], ["a b c d e f"])
    assert bleu(counts, 1) == pytest.approx(6 / 8)
    assert bleu(counts, 2) == pytest.approx(np.sqrt(6 / 8 * 5 / 7))


@settings(max_examples=25)
@given(st.lists(st.tuples(report, report), min_size=1, max_size=4))
def test_rouge_and_cider_are_coco_s(cases: list[tuple[str, str]]) -> None:
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    generated, references = [one for one, _ in cases], [other for _, other in cases]
    _, expected = Rouge().compute_score(coco(references), coco(generated))
    np.testing.assert_allclose(rouge_l(generated, references), expected, atol=1e-12)
    _, expected = Cider().compute_score(coco(references), coco(generated))
    np.testing.assert_allclose(cider(generated, references), expected, atol=1e-9)


def test_rouge_precision_and_recall_are_rouge_score_s() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    found = RougeScorer(["rougeL"]).score("the heart is large", "the large heart")["rougeL"]
    assert (found.precision, found.recall) == pytest.approx((2 / 3, 2 / 4))
    weighed = (1 + 1.44) * found.precision * found.recall
    weighed /= found.recall + 1.44 * found.precision
    assert rouge_l(["the large heart"], ["the heart is large"])[0] == pytest.approx(weighed)


def test_meteor_by_hand() -> None:
    """Banerjee and Lavie (2005), section 2, with the 2007 parameters.

    "the president spoke to the audience" against "the president then spoke to the audience": six
    words match in two chunks, so the penalty is 0.5 · (2/6)³.
    """
    written, wanted = (
        "the president spoke to the audience",
        "the president then spoke to the audience",
    )
    precision, recall = 6 / 6, 6 / 7
    mean = precision * recall / (0.9 * precision + 0.1 * recall)
    expected = mean * (1 - 0.5 * (2 / 6) ** 3)
    assert meteor([written], [wanted])[0] == pytest.approx(expected)


def test_meteor_matches_stems_and_no_synonyms() -> None:
    stems, synonyms, nothing = meteor(
        ["small effusions", "big heart", ""], ["small effusion", "large heart", "clear lungs"]
    )
    assert stems == pytest.approx(1 - 0.5 * (1 / 2) ** 3)
    assert synonyms == pytest.approx(0.5 * (1 - 0.5))
    assert nothing == 0
    assert meteor(["derrames"], ["derrame"], Language.SPANISH)[0] == pytest.approx(0.5)


def test_meteor_needs_neither_a_download_nor_java() -> None:
    code = (
        "import socket, subprocess\n"
        "def refuse(*_, **__): raise AssertionError\n"
        "socket.socket.connect = socket.create_connection = subprocess.Popen = refuse\n"
        "import nltk; nltk.data.path.clear()\n"
        "from evaluation.reports.overlap import meteor\n"
        "print(float(meteor(['clear lungs'], ['clear lungs'])[0]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert float(done.stdout) == pytest.approx(1 - 0.5 * (1 / 2) ** 3)


def test_cider_of_the_same_texts_is_ten_and_of_one_report_nothing() -> None:
    same = cider(["one two three four", "five six seven eight"], ["one two three four", "x y z w"])
    assert same[0] == pytest.approx(10)
    assert same[1] == 0
    assert cider(["the lungs are clear"], ["the lungs are clear"])[0] == 0


def test_bert_score_matching_against_a_slow_one() -> None:
    random = np.random.default_rng(3)
    ours, theirs = random.normal(size=(4, 6)), random.normal(size=(7, 6))
    ours /= np.linalg.norm(ours, axis=1, keepdims=True)
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    precision = np.mean([max(float(a @ b) for b in theirs) for a in ours])
    recall = np.mean([max(float(a @ b) for a in ours) for b in theirs])
    expected = (precision, recall, 2 * precision * recall / (precision + recall))
    assert matched(ours, theirs) == pytest.approx(expected)
    assert matched(ours, ours) == pytest.approx((1, 1, 1))
    assert matched(ours[:0], theirs) == (0, 0, 0)


def test_meteor_1_5_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(ResourceError, match="Java"):
        meteor_1_5(["clear lungs"], ["clear lungs"])


def test_bert_score_of_a_folder_that_holds_no_encoder(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="models pull"):
        BertScorer(tmp_path)


def test_bert_score_with_an_encoder_on_disk(tmp_path: Path) -> None:
    """A tiny random BERT: the same words score 1, start and end marks do not count."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\nclear\nlungs\nlarge\nheart\n")
    BertTokenizerFast(vocab=str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    config = BertConfig(
        vocab_size=8,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        initializer_range=1.0,
    )
    BertModel(config).save_pretrained(tmp_path)
    scorer = BertScorer(tmp_path, "tiny")
    same, other, nothing = scorer.score(
        ["clear lungs", "large heart", ""], ["clear lungs", "clear lungs", "clear lungs"]
    )
    assert same == pytest.approx([1, 1, 1], abs=1e-5)
    assert other[2] < 0.99 and list(nothing) == [0, 0, 0]
    # A batch's padding does not matter.
    alone = scorer.score(["large heart"], ["clear lungs"])
    assert alone[0] == pytest.approx(other, abs=1e-5)
