"""One set of vectors on disk, a vector for each entry: memory-mapped search, exact or by graph.

Many entries share a vector (every normal report has the same profile), so a vector is kept once
with the list of its entries. Small sets are searched exhaustively; larger ones by an HNSW graph
(Malkov and Yashunin, TPAMI 2020), filtered inside the search.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Entries = NDArray[np.int32]
Mask = NDArray[np.bool_]

GRAPH_FROM: Final = 8000
"""Distinct vectors from which a graph is built; below, exhaustive search is as quick."""

_LINKS: Final = 32
_BUILD_DEPTH: Final = 160
_SEARCH_DEPTH: Final = 160
_DEEPEST: Final = 2000
_SUBSET: Final = 4000
_CHUNK: Final = 2000


def write_vectors(
    folder: Path, name: str, vectors: Vector, added: Callable[[int], None] | None = None
) -> int:
    """Write the vectors of all entries, ``(entries, dimension)``; returns how many are distinct.

    `added` is told of every batch of entries taken up. Vectors of length one are expected; the
    inner product is the similarity.
    """
    faiss = _faiss()
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    rows = vectors.view(np.dtype((np.void, vectors.dtype.itemsize * vectors.shape[1])))
    _, first, sorted_of = np.unique(rows.ravel(), return_index=True, return_inverse=True)
    # Rows in the order in which entries first have them, so that the files do not depend on bits.
    rank = np.empty(len(first), dtype=np.int32)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first), dtype=np.int32)
    row_of = rank[sorted_of]
    distinct = vectors[np.sort(first)]
    if len(distinct) >= GRAPH_FROM:
        index = faiss.IndexHNSWFlat(distinct.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _BUILD_DEPTH
    else:
        index = faiss.IndexFlatIP(distinct.shape[1])
    share = len(vectors) / max(1, len(distinct))
    for start in range(0, len(distinct), _CHUNK):
        chunk = distinct[start : start + _CHUNK]
        index.add(chunk)
        if added is not None:
            added(round((start + len(chunk)) * share))
    faiss.write_index(index, str(folder / f"{name}.faiss"))
    np.save(folder / f"{name}_row.npy", row_of)
    np.save(folder / f"{name}_entries.npy", np.argsort(row_of, kind="stable").astype(np.int32))
    starts = np.concatenate(([0], np.cumsum(np.bincount(row_of, minlength=len(distinct)))))
    np.save(folder / f"{name}_starts.npy", starts.astype(np.int64))
    return len(distinct)


@dataclass(frozen=True)
class Selection:
    """The entries that a filter lets through, prepared for one set of vectors."""

    mask: Mask
    rows: Entries
    share: float
    bits: NDArray[np.uint8]


class VectorSet:
    """Vectors opened for search; read-only and thread-safe."""

    def __init__(self, folder: Path, name: str) -> None:
        """Map the files of `write_vectors`. Raises `OSError` or `RuntimeError` if unreadable."""
        faiss = _faiss()
        self._index = faiss.read_index(str(folder / f"{name}.faiss"), faiss.IO_FLAG_MMAP_IFC)
        graph = isinstance(self._index, faiss.IndexHNSW)
        self._graph = graph
        flat = faiss.downcast_index(self._index.storage) if graph else self._index
        count, dimension = int(flat.ntotal), int(flat.d)
        values = faiss.rev_swig_ptr(flat.get_xb(), count * dimension)
        self._vectors: Vector = values.reshape(count, dimension)
        if not graph:
            # Read whole at each search, which needs memory that is aligned to be quick.
            self._vectors = self._vectors.copy()
        self._row, self._entries, self._starts = (
            np.load(folder / f"{name}_{part}.npy", mmap_mode="r").view(np.ndarray)
            for part in ("row", "entries", "starts")
        )

    @property
    def distinct(self) -> int:
        """How many different vectors there are."""
        return len(self._vectors)

    def row(self, row: int) -> Vector:
        """One of the distinct vectors."""
        found: Vector = self._vectors[row]
        return found

    def vector(self, entry: int) -> Vector:
        """The vector of an entry."""
        return self.row(int(self._row[entry]))

    def all_rows(self) -> Vector:
        """The distinct vectors, ``(distinct, dimension)``, mapped and read-only by convention."""
        return self._vectors

    def select(self, mask: Mask) -> Selection:
        """Prepare a filter over entries."""
        allowed = np.zeros(self.distinct, dtype=np.bool_)
        allowed[self._row[mask]] = True
        rows = np.flatnonzero(allowed).astype(np.int32)
        return Selection(
            mask=mask,
            rows=rows,
            share=len(rows) / max(1, self.distinct),
            bits=np.packbits(allowed, bitorder="little"),
        )

    def similarities(self, query: Vector, entries: Entries) -> Vector:
        """The inner products of a query with the vectors of some entries."""
        found: Vector = self._vectors[self._row[entries]] @ query
        return found

    def nearest(
        self, query: Vector, count: int, selection: Selection | None = None, *, exact: bool = False
    ) -> Entries:
        """Up to `count` entries, most similar first; those that share a vector in their order."""
        found: list[Entries] = []
        left = count
        for row in self.nearest_rows(query, count, selection, exact=exact):
            entries = self._entries[self._starts[row] : self._starts[row + 1]]
            if selection is not None:
                entries = entries[selection.mask[entries]]
            found.append(entries[:left])
            left -= len(found[-1])
            if left <= 0:
                break
        return np.concatenate(found) if found else np.zeros(0, dtype=np.int32)

    def nearest_rows(
        self, query: Vector, count: int, selection: Selection | None = None, *, exact: bool = False
    ) -> NDArray[np.int64]:
        """Up to `count` distinct vectors by row number, most similar first."""
        if selection is not None and not len(selection.rows):
            return np.zeros(0, dtype=np.int64)
        if selection is not None and len(selection.rows) <= _SUBSET:
            return _best(_products(self._vectors[selection.rows], query), selection.rows, count)
        if exact or not self._graph:
            rows = np.arange(self.distinct) if selection is None else selection.rows
            scores = _products(self._vectors, query)
            return _best(scores if selection is None else scores[rows], rows, count)
        labels = self._index.search(
            query[None, :], min(count, self.distinct), params=_parameters(count, selection)
        )[1][0]
        labels = labels[labels >= 0]
        # A second look in a fixed order, so that ties do not depend on the walk.
        return _best(self._vectors[labels] @ query, labels, count)


def _faiss() -> Any:
    """The library, loaded on first use; its own type stubs leave out what is needed here."""
    return importlib.import_module("faiss")


def _products(vectors: Vector, query: Vector) -> Vector:
    """Inner products on one thread: waiting for a second one costs more than it saves."""
    products: Vector = np.einsum("ij,j->i", vectors, query)
    return products


def _best(scores: Vector, rows: NDArray[Any], count: int) -> NDArray[np.int64]:
    if len(scores) > count:
        kept = np.argpartition(-scores, count - 1)[:count]
        scores, rows = scores[kept], rows[kept]
    return rows[np.lexsort((rows, -scores))].astype(np.int64)


def _parameters(count: int, selection: Selection | None) -> Any:
    """The narrower the filter, the deeper the walk, since most of what it meets is left out."""
    faiss = _faiss()
    depth = max(_SEARCH_DEPTH, 2 * count)
    if selection is None:
        return faiss.SearchParametersHNSW(efSearch=depth)
    depth = min(_DEEPEST, round(depth / max(selection.share, 1e-3)))
    selector = faiss.IDSelectorBitmap(selection.bits)
    return faiss.SearchParametersHNSW(efSearch=depth, sel=selector)
