"""Tuberculosis learnt anew on the shipped classifier's features, and tested on other films.

The shipped output was fitted on the training films of both hospitals, so the few validation films
are all that it can be tested on. Its recipe can be tested on every film: the networks never saw a
reading for tuberculosis, and fitting the output takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.bootstrap import Estimate, estimate
from evaluation.experts.readings import Readings
from findings.claims import Frozen
from models.classifier.screening import FOLDS, fit_screen
from models.data.finding_sources import TUBERCULOSIS
from models.data.records import FindingRecord
from models.metrics import area_under_curve
from models.preprocessing import read_display

if TYPE_CHECKING:
    from models.classifier.inference import FindingClassifier
    from models.segmenter.inference import AnatomySegmenter

_TRIALS: Final = 1
"""Folds on which a penalty is tried: every output here is fitted many times."""

LEAST_FILMS: Final = 4 * FOLDS
"""Of either reading at a hospital, for it to be learnt from and tested on."""


class LearntAnew(Frozen):
    """What an output fitted at some hospitals reaches on other films."""

    learnt_at: str
    tested_at: str
    images: int
    auc: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class PooledFilms:
    """What the classifier's last layers see of films.

    ``features`` is ``(views, films, channels)`` for each of its networks; ``truth`` and ``sources``
    are ``(films,)``.
    """

    features: tuple[NDArray[np.float32], ...]
    truth: NDArray[np.bool_]
    sources: NDArray[np.str_]


def pool_films(records: Sequence[FindingRecord], readings: Readings) -> PooledFilms:
    """Look at every film with the shipped segmenter and classifier.

    Raises:
        WeightsError: their weights are damaged.
    """
    from models.classifier.inference import FindingClassifier
    from models.segmenter.inference import AnatomySegmenter

    segmenter, classifier = AnatomySegmenter.load(), FindingClassifier.load()
    seen = readings.each(
        "tuberculosis learnt anew",
        lambda record: _pool(record, segmenter, classifier),
        records,
    )
    return PooledFilms(
        features=tuple(np.stack(own, axis=1) for own in zip(*seen, strict=True)),
        truth=np.array([bool(record.labels[TUBERCULOSIS]) for record in records]),
        sources=np.array([record.source for record in records]),
    )


def _pool(
    record: FindingRecord, segmenter: AnatomySegmenter, classifier: FindingClassifier
) -> list[NDArray[np.float32]]:
    display = read_display(record.image)
    return classifier.pooled(display, segmenter.segment(display).lung_box())


def learn_anew(films: PooledFilms) -> Iterator[LearntAnew]:
    """Both hospitals' other films, in five folds; then each hospital's films for the other's."""
    hospitals = sorted(set(films.sources.tolist()))
    every = np.arange(len(films.truth))
    folds = _folds(films)
    held = np.empty(len(every))
    for fold in range(FOLDS):
        logits = _logits(films, every[folds != fold], every[folds == fold])
        # Folds may choose different penalties, which scale the logits; ranks within a fold stay.
        held[folds == fold] = (logits - logits.mean()) / logits.std()
    for tested in hospitals:
        own = films.sources == tested
        yield _reached("both, other films", tested, films.truth[own], held[own])
    for learnt in hospitals:
        for tested in hospitals:
            if tested != learnt:
                rows = every[films.sources == tested]
                logits = _logits(films, every[films.sources == learnt], rows)
                yield _reached(learnt, tested, films.truth[rows], logits)


def _folds(films: PooledFilms) -> NDArray[np.int64]:
    """Each film's fold; every hospital and reading is spread evenly."""
    folds = np.empty(len(films.truth), dtype=np.int64)
    for source in set(films.sources.tolist()):
        for reading in (False, True):
            alike = np.flatnonzero((films.sources == source) & (films.truth == reading))
            folds[alike] = np.arange(len(alike)) % FOLDS
    return folds


def _logits(
    films: PooledFilms, learnt: NDArray[np.int64], tested: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The mean over the networks, as the shipped classifier gives it."""
    each = [
        fit_screen(own[:, learnt], films.truth[learnt], _TRIALS).logits(own[:, tested])
        for own in films.features
    ]
    mean: NDArray[np.float64] = np.mean(each, axis=0)
    return mean


def _reached(
    learnt: str, tested: str, truth: NDArray[np.bool_], score: NDArray[np.float64]
) -> LearntAnew:
    return LearntAnew(
        learnt_at=learnt,
        tested_at=tested,
        images=len(truth),
        # Neither set names patients: an image is one.
        auc=estimate(lambda cases: area_under_curve(score[cases], truth[cases]), range(len(truth))),
    )
