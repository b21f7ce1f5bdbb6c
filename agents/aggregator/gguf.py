"""The embedded model's files: its own, an adapter's beside it, or a merged one in its stead."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO, Final

from pydantic import ValidationError

from findings.claims import Frozen
from findings.errors import WeightsError
from models.language.adapter_card import CARD_FILE, AdapterCard, require_match

_MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
_STRING: Final = 8
_ARRAY: Final = 9
_SIZES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of each kind of number in GGUF's metadata (ggml's docs/gguf.md)."""
_MOST_ENTRIES: Final = 4096
_LONGEST: Final = 1 << 24
_MOST_CARD_BYTES: Final = 1 << 20


class EmbeddedWeights(Frozen):
    """What llama.cpp loads."""

    model: Path
    adapter: Path | None = None


class Tuned(Frozen):
    """A tuned embedded model."""

    weights: EmbeddedWeights
    name: str
    version: str
    sha256: str
    """Of the adapter as it was tuned, in safetensors."""
    prompt: str
    """File name of the prompt that it was tuned with."""


def weights_of(file: Path, model: Path, cache_dir: Path) -> Tuned:
    """What a setting's GGUF file makes of the embedded model at `model`.

    Its card, `adapter_card.json`, lies beside it. Raises `WeightsError` where the file is no GGUF,
    has no card, or was tuned with another base model, prompt or answer schema.
    """
    from agents.aggregator.matching import EMBEDDED, match_wanted_of

    card = _card(file.with_name(CARD_FILE))
    require_match(card, match_wanted_of(card, EMBEDDED, cache_dir))
    adapter = gguf_type(file) == "adapter"
    return Tuned(
        weights=EmbeddedWeights(
            model=model if adapter else file, adapter=file if adapter else None
        ),
        name=card.name,
        version=card.version,
        sha256=card.weights_sha256,
        prompt=card.match.prompt,
    )


def gguf_type(file: Path) -> str:
    """The `general.type` of a GGUF file: `model`, `adapter`, … Raises `WeightsError`."""
    try:
        with file.open("rb") as stream:
            return _general_type(stream)
    except (OSError, ValueError, struct.error) as error:
        raise WeightsError(
            f"The file that llm.embedded_adapter names is no GGUF file ({type(error).__name__}). "
            "Make one with 'readingroom tune export'."
        ) from error


def _card(path: Path) -> AdapterCard:
    try:
        with path.open("rb") as stream:
            return AdapterCard.model_validate_json(stream.read(_MOST_CARD_BYTES))
    except (OSError, ValidationError) as error:
        raise WeightsError(
            f"The file that llm.embedded_adapter names has no readable {CARD_FILE} beside it, so "
            "nobody knows what it was tuned for. Make both with 'readingroom tune export'."
        ) from error


def _general_type(stream: IO[bytes]) -> str:
    if stream.read(4) != _MAGIC:
        raise ValueError("no GGUF")
    version, _, entries = struct.unpack("<IQQ", stream.read(20))
    if version not in _VERSIONS or entries > _MOST_ENTRIES:
        raise ValueError("a GGUF of another version")
    for _ in range(entries):
        key = _string(stream)
        (kind,) = struct.unpack("<I", stream.read(4))
        if key == b"general.type" and kind == _STRING:
            return _string(stream).decode("utf-8", errors="replace")
        _skip(stream, kind)
    return "model"


def _string(stream: IO[bytes]) -> bytes:
    (length,) = struct.unpack("<Q", stream.read(8))
    if length > _LONGEST:
        raise ValueError("a string too long")
    text = stream.read(length)
    if len(text) < length:
        raise ValueError("cut off")
    return text


def _skip(stream: IO[bytes], kind: int) -> None:
    if kind == _STRING:
        _string(stream)
    elif kind == _ARRAY:
        inner, count = struct.unpack("<IQ", stream.read(12))
        if count > _LONGEST or inner == _ARRAY:
            raise ValueError("an array too long")
        if inner in _SIZES:
            stream.seek(count * _SIZES[inner], 1)
            return
        for _ in range(count):
            _skip(stream, inner)
    elif kind in _SIZES:
        stream.seek(_SIZES[kind], 1)
    else:
        raise ValueError("a value of unknown kind")
