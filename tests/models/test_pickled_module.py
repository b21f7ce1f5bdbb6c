"""Pickled modules are read as data: the same tensors as unpickling gives, and nothing runs."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from findings.errors import WeightsError
from models.published.checkpoints import module_to_safetensors, state_dict_to_safetensors
from models.published.pickled_module import read_tensors


class Inner(nn.Module):
    """A module with everything that a state dict may hold, and what it may not."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Sequential(nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU())
        self.register_parameter("absent", None)
        self.register_buffer("kept", torch.arange(4).reshape(2, 2).t())
        self.register_buffer("passing", torch.ones(2), persistent=False)
        self.register_buffer("narrow", torch.ones(2, dtype=torch.float16))
        self.targets = ["one", "two"]


@pytest.mark.parametrize("new_format", [True, False])
def test_it_reads_what_unpickling_would_give(tmp_path: Path, new_format: bool) -> None:
    module = nn.Sequential(Inner(), nn.Linear(2, 2))
    file = tmp_path / "module.pt"
    torch.save(module, file, _use_new_zipfile_serialization=new_format)
    expected = module.state_dict()
    found = read_tensors(file)
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert all(found[name].dtype == expected[name].dtype for name in expected)


def test_tensors_that_share_their_numbers_are_told_apart(tmp_path: Path) -> None:
    module = nn.Linear(3, 3, bias=False)
    module.register_buffer("view", module.weight.data[1])
    file = tmp_path / "module.pt"
    torch.save(module, file, _use_new_zipfile_serialization=False)
    assert torch.equal(read_tensors(file)["view"], module.weight.data[1])


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, (str(self.folder),))


@pytest.mark.parametrize("new_format", [True, False])
def test_code_in_the_file_never_runs(tmp_path: Path, new_format: bool) -> None:
    module = nn.Linear(2, 2)
    module.extra = Bomb(tmp_path / "ran")  # type: ignore[assignment]
    file = tmp_path / "module.pt"
    torch.save(module, file, _use_new_zipfile_serialization=new_format)
    assert set(read_tensors(file)) == {"weight", "bias"}
    module_to_safetensors(file, tmp_path / "out.safetensors")
    with pytest.raises(WeightsError, match="save_file"):
        state_dict_to_safetensors(file, tmp_path / "out.safetensors")
    assert not (tmp_path / "ran").exists()


def test_a_tensor_cannot_claim_more_than_its_numbers(tmp_path: Path) -> None:
    module = nn.Module()
    module.register_buffer("wide", torch.ones(1).expand(1000))
    file = tmp_path / "module.pt"
    torch.save(module, file)
    with pytest.raises(WeightsError):
        read_tensors(file)


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.pt", tmp_path / "packed.pt"
    torch.save(nn.Linear(2, 2), plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as to:
        for member in source.namelist():
            to.writestr(member, source.read(member))
    with pytest.raises(WeightsError, match="not used"):
        read_tensors(packed)


@pytest.mark.parametrize("new_format", [True, False])
def test_a_cut_file_is_one_clear_error(tmp_path: Path, new_format: bool) -> None:
    file = tmp_path / "module.pt"
    torch.save(Inner(), file, _use_new_zipfile_serialization=new_format)
    whole = file.read_bytes()
    for share in (0, 0.1, 0.5, 0.9, 0.999):
        file.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(WeightsError):
            read_tensors(file)


@given(st.binary(max_size=300))
def test_any_bytes_give_an_error_and_no_more(tmp_path_factory: object, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.pt"  # type: ignore[attr-defined]
    head = b"".join(pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001, {}))
    for data in (content, head + content, head + content + struct.pack("<q", 1 << 62)):
        file.write_bytes(data)
        with pytest.raises(WeightsError):
            read_tensors(file)


def test_a_state_dict_is_no_module_but_can_be_converted(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    file = tmp_path / "state.pt"
    torch.save({"weight": torch.ones(2)}, file)
    with pytest.raises(WeightsError):
        read_tensors(file)
    module_to_safetensors(file, tmp_path / "out.safetensors")
    assert torch.equal(load_file(tmp_path / "out.safetensors")["weight"], torch.ones(2))
