"""Building: all or nothing, resumed after a kill, refused when stale."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from findings.errors import IndexUnavailableError, WeightsError
from findings.vocabulary import Language
from retrieval.build import Corpus, build_from_cache, build_index, can_build
from retrieval.index import Query, ReportIndex
from retrieval.manifest import MANIFEST, POINTER

Corpora = Callable[[], dict[Language, tuple[Corpus, ...]]]


def _builds(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name.startswith(("build-", ".building")))


def test_a_build_replaces_the_one_before(
    tmp_path: Path, small_corpora: Corpora, word_encoder: Any
) -> None:
    build_index(tmp_path, small_corpora(), word_encoder(), limit=4)
    before = ReportIndex.open(tmp_path, encoder=word_encoder())
    info = build_index(tmp_path, small_corpora(), word_encoder())
    assert [one.reports for one in info.languages] == [10, 5]
    assert len(_builds(tmp_path / "en")) == 1
    query = Query(text="Large left pleural effusion.", language=Language.ENGLISH)
    assert before.search(query)[0].report_id == "en-0", "an open index goes on serving"
    assert ReportIndex.open(tmp_path, encoder=word_encoder()).search(query)[0].report_id == "en-0"


def test_the_same_input_builds_the_same_files(
    tmp_path: Path, small_corpora: Corpora, word_encoder: Any
) -> None:
    versions = {
        build_index(tmp_path / name, small_corpora(), word_encoder()).version for name in "ab"
    }
    assert len(versions) == 1


class InterruptedBuildError(Exception):
    pass


def test_an_interrupted_build_leaves_the_old_index(
    tmp_path: Path, small_corpora: Corpora, word_encoder: Any
) -> None:
    build_index(tmp_path, {Language.ENGLISH: small_corpora()[Language.ENGLISH]}, word_encoder())
    pointer = (tmp_path / "en" / POINTER).read_text()

    def stop(done: int, total: int) -> None:
        raise InterruptedBuildError

    with pytest.raises(InterruptedBuildError):
        build_index(tmp_path, small_corpora(), word_encoder(), stop)
    assert (tmp_path / "en" / POINTER).read_text() == pointer
    assert _builds(tmp_path / "en") == [pointer.strip()]
    assert ReportIndex.open(tmp_path, encoder=word_encoder()).info().languages[0].reports == 10


def test_a_resumed_build_encodes_nothing_twice(
    tmp_path: Path, small_corpora: Corpora, word_encoder: Any
) -> None:
    corpus = {Language.ENGLISH: small_corpora()[Language.ENGLISH]}
    first = word_encoder()

    def stop_after_encoding(done: int, total: int) -> None:
        if done and first.encoded:
            raise InterruptedBuildError

    with pytest.raises(InterruptedBuildError):
        build_index(tmp_path, corpus, first, stop_after_encoding)
    assert first.encoded > 0
    second = word_encoder()
    build_index(tmp_path, {Language.ENGLISH: small_corpora()[Language.ENGLISH]}, second)
    whole = word_encoder()
    build_index(tmp_path / "b", {Language.ENGLISH: small_corpora()[Language.ENGLISH]}, whole)
    assert first.encoded + second.encoded == whole.encoded


def test_another_language_is_left_alone(
    tmp_path: Path, small_corpora: Corpora, word_encoder: Any
) -> None:
    build_index(tmp_path, small_corpora(), word_encoder())
    pointer = (tmp_path / "es" / POINTER).read_text()
    build_index(tmp_path, {Language.ENGLISH: small_corpora()[Language.ENGLISH]}, word_encoder())
    assert (tmp_path / "es" / POINTER).read_text() == pointer


def test_progress_reaches_its_end(
    tmp_path: Path, small_corpora: Corpora, word_encoder: Any
) -> None:
    seen: list[tuple[int, int]] = []
    build_index(tmp_path, small_corpora(), word_encoder(), lambda *step: seen.append(step))
    assert seen[-1][0] == seen[-1][1] > 0
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize("key", ["index_schema", "profile_layout", "encoder"])
def test_a_stale_index_is_refused(
    tmp_path: Path, small_corpora: Corpora, word_encoder: Any, key: str
) -> None:
    build_index(tmp_path, small_corpora(), word_encoder())
    manifest = next((tmp_path / "en").glob(f"build-*/{MANIFEST}"))
    content = json.loads(manifest.read_text())
    content[key] = 99 if key == "index_schema" else "other"
    manifest.write_text(json.dumps(content))
    with pytest.raises(IndexUnavailableError, match="readingroom index build"):
        ReportIndex.open(tmp_path, encoder=word_encoder())


def test_a_damaged_index_is_refused(
    tmp_path: Path, small_corpora: Corpora, word_encoder: Any
) -> None:
    build_index(tmp_path, small_corpora(), word_encoder())
    build = next((tmp_path / "en").glob("build-*"))
    index = ReportIndex.open(tmp_path, encoder=word_encoder())
    assert index.damaged() == ()
    text = build / "text.faiss"
    content = text.read_bytes()
    text.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert index.damaged() == ("en/text.faiss",)
    text.write_bytes(content[:-8])
    with pytest.raises(IndexUnavailableError, match="incomplete"):
        ReportIndex.open(tmp_path, encoder=word_encoder())
    (build / MANIFEST).write_text("{}")
    with pytest.raises(IndexUnavailableError, match="damaged"):
        ReportIndex.open(tmp_path, encoder=word_encoder())


@pytest.mark.parametrize("pointer", ["", "../../etc", "build-none", "/tmp", "build-\x00"])
def test_a_wrong_pointer_is_an_absent_index(tmp_path: Path, pointer: str) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / POINTER).write_text(pointer)
    with pytest.raises(IndexUnavailableError, match="absent"):
        ReportIndex.open(tmp_path)


def test_absent_index_and_absent_weights_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(IndexUnavailableError, match="readingroom index build"):
        ReportIndex.open(tmp_path / "index", tmp_path)
    with pytest.raises(WeightsError, match="models pull report-corpora"):
        build_from_cache(tmp_path, tmp_path / "index")
    assert not can_build(tmp_path, tmp_path / "index", Language.ENGLISH)


def test_an_empty_corpus_is_an_error(tmp_path: Path, word_encoder: Any) -> None:
    with pytest.raises(IndexUnavailableError):
        build_index(tmp_path, {Language.ENGLISH: (Corpus("none", "1", ()),)}, word_encoder())


def test_an_asked_language_that_was_not_built(
    tmp_path: Path, small_corpora: Corpora, word_encoder: Any
) -> None:
    build_index(tmp_path, {Language.ENGLISH: small_corpora()[Language.ENGLISH]}, word_encoder())
    index = ReportIndex.open(tmp_path, encoder=word_encoder())
    with pytest.raises(IndexUnavailableError, match="'es'"):
        index.search(Query(text="Neumonía.", language=Language.SPANISH))


def test_a_zero_vector_from_the_encoder_does_no_harm(
    tmp_path: Path, small_corpora: Corpora, word_encoder: Any
) -> None:
    class Blank(word_encoder):  # type: ignore[misc]
        def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.zeros((len(texts), self.dimension), dtype=np.float32)

    build_index(tmp_path, small_corpora(), Blank())
    index = ReportIndex.open(tmp_path, encoder=Blank())
    hits = index.search(Query(text="Right apical pneumothorax.", floor=-1))
    assert hits[0].report_id == "en-7", "the profile still tells"
