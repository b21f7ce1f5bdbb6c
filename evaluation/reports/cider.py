"""CIDEr-D (Vedantam et al., CVPR 2015), one reference a report, as COCO's evaluation counts it.

The library that has it is no longer kept up; the tests hold this against it. Clipped tf-idf
weights of word n-grams, n = 1 … 4, are compared by cosine, damped by the difference in length, and
scaled by 10. Document frequencies are those of the references, so figures of different sets of
references do not compare, and a single report scores 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evaluation.reports.words import words

ORDERS: Final = 4
SIGMA: Final = 6.0
SCALE: Final = 10.0

Gram = tuple[str, ...]


def cider(generated: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """CIDEr-D of each report; their mean is the set's."""
    wanted = [_grams(text) for text in references]
    frequency = Counter(gram for grams in wanted for gram in grams)
    documents = log(len(wanted)) if wanted else 0.0
    figures = [
        _similarity(
            _weighed(_grams(text), frequency, documents), _weighed(grams, frequency, documents)
        )
        for text, grams in zip(generated, wanted, strict=True)
    ]
    return np.array(figures, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Weighed:
    """tf-idf weights by order, their norms, and the length (in bigrams, as COCO counts it)."""

    weights: tuple[dict[Gram, float], ...]
    norms: tuple[float, ...]
    length: int


def _grams(text: str) -> Counter[Gram]:
    found = words(text)
    return Counter(
        tuple(found[start : start + order])
        for order in range(1, ORDERS + 1)
        for start in range(len(found) - order + 1)
    )


def _weighed(grams: Counter[Gram], frequency: Counter[Gram], documents: float) -> _Weighed:
    weights: tuple[dict[Gram, float], ...] = tuple({} for _ in range(ORDERS))
    for gram, count in grams.items():
        weights[len(gram) - 1][gram] = count * (documents - log(max(1, frequency[gram])))
    norms = tuple(sqrt(sum(value**2 for value in own.values())) for own in weights)
    return _Weighed(weights, norms, sum(n for gram, n in grams.items() if len(gram) == 2))


def _similarity(written: _Weighed, wanted: _Weighed) -> float:
    damping = exp(-((written.length - wanted.length) ** 2) / (2 * SIGMA**2))
    total = 0.0
    for order in range(ORDERS):
        reference = wanted.weights[order]
        product = sum(
            min(value, reference[gram]) * reference[gram]
            for gram, value in written.weights[order].items()
            if gram in reference
        )
        norms = written.norms[order] * wanted.norms[order]
        total += damping * product / norms if norms else 0.0
    return SCALE * total / ORDERS
