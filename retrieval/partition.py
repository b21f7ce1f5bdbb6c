"""The index of one language, opened: candidates by profile and by text, fused by rank."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from findings.claims import Claim
from findings.errors import IndexUnavailableError, WeightsError
from findings.vocabulary import Finding
from retrieval.corpora.report import ReportView
from retrieval.encoder import ARTEFACT, Encoder
from retrieval.manifest import LanguageManifest
from retrieval.profile import profile
from retrieval.query import Hit, Query
from retrieval.store import VIEW_BITS, Tables
from retrieval.vectors import Entries, Mask, Selection, Vector, VectorSet
from retrieval.weighting import weighted_mean, without_common

TEXT: Final = "text"
PROFILE: Final = "profile"
COMMON: Final = "common.npy"
FINDINGS: Final = "findings.npy"
VIEWS: Final = "views.npy"

_FUSION: Final = 60
"""The constant of reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009)."""
_POOL: Final = 60
_POOL_PER_HIT: Final = 4
_FILTERS_KEPT: Final = 32
_COLUMN: Final = {finding: column for column, finding in enumerate(Finding)}


class Partition:
    """Reports of one language with their two sets of vectors. Read-only and thread-safe."""

    def __init__(self, build: Path, manifest: LanguageManifest, encoder: Encoder | None) -> None:
        """Map the files of a build. Raises `IndexUnavailableError` where one is unreadable."""
        self.manifest = manifest
        self._encoder = encoder
        try:
            self._sets = {name: VectorSet(build, name) for name in (TEXT, PROFILE)}
            self._common: Vector = np.load(build / COMMON)
            self._findings: NDArray[np.bool_] = np.load(build / FINDINGS, mmap_mode="r")
            self._views: NDArray[np.uint8] = np.load(build / VIEWS, mmap_mode="r")
        except (OSError, ValueError, RuntimeError) as error:
            raise IndexUnavailableError(
                "The index of prior reports is damaged. Run 'readingroom index build'."
            ) from error
        self.tables = Tables(build)
        self._filters: OrderedDict[
            tuple[ReportView | None, frozenset[Finding]], dict[str, Selection]
        ] = OrderedDict()
        self._lock = threading.Lock()

    def text_vector(self, sentences: Sequence[str]) -> Vector | None:
        """The vector of a text given as sentences (or phrases); `None` without any.

        Sentences that the index has need no encoder. Raises `WeightsError` where one does and the
        encoder is absent.
        """
        if not sentences:
            return None
        known = [self.tables.sentence(sentence) for sentence in sentences]
        new = [s for s, found in zip(sentences, known, strict=True) if found is None]
        encoded = iter(self._encode(new)) if new else iter(())
        vectors = [next(encoded) if found is None else found[1] for found in known]
        shares = [0.0 if found is None else found[0] for found in known]
        return without_common(weighted_mean(vectors, shares), self._common)

    def _encode(self, sentences: list[str]) -> Vector:
        if self._encoder is None:
            raise WeightsError(
                "The sentence encoder's weights are absent, so this text cannot be searched for. "
                f"Run 'readingroom models pull {ARTEFACT}'."
            )
        return self._encoder.encode(sentences)

    def search(
        self, query: Query, sentences: Sequence[str], claims: Sequence[Claim]
    ) -> tuple[Hit, ...]:
        """The most similar reports, best first; `sentences` and `claims` are what is looked for."""
        vectors = {}
        text = self.text_vector(sentences)
        if text is not None:
            vectors[TEXT] = text
        if claims:
            vectors[PROFILE] = profile(claims)
        if not vectors:
            return ()
        selections = self._select(query.view, frozenset(query.findings))
        pool = max(_POOL, _POOL_PER_HIT * query.k)
        candidates = np.unique(
            np.concatenate(
                [
                    self._sets[name].nearest(vector, pool, selections.get(name), exact=query.exact)
                    for name, vector in vectors.items()
                ]
            )
        )
        scores = {
            name: self._sets[name].similarities(vector, candidates)
            for name, vector in vectors.items()
        }
        return self._hits(query, candidates, scores)

    def _hits(
        self, query: Query, candidates: Entries, scores: dict[str, Vector]
    ) -> tuple[Hit, ...]:
        similarity = np.mean(np.stack(list(scores.values())), axis=0)
        fused = sum(
            (1.0 / (_FUSION + _ranks(values)) for values in scores.values()),
            start=np.zeros(len(candidates)),
        )
        hits: list[Hit] = []
        for place in np.lexsort((candidates, -similarity, -fused)):
            if similarity[place] < query.floor:
                continue
            entry = int(candidates[place])
            report_id = self.tables.member(
                entry, query.view, query.exclude_patient, query.exclude_report
            )
            if report_id is None:
                continue
            stored = self.tables.report(entry)
            hits.append(
                Hit(
                    report_id=report_id,
                    source=stored.source,
                    language=self.manifest.language,
                    text=stored.display,
                    similarity=_rounded(similarity[place]),
                    profile_similarity=_at(scores.get(PROFILE), int(place)),
                    text_similarity=_at(scores.get(TEXT), int(place)),
                    claims=stored.claims,
                    findings=tuple(dict.fromkeys(c.finding for c in stored.claims if c.present)),
                    count=stored.count,
                )
            )
            if len(hits) == query.k:
                break
        return tuple(hits)

    def _select(self, view: ReportView | None, wanted: frozenset[Finding]) -> dict[str, Selection]:
        """The filter of a query, prepared for both sets; empty where everything passes."""
        if view is None and not wanted:
            return {}
        key = (view, wanted)
        with self._lock:
            if key in self._filters:
                self._filters.move_to_end(key)
                return self._filters[key]
        mask: Mask = np.ones(self.manifest.entries, dtype=np.bool_)
        if view is not None:
            mask &= (self._views & VIEW_BITS[view]) != 0
        for finding in wanted:
            mask &= self._findings[_COLUMN[finding]]
        prepared = {name: vectors.select(mask) for name, vectors in self._sets.items()}
        with self._lock:
            self._filters[key] = prepared
            while len(self._filters) > _FILTERS_KEPT:
                self._filters.popitem(last=False)
        return prepared

    def vectors(self, name: str) -> VectorSet:
        """One of the two sets, for measurements."""
        return self._sets[name]


def _ranks(scores: Vector) -> NDArray[np.int64]:
    """Ranks from one, equal scores sharing the best rank of theirs."""
    rounded = np.round(scores, 5)
    ordered = np.sort(-rounded)
    return np.searchsorted(ordered, -rounded, side="left") + 1


def _rounded(value: float) -> float:
    return round(float(value), 4)


def _at(scores: Vector | None, place: int) -> float | None:
    return None if scores is None else _rounded(scores[place])
