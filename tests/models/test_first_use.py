"""Downloads without a published checksum: the first sets it, a later one must be the same."""

from __future__ import annotations

import hashlib
import http.client
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import ValidationError

from findings.errors import UserInputError, WeightsError
from models import weights
from models.weights import Artefact, ArtefactFile, ArtefactState, Manifest

CONTENT = bytes(range(256)) * 12_000
SOURCE = "https://weights.example/release/v1/tiny.bin"


def manifest(content: bytes | None = None, version: str = "v1") -> Manifest:
    """One file at an https address; with `content`, its checksum is stated."""
    return Manifest(
        entries=(
            Artefact(
                name="tiny",
                role="test",
                version=version,
                licence="MIT",
                source=SOURCE,
                size=len(content) if content else 0,
                sha256=hashlib.sha256(content).hexdigest() if content else "",
                files=(ArtefactFile(path="model.bin"),),
            ),
        )
    )


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def download(tmp_path: Path) -> Path:
    """A folder that holds the download under the name of its address."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / "tiny.bin").write_bytes(CONTENT)
    return folder


def test_the_first_pull_sets_the_checksum_and_a_changed_file_is_refused(
    download: Path, cache: Path
) -> None:
    path = weights.pull("tiny", cache, source=str(download), manifest=manifest())
    assert path.read_bytes() == CONTENT
    (status,) = weights.status(cache, verify=True, manifest=manifest())
    assert status.state is ArtefactState.PRESENT
    assert status.sha256 == hashlib.sha256(CONTENT).hexdigest()

    path.unlink()
    (download / "tiny.bin").write_bytes(CONTENT + b"!")
    with pytest.raises(WeightsError, match=r"first pulled.*--sha256"):
        weights.pull("tiny", cache, source=str(download), manifest=manifest())
    assert not path.exists()
    (download / "tiny.bin").write_bytes(CONTENT)
    weights.pull("tiny", cache, source=str(download), manifest=manifest())
    assert path.read_bytes() == CONTENT


def test_a_new_file_is_taken_where_its_checksum_is_given(download: Path, cache: Path) -> None:
    weights.pull("tiny", cache, source=str(download), manifest=manifest())
    (download / "tiny.bin").write_bytes(b"newer")
    given = hashlib.sha256(b"newer").hexdigest()
    path = weights.pull("tiny", cache, None, str(download), manifest(), given)
    assert path.read_bytes() == b"newer"
    path.unlink()
    weights.pull("tiny", cache, source=str(download), manifest=manifest())
    assert path.read_bytes() == b"newer", "what was given is now what is required"


def test_a_given_checksum_is_required(download: Path, cache: Path) -> None:
    with pytest.raises(WeightsError, match="not the one given"):
        weights.pull("tiny", cache, None, str(download), manifest(), "0" * 64)
    assert weights.status(cache, manifest=manifest())[0].state is ArtefactState.ABSENT
    with pytest.raises(UserInputError, match="manifest's"):
        weights.pull("tiny", cache, None, str(download), manifest(CONTENT), "0" * 64)


def test_the_manifests_checksum_comes_first(download: Path, cache: Path) -> None:
    (download / "tiny.bin").write_bytes(CONTENT[::-1])
    with pytest.raises(WeightsError, match="in the manifest"):
        weights.pull("tiny", cache, source=str(download), manifest=manifest(CONTENT))


def test_another_version_has_a_first_use_of_its_own(download: Path, cache: Path) -> None:
    weights.pull("tiny", cache, source=str(download), manifest=manifest())
    (download / "tiny.bin").write_bytes(b"second version")
    path = weights.pull("tiny", cache, source=str(download), manifest=manifest(version="v2"))
    assert path.read_bytes() == b"second version"


def test_a_damaged_record_trusts_nothing(download: Path, cache: Path) -> None:
    weights.pull("tiny", cache, source=str(download), manifest=manifest())
    (cache / "models/first-use.json").write_text("[]")
    (cache / "models/tiny/v1/model.bin").unlink()
    with pytest.raises(WeightsError, match="first-seen"):
        weights.pull("tiny", cache, source=str(download), manifest=manifest())


def test_a_folder_without_the_file_says_which_it_needs(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"tiny\.bin"):
        weights.pull("tiny", cache, source=str(tmp_path), manifest=manifest())


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "0" * 64},
        {"size": 5},
        {"source": "http://weights.example/tiny.bin"},
        {"files": (ArtefactFile(path="a"), ArtefactFile(path="b"))},
        {"files": (ArtefactFile(path="a", member="b"),)},
    ],
)
def test_what_is_no_https_artefact(change: dict[str, object]) -> None:
    entry = manifest().entries[0].model_dump() | change
    with pytest.raises(ValidationError):
        Artefact.model_validate(entry)


class Release(BaseHTTPRequestHandler):
    """A release server: ranges, entity tags, and a line that breaks when it is told to."""

    content = CONTENT
    tag = '"one"'
    breaks_after: int | None = None
    asked: list[tuple[str | None, str | None]]

    def do_GET(self) -> None:
        """Serve the file, or the rest of it."""
        wanted, same = self.headers["Range"], self.headers["If-Range"]
        self.asked.append((wanted, same))
        begin = int(wanted[6:-1]) if wanted and same in (None, self.tag) else 0
        self.send_response(206 if begin else 200)
        self.send_header("ETag", self.tag)
        self.send_header("Content-Length", str(len(self.content) - begin))
        self.end_headers()
        end = len(self.content) if self.breaks_after is None else self.breaks_after
        self.wfile.write(self.content[begin:end])

    def log_message(self, *_: object) -> None:
        """Nothing."""


class ToLoopback(urllib.request.HTTPSHandler):
    """Leads https addresses to a server in this process, as a name server and TLS would."""

    def __init__(self, port: int, lands_on: str = SOURCE) -> None:
        super().__init__()
        self.port, self.lands_on = port, lands_on

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """The same request to the server here."""
        inner = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/", headers=dict(request.headers)
        )
        inner.timeout = request.timeout
        answer = self.do_open(http.client.HTTPConnection, inner)
        answer.url = self.lands_on
        return answer


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Release]]:
    """A server behind the artefact's address."""
    served = type("Served", (Release,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), served)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    handler = ToLoopback(server.server_port)
    monkeypatch.setattr(urllib.request, "_opener", urllib.request.build_opener(handler))
    served.handler = handler
    yield served
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("stated", [None, CONTENT])
def test_a_broken_download_is_gone_on_with(
    release: type[Release], cache: Path, stated: bytes | None
) -> None:
    release.breaks_after = 1_000_000
    with pytest.raises(WeightsError, match="cut short"):
        weights.pull("tiny", cache, manifest=manifest(stated))
    release.breaks_after = None
    seen: list[tuple[int, int]] = []
    path = weights.pull("tiny", cache, lambda *step: seen.append(step), manifest=manifest(stated))
    assert path.read_bytes() == CONTENT
    assert release.asked == [(None, None), ("bytes=1000000-", '"one"')]
    assert seen[0][0] > 1_000_000 and seen[-1] == (len(CONTENT), len(CONTENT))
    assert not list((cache / "models/.downloads").iterdir())


def test_halves_of_two_files_are_never_joined(release: type[Release], cache: Path) -> None:
    release.breaks_after = 1_000_000
    with pytest.raises(WeightsError):
        weights.pull("tiny", cache, manifest=manifest())
    release.breaks_after, release.tag = None, '"two"'
    release.content = CONTENT[::-1]
    path = weights.pull("tiny", cache, manifest=manifest())
    assert path.read_bytes() == CONTENT[::-1]


def test_without_an_entity_tag_it_starts_anew(release: type[Release], cache: Path) -> None:
    release.breaks_after, release.tag = 1_000_000, 'W/"weak"'
    with pytest.raises(WeightsError):
        weights.pull("tiny", cache, manifest=manifest())
    release.breaks_after = None
    assert weights.pull("tiny", cache, manifest=manifest()).read_bytes() == CONTENT
    assert release.asked == [(None, None), (None, None)]


def test_an_address_that_leads_away_from_https_is_refused(
    release: type[Release], cache: Path
) -> None:
    release.handler.lands_on = "http://elsewhere.example/tiny.bin"
    with pytest.raises(WeightsError, match="not https"):
        weights.pull("tiny", cache, manifest=manifest())
