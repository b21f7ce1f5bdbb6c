"""Sets of vectors: the graph against exhaustive search, filters, shared vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.vectors import GRAPH_FROM, VectorSet, write_vectors

RNG = np.random.default_rng(7)


def _clustered(count: int, dimension: int = 48) -> NDArray[np.float32]:
    """Vectors that lie together like reports do: around a few hundred kinds."""
    centres = RNG.normal(size=(300, dimension))
    vectors = centres[RNG.integers(0, 300, count)] + 0.5 * RNG.normal(size=(count, dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


@pytest.fixture(scope="module")
def vectors() -> NDArray[np.float32]:
    return _clustered(GRAPH_FROM + 4000)


@pytest.fixture(scope="module")
def graph(vectors: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory) -> VectorSet:
    folder = tmp_path_factory.mktemp("graph")
    assert write_vectors(folder, "text", vectors) == len(vectors)
    return VectorSet(folder, "text")


def _recall(
    graph: VectorSet, vectors: NDArray[np.float32], mask: NDArray[np.bool_] | None
) -> float:
    selection = None if mask is None else graph.select(mask)
    shares = []
    for row in RNG.integers(0, len(vectors), 150):
        query = vectors[row] + 0.1 * RNG.normal(size=vectors.shape[1]).astype(np.float32)
        truth = vectors @ query
        if mask is not None:
            truth = np.where(mask, truth, -np.inf)
        best = set(np.argsort(-truth)[:10])
        shares.append(len(best & set(graph.nearest(query, 10, selection))) / 10)
    return float(np.mean(shares))


def test_the_graph_finds_what_exhaustive_search_finds(
    graph: VectorSet, vectors: NDArray[np.float32]
) -> None:
    assert _recall(graph, vectors, None) >= 0.98


@pytest.mark.parametrize("share", [0.9, 0.5, 0.4, 0.05, 0.001])
def test_filtered_search_finds_it_too(
    graph: VectorSet, vectors: NDArray[np.float32], share: float
) -> None:
    mask = RNG.random(len(vectors)) < share
    mask[0] = True
    selection = graph.select(mask)
    for row in RNG.integers(0, len(vectors), 20):
        assert mask[graph.nearest(vectors[row], 10, selection)].all()
    assert _recall(graph, vectors, mask) >= 0.98 or mask.sum() < 10


def test_exact_search_is_exact(graph: VectorSet, vectors: NDArray[np.float32]) -> None:
    for row in RNG.integers(0, len(vectors), 20):
        expected = np.argsort(-(vectors @ vectors[row]), kind="stable")[:10]
        assert list(graph.nearest(vectors[row], 10, exact=True)) == list(expected)


def test_entries_that_share_a_vector_all_come(tmp_path: Path) -> None:
    distinct = np.eye(8, dtype=np.float32)
    shared = distinct[[0, 1, 0, 2, 0, 1]]
    told: list[int] = []
    assert write_vectors(tmp_path, "text", shared, told.append) == 3
    assert told[-1] == 6
    opened = VectorSet(tmp_path, "text")
    assert list(opened.nearest(distinct[0], 3)) == [0, 2, 4]
    assert list(opened.nearest(distinct[0], 2)) == [0, 2]
    assert list(opened.nearest(distinct[1], 6))[:2] == [1, 5]
    only = opened.select(np.array([False, False, True, True, True, False]))
    assert list(opened.nearest(distinct[0], 6, only)) == [2, 4, 3]
    none = opened.select(np.zeros(6, dtype=np.bool_))
    assert list(opened.nearest(distinct[0], 6, none)) == []
    assert opened.similarities(distinct[0], np.array([0, 1], dtype=np.int32)).tolist() == [1, 0]


def test_a_graph_is_mapped_and_not_copied(graph: VectorSet, vectors: NDArray[np.float32]) -> None:
    assert not graph.all_rows().flags.owndata
    assert np.array_equal(graph.vector(5), vectors[5])
    assert graph.distinct == len(vectors)
