"""An adapter's card: written, read back, and refused where it does not fit."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from findings.errors import WeightsError
from findings.vocabulary import Language
from models.language.adapter_card import (
    CARD_FILE,
    WEIGHTS_FILE,
    AdapterCard,
    AdapterMatch,
    Method,
    answer_schema_sha256,
    read_adapter_card,
    require_match,
    write_adapter_card,
)

_MATCH = AdapterMatch(
    base_model="smollm2-135m-instruct",
    base_sha256="a" * 64,
    prompt="reword_tuned.toml",
    prompt_version="1",
    prompt_sha256="b" * 64,
    schema_version="rewording/1",
    schema_sha256="c" * 64,
)


def _card(weights: bytes) -> AdapterCard:
    return AdapterCard(
        schema="readingroom/adapter/1",
        name="radiologist",
        version="1.0.0",
        licence="Apache-2.0",
        method=Method.SFT,
        languages=(Language.ENGLISH,),
        match=_MATCH,
        rank=8,
        alpha=16,
        targets=("q_proj",),
        parameters=10,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        data_sha256="d" * 64,
        command="readingroom tune sft",
    )


def test_a_card_comes_back_as_it_was_written(tmp_path: Path) -> None:
    card = _card(b"weights")
    (tmp_path / WEIGHTS_FILE).write_bytes(b"weights")
    write_adapter_card(tmp_path, card)
    assert read_adapter_card(tmp_path) == card


def test_an_adapter_that_fits_is_let_through() -> None:
    require_match(_card(b""), _MATCH)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("base_sha256", "0" * 64, "base model"),
        ("prompt_sha256", "0" * 64, "prompt"),
        ("prompt_version", "2", "prompt"),
        ("schema_sha256", "0" * 64, "answer schema"),
        ("schema_version", "rewording/2", "answer schema"),
    ],
)
def test_whatever_differs_is_refused_by_name(field: str, value: str, named: str) -> None:
    with pytest.raises(WeightsError, match=named):
        require_match(_card(b""), _MATCH.model_copy(update={field: value}))


def test_all_that_differs_is_named() -> None:
    other = _MATCH.model_copy(update={"base_sha256": "0" * 64, "prompt_version": "9"})
    with pytest.raises(WeightsError, match="base model and another prompt"):
        require_match(_card(b""), other)


def test_weights_that_the_card_does_not_describe_are_refused(tmp_path: Path) -> None:
    write_adapter_card(tmp_path, _card(b"weights"))
    (tmp_path / WEIGHTS_FILE).write_bytes(b"other weights")
    with pytest.raises(WeightsError, match="damaged or was changed"):
        read_adapter_card(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b'{"schema": "readingroom/adapter/1"}', b"\xff"])
def test_a_damaged_card_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / WEIGHTS_FILE).write_bytes(b"weights")
    (tmp_path / CARD_FILE).write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read"):
        read_adapter_card(tmp_path)


def test_an_adapter_without_a_card_is_refused(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS_FILE).write_bytes(b"weights")
    with pytest.raises(WeightsError, match="nobody knows"):
        read_adapter_card(tmp_path)


def test_a_schema_hashes_alike_whatever_the_order_of_its_keys() -> None:
    one = {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}}
    other = {"properties": {"b": {}, "a": {"type": "string"}}, "type": "object"}
    assert answer_schema_sha256(one) == answer_schema_sha256(other)
    assert answer_schema_sha256(one) != answer_schema_sha256({"type": "object"})
