"""Building the index of one or more languages from corpora; what is in use stays until the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Final, Literal

import numpy as np

from findings.catalogue import ancestors
from findings.claims import Claim
from findings.errors import IndexUnavailableError, WeightsError
from findings.labeler import label_report
from findings.vocabulary import Finding, Language, Side
from retrieval.corpora import openi, padchest
from retrieval.corpora.report import CorpusReport, fold, sentences
from retrieval.encoder import ARTEFACT, Encoder
from retrieval.index import IndexInfo, ReportIndex
from retrieval.manifest import (
    MANIFEST,
    SCHEMA,
    CorpusCount,
    LanguageManifest,
    describe_file,
    new_build,
)
from retrieval.partition import COMMON, FINDINGS, PROFILE, TEXT, VIEWS
from retrieval.profile import layout_version, profile
from retrieval.rendering import phrases
from retrieval.sources import CORPORA, find_corpora, find_encoder
from retrieval.store import EmbeddingCache, Entry, sentence_key, write_tables
from retrieval.vectors import Vector, write_vectors
from retrieval.weighting import common_direction, weighted_mean, without_common

Progress = Callable[[int, int], None]
"""Called with the steps done and the steps in all."""

_ENCODED_AT_ONCE: Final = 256


@dataclass(frozen=True)
class Corpus:
    """A corpus to index: its name, version and reports, all of one language."""

    name: str
    version: str
    reports: Iterable[CorpusReport]


def can_build(cache: Path, folder: Path, language: Language) -> bool:
    """True where the index lacks a language (or is stale) and what it takes to build it is here."""
    if find_corpora(cache) is None or find_encoder(cache) is None:
        return False
    try:
        ReportIndex.open(folder, cache).partition(language)
    except IndexUnavailableError:
        return True
    return False


def build_from_cache(
    cache: Path,
    folder: Path,
    languages: Sequence[Language] = tuple(Language),
    progress: Progress | None = None,
) -> IndexInfo:
    """Build the index of some languages from the pulled corpora; others are left as they are.

    Raises `WeightsError` where corpora or encoder were not pulled, `IndexUnavailableError` where
    a corpus is damaged.
    """
    encoder = find_encoder(cache)
    pulled = find_corpora(cache)
    for found, name in ((pulled, CORPORA), (encoder, ARTEFACT)):
        if found is None:
            raise WeightsError(
                f"'{name}' is absent, so the index of prior reports cannot be built. "
                f"Run 'readingroom models pull {name}'."
            )
    assert pulled is not None and encoder is not None
    corpora: dict[Language, tuple[Corpus, ...]] = {}
    if Language.ENGLISH in languages:
        reports = openi.read_openi(pulled / openi.ARCHIVE)
        corpora[Language.ENGLISH] = (Corpus(openi.SOURCE, pulled.name, reports),)
    if Language.SPANISH in languages:
        reports = padchest.read_padchest(pulled / padchest.TABLE)
        corpora[Language.SPANISH] = (Corpus(padchest.SOURCE, pulled.name, reports),)
    return build_index(folder, corpora, encoder, progress)


def build_index(
    folder: Path,
    corpora: Mapping[Language, Sequence[Corpus]],
    encoder: Encoder,
    progress: Progress | None = None,
    limit: int | None = None,
) -> IndexInfo:
    """Build the index of each language in `corpora`; `limit` bounds the reports of a corpus.

    Sentence vectors are kept beside the index as they are made, so a build that was interrupted
    goes on where it stopped. Raises `IndexUnavailableError` where a corpus cannot be read or holds
    no report.
    """
    cache = EmbeddingCache(folder, encoder.version)
    steps = _Steps(progress)
    try:
        for language, sources in corpora.items():
            entries, counts = _gather(language, sources, limit)
            with new_build(folder / language.value) as work:
                _write(work, language, entries, counts, encoder, cache, steps)
    finally:
        cache.close()
    return ReportIndex.open(folder, encoder=encoder).info()


class _Steps:
    """Adds up the steps of several stages, some of them known only later."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._before = 0
        self._total = 0

    def stage(self, steps: int) -> Callable[[int], None]:
        """Begin a stage of so many steps; returns what is told how many of them are done."""
        self._before = self._total
        self._total += steps

        def done(count: int) -> None:
            if self._progress is not None:
                self._progress(self._before + count, self._total)

        done(0)
        return done


def _gather(
    language: Language, corpora: Sequence[Corpus], limit: int | None
) -> tuple[list[Entry], tuple[CorpusCount, ...]]:
    """Reports grouped by content, in the order of their ids, and how many each corpus gave."""
    groups: dict[tuple[str, str], Entry] = {}
    reports: Counter[str] = Counter()
    for corpus in corpora:
        for report in islice(corpus.reports, limit):
            if report.language is not language:
                raise ValueError("a corpus holds reports of one language")
            reports[corpus.name] += 1
            key = (corpus.name, fold(report.text or report.display))
            entry = groups.get(key)
            if entry is None:
                claims: tuple[Claim, ...] = report.claims
                if report.text:
                    claims = tuple(
                        Claim.model_validate(claim.model_dump(exclude={"span"}))
                        for claim in label_report(report.text, language)
                    )
                entry = groups[key] = Entry(report, tuple(dict.fromkeys(claims)))
            entry.add(report)
    if not groups:
        raise IndexUnavailableError(
            "The corpora hold no report that can be indexed. "
            f"Run 'readingroom models pull {CORPORA}'."
        )
    entries = sorted(groups.values(), key=lambda entry: min(entry.members)[0])
    distinct = Counter(name for name, _ in groups)
    counts = tuple(
        CorpusCount(
            name=corpus.name,
            version=corpus.version,
            reports=reports[corpus.name],
            distinct=distinct[corpus.name],
        )
        for corpus in corpora
    )
    return entries, counts


def _write(
    work: Path,
    language: Language,
    entries: list[Entry],
    counts: tuple[CorpusCount, ...],
    encoder: Encoder,
    cache: EmbeddingCache,
    steps: _Steps,
) -> None:
    form: Literal["prose", "claims"] = (
        "prose" if language is Language.ENGLISH and entries[0].first.text else "claims"
    )
    spoken = [
        sentences(entry.first.text) if form == "prose" else phrases(entry.claims, Language.ENGLISH)
        for entry in entries
    ]
    keyed = [{sentence_key(sentence): sentence for sentence in one} for one in spoken]
    vectors = _embed([*keyed, _askable(entries)], encoder, cache, steps)
    shares = {
        key: count / len(entries)
        for key, count in Counter(key for one in keyed for key in one).items()
    }
    texts = np.zeros((len(entries), encoder.dimension), dtype=np.float32)
    for row, one in zip(texts, keyed, strict=True):
        if one:
            keys = sorted(one)
            row[:] = weighted_mean([vectors[k] for k in keys], [shares[k] for k in keys])
    common = common_direction(np.unique(texts, axis=0))
    texts = without_common(texts, common)
    profiles = np.stack([profile(entry.claims) for entry in entries])
    distinct = {
        name: write_vectors(work, name, values, steps.stage(len(entries)))
        for name, values in ((TEXT, texts), (PROFILE, profiles))
    }
    np.save(work / COMMON, common)
    np.save(work / FINDINGS, _affirmed(entries))
    np.save(work / VIEWS, np.array([entry.views for entry in entries], dtype=np.uint8))
    write_tables(
        work, entries, ((key, shares.get(key, 0.0), vector) for key, vector in vectors.items())
    )
    manifest = LanguageManifest(
        index_schema=SCHEMA,
        builder=f"readingroom {metadata.version('readingroom')}",
        language=language,
        form=form,
        corpora=counts,
        encoder=encoder.version,
        profile_layout=layout_version(),
        entries=len(entries),
        text_vectors=distinct[TEXT],
        profile_vectors=distinct[PROFILE],
        files={path.name: describe_file(path) for path in sorted(work.iterdir())},
    )
    (work / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _askable(entries: list[Entry]) -> dict[bytes, str]:
    """Phrases that a search by claims is likely to use, kept so that it needs no encoder."""
    claims = [Claim(finding=finding, side=side) for finding in Finding for side in (None, *Side)]
    spoken = {phrase for claim in claims for phrase in phrases((claim,), Language.ENGLISH)}
    spoken |= {phrase for one in entries for phrase in phrases(one.claims, Language.ENGLISH)}
    return {sentence_key(phrase): phrase for phrase in sorted(spoken)}


def _embed(
    keyed: list[dict[bytes, str]], encoder: Encoder, cache: EmbeddingCache, steps: _Steps
) -> dict[bytes, Vector]:
    """The vector of every sentence, each encoded once, ever."""
    wanted = {key: sentence for one in keyed for key, sentence in one.items()}
    vectors = dict(cache.get(list(wanted)))
    # By length, so that a batch pads little.
    missing = sorted(wanted.keys() - vectors.keys(), key=lambda key: (len(wanted[key]), key))
    done = steps.stage(len(missing))
    for start in range(0, len(missing), _ENCODED_AT_ONCE):
        keys = missing[start : start + _ENCODED_AT_ONCE]
        fresh = dict(zip(keys, encoder.encode([wanted[key] for key in keys]), strict=True))
        cache.put(fresh.items())
        vectors.update(fresh)
        done(start + len(keys))
    return vectors


def _affirmed(entries: list[Entry]) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Which findings, or kinds of them, each entry affirms: ``(findings, entries)``."""
    column = {finding: place for place, finding in enumerate(Finding)}
    table = np.zeros((len(column), len(entries)), dtype=np.bool_)
    for number, entry in enumerate(entries):
        for claim in entry.claims:
            if claim.present:
                for finding in (claim.finding, *ancestors(claim.finding)):
                    table[column[finding], number] = True
    return table
