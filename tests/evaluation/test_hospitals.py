"""An output learnt anew is tested on other films than it learnt from, whatever it learns."""

from __future__ import annotations

import numpy as np

from evaluation.experts.hospitals import LearntAnew, PooledFilms, learn_anew

CHANNELS = 12
FILMS = 60
"""Of each hospital."""


def films(shown: float, seed: int = 3) -> PooledFilms:
    """Two hospitals whose films differ in the first channel and show illness in the second.

    A second network sees another picture of the same.
    """
    random = np.random.default_rng(seed)
    truth = random.random(2 * FILMS) < 0.5
    sources = np.array(["montgomery"] * FILMS + ["shenzhen"] * FILMS)
    features = []
    for views in (2, 4):
        values = random.normal(size=(views, 2 * FILMS, CHANNELS)).astype(np.float32)
        values[:, :, 0] += np.where(sources == "shenzhen", 5.0, 0.0)
        values[:, :, 1] += shown * truth
        features.append(values)
    return PooledFilms(tuple(features), truth, sources)


def areas(found: list[LearntAnew]) -> list[float]:
    """Every area; all of them can be told."""
    return [own.auc.value for own in found if own.auc.value is not None]


def test_what_was_learnt_on_some_films_holds_on_others_and_at_the_other_hospital() -> None:
    found = list(learn_anew(films(shown=3.0)))
    assert [(own.learnt_at, own.tested_at) for own in found] == [
        ("both, other films", "montgomery"),
        ("both, other films", "shenzhen"),
        ("montgomery", "shenzhen"),
        ("shenzhen", "montgomery"),
    ]
    assert all(own.images == FILMS for own in found)
    assert len(areas(found)) == 4 and min(areas(found)) > 0.9


def test_where_the_films_show_nothing_nothing_is_found() -> None:
    """An output tested on films that it had learnt from would find them."""
    for seed in (3, 4, 5):
        found = areas(list(learn_anew(films(shown=0.0, seed=seed))))
        assert len(found) == 4 and 0.3 < np.mean(found) < 0.7
