"""Where a text encoder is found, and that another in its place is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from findings.errors import UserInputError, WeightsError
from models.clues.encoder_folder import find_text_encoder, require_encoder, text_encoder_sha256
from models.clues.text_encoder import SentenceEncoder
from models.fetching import file_sha256
from models.published.hub import HubModel, take


@pytest.fixture(scope="module")
def encoder(
    tiny_text_encoder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with a tiny BERT."""
    return tiny_text_encoder(tmp_path_factory.mktemp("encoder") / "bert")


def test_however_it_is_named_it_is_the_same(encoder: Path, tmp_path: Path) -> None:
    sha256 = text_encoder_sha256(encoder)
    archive = Path(shutil.make_archive(str(tmp_path / "bert"), "zip", encoder))
    take(HubModel.named("hf:someone/bert", tmp_path), encoder)
    found = [
        find_text_encoder(str(encoder), tmp_path, sha256),
        find_text_encoder(encoder.as_uri(), tmp_path, sha256),
        find_text_encoder(archive.as_uri(), tmp_path, file_sha256(archive)),
    ]
    assert {text_encoder_sha256(folder) for folder in found} == {sha256}
    # A pull takes JSON and weights alone; the tokenizer is whole in its own JSON file.
    hub = find_text_encoder("hf:someone/bert", tmp_path)
    sentences = ["a left effusion.", "no nodule"]
    vectors = [SentenceEncoder.load(folder).encode(sentences) for folder in (encoder, hub)]
    assert (vectors[0] == vectors[1]).all()


@pytest.mark.parametrize("changed", ["model.safetensors", "config.json", "tokenizer.json"])
def test_another_in_its_place_is_refused(encoder: Path, changed: str, tmp_path: Path) -> None:
    sha256 = text_encoder_sha256(encoder)
    other = tmp_path / "bert"
    shutil.copytree(encoder, other)
    (other / "README.md").write_text("words about it change nothing")
    assert find_text_encoder(str(other), tmp_path, sha256) == other
    with (other / changed).open("ab") as file:
        file.write(b" ")
    with pytest.raises(WeightsError):
        find_text_encoder(str(other), tmp_path, sha256)
    with pytest.raises(WeightsError, match="text encoder is not the one"):
        require_encoder(other, sha256)
    require_encoder(other, "")


def test_an_archive_needs_its_checksum(encoder: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "bert"), "zip", encoder))
    with pytest.raises(UserInputError, match="SHA-256"):
        find_text_encoder(archive.as_uri(), tmp_path)
    with pytest.raises(WeightsError, match="checksum"):
        find_text_encoder(archive.as_uri(), tmp_path, "0" * 64)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="models pull hf:someone/other"):
        find_text_encoder("hf:someone/other", tmp_path)
    with pytest.raises(WeightsError, match="no config"):
        find_text_encoder(str(tmp_path / "nowhere"), tmp_path)
    with pytest.raises(UserInputError):
        find_text_encoder("no-such-artefact", tmp_path)
