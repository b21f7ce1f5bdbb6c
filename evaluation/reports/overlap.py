"""BLEU, ROUGE-L and METEOR of one generated report against one reference, by kept libraries.

None of them needs Java or a download. BLEU is sacrebleu's corpus BLEU without smoothing, so that
orders 1 to 4 are those of the papers (Papineni et al., ACL 2002). ROUGE-L (Lin, 2004) takes the
longest common subsequence of rouge-score and weighs recall by β = 1.2, as COCO's evaluation does.
METEOR is nltk's, with its exact and stem modules (English or Spanish Snowball stems) and the
parameters of Lavie and Agarwal (2007): α 0.9, β 3, γ 0.5. It has no synonyms and no paraphrases,
and is not METEOR 1.5, whose figures are about half as high; `evaluation.reports.meteor_java` gives
those where Java is at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.reports.words import joined, words
from findings.vocabulary import Language

ORDERS: Final = 4
ROUGE_BETA: Final = 1.2
_STEMMERS: Final = {Language.ENGLISH: "english", Language.SPANISH: "spanish"}

Counts = NDArray[np.int64]
"""One row a report: matching n-grams by order, n-grams by order, words written, words wanted."""


def bleu_counts(generated: Sequence[str], references: Sequence[str]) -> Counts:
    """What BLEU sums over reports, ``(reports, 2 * 4 + 2)``."""
    from sacrebleu.metrics import BLEU  # type: ignore[attr-defined]

    bleu = BLEU(
        max_ngram_order=ORDERS,
        smooth_method="none",
        tokenize="none",
        force=True,
        effective_order=True,
    )
    rows = []
    for text, reference in zip(generated, references, strict=True):
        score = bleu.sentence_score(joined(text), [joined(reference)])
        rows.append((*score.counts, *score.totals, score.sys_len, score.ref_len))
    return np.array(rows, dtype=np.int64).reshape(len(rows), 2 * ORDERS + 2)


def bleu(counts: Counts, order: int) -> float:
    """Corpus BLEU of that order in [0, 1] from the rows of `bleu_counts`."""
    from sacrebleu.metrics import BLEU  # type: ignore[attr-defined]

    total = [int(value) for value in counts.sum(axis=0)]
    score = BLEU.compute_bleu(
        total[:order],
        total[ORDERS : ORDERS + order],
        total[-2],
        total[-1],
        smooth_method="none",
        max_ngram_order=order,
    )
    return float(score.score) / 100


def rouge_l(generated: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """ROUGE-L of each report: F of the longest common subsequence, β = 1.2."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], tokenizer=_Words())
    figures = []
    for text, reference in zip(generated, references, strict=True):
        found = scorer.score(reference, text)["rougeL"]
        below = found.recall + ROUGE_BETA**2 * found.precision
        both = (1 + ROUGE_BETA**2) * found.precision * found.recall
        figures.append(both / below if below else 0.0)
    return np.array(figures, dtype=np.float64)


def meteor(
    generated: Sequence[str], references: Sequence[str], language: Language = Language.ENGLISH
) -> NDArray[np.float64]:
    """METEOR of each report with the exact and stem modules."""
    from nltk.stem.snowball import SnowballStemmer
    from nltk.translate.meteor_score import single_meteor_score

    stemmer, nothing = SnowballStemmer(_STEMMERS[language]), _NoSynonyms()
    return np.array(
        [
            single_meteor_score(words(reference), words(text), stemmer=stemmer, wordnet=nothing)
            for text, reference in zip(generated, references, strict=True)
        ],
        dtype=np.float64,
    )


class _Words:
    """`words` as rouge-score wants a tokenizer."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


class _NoSynonyms:
    """Stands in for WordNet, which is a download, and knows no synonym of any word."""

    def synsets(self, word: str) -> list[object]:
        return []
