"""Where a text encoder lies, and what tells it from every other.

A text encoder is named as other pre-trained parts are (`models.language.loading`), or by an
artefact of the manifest. Nothing is fetched but such an artefact, whose checksum is stated there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from findings.errors import WeightsError
from models.fetching import file_sha256
from models.language.loading import located
from models.weights import fingerprint, pull

_DECISIVE: Final = (
    "config.json",
    "*.safetensors",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)


def find_text_encoder(model: str, cache: Path, sha256: str = "", source: str | None = None) -> Path:
    """The folder to load a text encoder from.

    Args:
        model: a folder, ``hf:ORG/NAME`` as pulled before, the ``file:`` address of a folder or
            archive, or an artefact's name.
        cache: where artefacts are pulled to, and archives unpacked.
        sha256: required of the archive, or of the folder's files (`text_encoder_sha256`).
        source: where an artefact is pulled from, instead of its registry.

    Raises:
        WeightsError: it is not here, or of another checksum.
        UserInputError: it is not named in one of these ways.
    """
    if "/" in model:
        return located(model, cache, sha256, text_encoder_sha256)
    folder = pull(model, cache, source=source)
    require_encoder(folder, sha256)
    return folder


def text_encoder_sha256(folder: Path) -> str:
    """One SHA-256 over what turns a text into vectors: weights, shape and tokenizer."""
    files = sorted({file for name in _DECISIVE for file in folder.glob(name) if file.is_file()})
    return fingerprint(tuple((file.name, file_sha256(file)) for file in files))


def require_encoder(folder: Path, recorded: str) -> None:
    """Refuse a text encoder that is not the one whose checksum was recorded.

    A blank ``recorded`` refuses none: weights of before it was recorded have none.

    Raises:
        WeightsError: the checksums differ.
    """
    if recorded and text_encoder_sha256(folder) != recorded:
        raise WeightsError(
            "The text encoder is not the one whose checksum is recorded, so it is not used: its "
            "word pieces or vectors would mean something else. Restore its folder, or train again."
        )
