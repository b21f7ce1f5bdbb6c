"""Deployable weights: written, read, and refused when anything is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from findings.errors import WeightsError
from models.segmenter.config import SegmenterConfig
from models.segmenter.inference import AnatomySegmenter
from models.segmenter.network import SegmenterNetwork, Structure
from models.segmenter.quality import AreaRange
from models.shipping import Bits, as_stored, write_network

WIDTHS = (16, 16, 8, 8, 8)


@pytest.fixture(scope="module")
def network() -> SegmenterNetwork:
    torch.manual_seed(0)
    return SegmenterNetwork(WIDTHS).eval()


def _write(folder: Path, network: SegmenterNetwork, bits: Bits = 16) -> None:
    config = SegmenterConfig(
        name="anatomy_segmenter",
        version="0",
        licence="test",
        training_command="none",
        training_data_sha256="0",
        size=64,
        decoder_widths=WIDTHS,
        areas={structure: AreaRange(low=0.0, high=1.0) for structure in Structure},
    )
    write_network(folder, network.state_dict(), config, bits)


@pytest.mark.parametrize("bits", [16, 8])
def test_weights_survive_the_round_trip(
    tmp_path: Path, network: SegmenterNetwork, bits: Bits
) -> None:
    _write(tmp_path, network, bits)
    loaded = AnatomySegmenter.load(tmp_path)
    image = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        difference = (loaded._network(image) - network(image)).abs().max()
    assert difference < 0.05


@pytest.mark.parametrize("bits", [16, 8])
def test_what_is_fitted_to_is_what_is_read(
    tmp_path: Path, network: SegmenterNetwork, bits: Bits
) -> None:
    _write(tmp_path, network, bits)
    read = AnatomySegmenter.load(tmp_path)._network.state_dict()
    expected = as_stored(network.state_dict(), bits)
    assert read.keys() == expected.keys()
    assert all(torch.equal(value, expected[name]) for name, value in read.items())


def test_eight_bits_halve_the_file(tmp_path: Path, network: SegmenterNetwork) -> None:
    for bits in (8, 16):
        _write(tmp_path / str(bits), network, bits)
    small, usual = ((tmp_path / b / "model.safetensors").stat().st_size for b in ("8", "16"))
    assert small < 0.6 * usual


def test_exchanged_weights_are_refused(tmp_path: Path, network: SegmenterNetwork) -> None:
    _write(tmp_path, network)
    weights = tmp_path / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(WeightsError, match="checksum"):
        AnatomySegmenter.load(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path, network: SegmenterNetwork) -> None:
    _write(tmp_path, network)
    config = json.loads((tmp_path / "config.json").read_text())
    config["decoder_widths"] = [8, 8, 8, 8, 8]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="do not fit"):
        AnatomySegmenter.load(tmp_path)


def test_missing_and_malformed_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no readable"):
        AnatomySegmenter.load(tmp_path)
    (tmp_path / "config.json").write_text('{"name": "something else"}')
    with pytest.raises(WeightsError, match="does not describe"):
        AnatomySegmenter.load(tmp_path)
