"""`readingroom models`: pulling from a hub and from releases, as a user does it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def run(cache: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with that cache."""
    return subprocess.run(
        [sys.executable, "-m", "ui.cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        env={
            **os.environ,
            "READINGROOM_CACHE_DIR": str(cache),
            "HF_HOME": str(cache / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            **environment,
        },
        check=False,
    )


class Hub:
    """A server that answers as the Hugging Face hub does for one model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fetched: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                self.answer(body=True)

            def answer(self, *, body: bool) -> None:
                path = urlsplit(self.path).path
                if path.startswith("/api/models/org/tiny/tree/"):
                    self.send(json.dumps(hub.tree()).encode(), body, {})
                elif path.startswith("/api/models/org/tiny"):
                    self.send(json.dumps(hub.info()).encode(), body, {})
                elif path.startswith(f"/org/tiny/resolve/{COMMIT}/"):
                    name = path.rsplit("/", 1)[1]
                    if body:
                        hub.fetched.append(name)
                    content = (hub.folder / name).read_bytes()
                    tag = hashlib.sha256(content).hexdigest()
                    headers = {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT}
                    self.send(content, body, headers)
                else:
                    self.send_error(404)

            def send(self, content: bytes, body: bool, headers: dict[str, str]) -> None:
                self.send_response(200)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if body:
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def tree(self) -> list[dict[str, object]]:
        """The commit's files as the hub's interface lists them."""
        return [
            {
                "type": "file",
                "path": file.name,
                "size": file.stat().st_size,
                "oid": hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest(),
            }
            for file in self.folder.iterdir()
        ]

    def info(self) -> dict[str, object]:
        """The model's card as the hub's interface gives it."""
        files = [{"rfilename": f.name, "size": f.stat().st_size} for f in self.folder.iterdir()]
        return {
            "id": "org/tiny",
            "sha": COMMIT,
            "siblings": files,
            "cardData": {"license": "apache-2.0"},
            "tags": [],
            "private": False,
            "downloads": 0,
            "likes": 0,
        }


@pytest.fixture
def hub(tmp_path: Path, hub_classifier_folder: Callable[..., Path]) -> Iterator[Hub]:
    """A hub with a tiny model that also carries code and a pickle."""
    folder = hub_classifier_folder(tmp_path / "published")
    (folder / "modeling.py").write_text("raise SystemExit('ran')")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    serving = Hub(folder)
    yield serving
    serving.server.shutdown()
    serving.server.server_close()


def test_a_hub_model_is_pulled_at_its_commit_without_code_or_pickles(
    hub: Hub, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    done = run(cache, "models", "pull", "hf:org/tiny", HF_ENDPOINT=hub.url)
    assert done.returncode == 0, done.stderr
    assert "licence apache-2.0" in done.stderr and COMMIT[:12] in done.stderr
    assert "sha256" in done.stderr
    folder = Path(done.stdout.strip().removeprefix("hf:org/tiny: "))
    kept = {"config.json", "model.safetensors", "preprocessor_config.json"}
    assert {file.name for file in folder.iterdir()} == {*kept, "receipt.json"}
    assert set(hub.fetched) == kept
    receipt = json.loads((folder / "receipt.json").read_text())
    assert receipt["revision"] == COMMIT

    listed = run(cache, "models", "list").stdout
    assert "hf:org/tiny" in listed and receipt["sha256"][:12] in listed and "apache-2.0" in listed

    again = run(cache, "models", "pull", "hf:org/tiny", HF_HUB_OFFLINE="1")
    assert again.returncode == 0, "what is here is not asked for again"

    (folder / "model.safetensors").unlink()
    changed = hub.folder / "model.safetensors"
    changed.write_bytes(changed.read_bytes() + b"\0")
    refused = run(cache, "models", "pull", "hf:org/tiny", HF_ENDPOINT=hub.url)
    assert refused.returncode == 5
    assert "first pulled" in refused.stderr and "Traceback" not in refused.stderr
    assert not (folder / "model.safetensors").exists()


def test_a_hub_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, "models", "pull", "hf:org/tiny", HF_HUB_OFFLINE="1")
    assert done.returncode == 5
    assert "--from" in done.stderr and "Traceback" not in done.stderr


def test_a_release_is_pulled_from_a_file_and_its_terms_are_told(tmp_path: Path) -> None:
    import torch

    from models.published.xrv import xrv_classifiers
    from models.published.xrv_classifier import build_network

    name = "xrv-densenet121-rsna"
    release = tmp_path / "kaggle-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt"
    torch.save(build_network(xrv_classifiers()[name]).state_dict(), release)
    cache = tmp_path / "cache"
    wrong = run(cache, "models", "pull", name, "--from", str(tmp_path), "--sha256", "0" * 64)
    assert wrong.returncode == 5 and "not the one given" in wrong.stderr
    done = run(cache, "models", "pull", name, "--from", release.as_uri())
    assert done.returncode == 0, done.stderr
    assert "Apache-2.0, from https://github.com/" in done.stderr and "sha256 " in done.stderr

    listed = run(cache, "models", "list").stdout.splitlines()
    (line,) = [n for n, text in enumerate(listed) if text.startswith(name)]
    assert "present" in listed[line] and "sha256" in listed[line + 1]
    (other,) = [n for n, text in enumerate(listed) if text.startswith("xrv-densenet121-nih")]
    assert "absent" in listed[other] and "recorded when first pulled" in listed[other + 1]

    checked = json.loads(run(cache, "doctor", "--json").stdout)["checks"]
    (offer,) = checks_on(checked, "on offer")
    assert "not pulled" in offer["found"] and name not in offer["found"]
    assert checks_on(checked, f"weights {name}")[0]["grade"] == "good"


def checks_on(checks: list[dict[str, str]], subject: str) -> list[dict[str, str]]:
    """The checks whose subject holds those words."""
    return [check for check in checks if subject in check["subject"]]


def test_doctor_says_what_a_chosen_expert_lacks(tmp_path: Path) -> None:
    settings = {
        "READINGROOM_EXPERTS__CLASSIFIER": "xrv-densenet121-all",
        "READINGROOM_EXPERTS__SEGMENTER": "hf:org/tiny",
        "READINGROOM_EXPERTS__VISION_LANGUAGE": "vlm",
        "READINGROOM_VISION_LANGUAGE__API_KEY": "key-of-mine",
    }
    done = run(tmp_path, "doctor", "--json", **settings)
    checks = json.loads(done.stdout)["checks"]
    assert "models pull xrv-densenet121-all" in checks_on(checks, "expert classifier")[0]["advice"]
    assert "segmenter_labels" in checks_on(checks, "expert segmenter")[0]["advice"]
    assert "base_url" in checks_on(checks, "expert vision_language")[0]["advice"]
    assert "key-of-mine" not in done.stdout
    assert done.returncode == 5, "a wrong setting is no optional part"
