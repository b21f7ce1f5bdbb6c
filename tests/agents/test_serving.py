"""The server of language models: its plan, its record, and a process that never outlives us."""

from __future__ import annotations

import itertools
import json
import os
import signal
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.aggregator.gguf import gguf_type, weights_of
from agents.aggregator.matching import match_wanted_of
from agents.serving.environment import (
    Device,
    ServerEnvironment,
    find_environment,
    process_environment,
)
from agents.serving.plan import ServedAdapter, ServerPlan
from agents.serving.planning import ServerRequest, adapter_named, plan_server
from agents.serving.process import ServerProcess
from agents.serving.record import (
    Served,
    ServerRecord,
    running_server,
    sole_server,
    write_record,
)
from agents.serving.server import served, stop_server
from agents.settings import LlmSettings, Settings
from findings.errors import BackendError, SettingsError, WeightsError
from models.language.adapter_card import AdapterCard, AdapterMatch, Method, write_adapter_card

LITTLE = Path(__file__).with_name("little_server.py")


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _gone(pid: int, seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{pid}/stat")
        if state.is_file() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


# --- the process ----------------------------------------------------------------------------------


def _little(folder: Path, port: int, *words: str) -> ServerProcess:
    return ServerProcess(
        Path(sys.executable),
        "no.module",
        (str(port), str(folder / "helper.pid"), *words),
        {"PATH": os.environ["PATH"]},
        folder / "server.log",
        child=LITTLE,
    )


def test_a_server_becomes_healthy_and_leaves_nobody_behind(tmp_path: Path) -> None:
    port, stages = _free_port(), []
    with _little(tmp_path, port) as process:
        health = process.wait_until_healthy(
            f"http://127.0.0.1:{port}/v1", "none", 60.0, lambda stage, _: stages.append(stage)
        )
        helper = int((tmp_path / "helper.pid").read_text())
        assert health.models == ("little",)
        assert not _gone(helper, 0.1)
    assert _gone(helper)
    assert not process.running
    assert stages[-1] == "ready"
    assert (tmp_path / "server.log").stat().st_mode & 0o077 == 0


def test_a_server_that_ignores_requests_to_end_is_made_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.serving.process._GRACE_SECONDS", 0.3)
    port = _free_port()
    with _little(tmp_path, port, "stubborn") as process:
        process.wait_until_healthy(f"http://127.0.0.1:{port}/v1", "none", 60.0)
        helper = int((tmp_path / "helper.pid").read_text())
    assert _gone(helper)


def test_a_server_that_dies_or_dawdles_is_told_of(tmp_path: Path) -> None:
    port = _free_port()
    with (
        _little(tmp_path, port, "fail") as process,
        pytest.raises(BackendError, match=r"ended while starting: ValueError: no room at\."),
    ):
        process.wait_until_healthy(f"http://127.0.0.1:{port}/v1", "none", 60.0)
    with (
        _little(tmp_path, port, "asleep") as process,
        pytest.raises(BackendError, match="not ready within"),
    ):
        process.wait_until_healthy(f"http://127.0.0.1:{port}/v1", "none", 0.1)
    assert (tmp_path / "server.log.1").is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="a signal at the parent's death is Linux's")
def test_a_server_ends_even_where_its_starter_is_killed(tmp_path: Path) -> None:
    starter = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from agents.serving.process import ServerProcess\n"
        f"p = ServerProcess(Path(sys.executable), 'http.server', ('{_free_port()}', '--bind',"
        f" '127.0.0.1'), {{}}, Path({str(tmp_path / 'server.log')!r}))\n"
        "p.start()\n"
        "print(p._process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        until = time.monotonic() + 60
        while not (tmp_path / "server.log").stat().st_size and time.monotonic() < until:
            time.sleep(0.05)  # its signal is set before it serves
        parent.send_signal(signal.SIGKILL)
    assert _gone(child)


def test_an_interpreter_that_is_not_there_is_a_backend_error(tmp_path: Path) -> None:
    process = ServerProcess(tmp_path / "python", "m", (), {}, tmp_path / "server.log")
    with pytest.raises(BackendError, match="make vllm"):
        process.start()


def test_a_taken_port_is_told_of_before_anything_starts(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        plan = ServerPlan(model=tmp_path, port=taken.getsockname()[1])
        environment = ServerEnvironment(folder=tmp_path, devices=(Device.CPU,))
        with (
            pytest.raises(BackendError, match="cannot be opened"),
            served(plan, (), environment, Settings(cache_dir=tmp_path)),
        ):
            pass
    assert running_server(tmp_path) is None


# --- the record -----------------------------------------------------------------------------------


def test_one_server_at_a_time_and_a_killed_ones_record_counts_for_nothing(tmp_path: Path) -> None:
    record = ServerRecord(
        pid=1,
        address="http://127.0.0.1:8000/v1",
        device=Device.CPU,
        served=(Served(name="m", kind="base"),),
    )
    assert running_server(tmp_path) is None
    assert stop_server(tmp_path) is None
    with sole_server(tmp_path) as folder:
        write_record(folder, record)
        assert running_server(tmp_path) == record
        with pytest.raises(BackendError, match="runs or starts already"), sole_server(tmp_path):
            pass
    assert running_server(tmp_path) is None
    write_record(tmp_path / "serving", record)  # as after a power cut
    assert running_server(tmp_path) is None


# --- environment and plan -------------------------------------------------------------------------


def test_without_the_environment_the_error_says_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="make vllm"):
        find_environment(tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    (tmp_path / ".installed-cpu").touch()
    found = find_environment(tmp_path)
    assert (found.device, found.python) == (Device.CPU, tmp_path / "bin" / "python")
    (tmp_path / ".installed-gpu").touch()
    assert find_environment(tmp_path).device is Device.GPU


def test_the_servers_process_sees_no_secret_of_ours_and_stays_off_the_network() -> None:
    ours = {
        "PATH": "/bin",
        "AWS_SECRET_ACCESS_KEY": "s",
        "READINGROOM_LLM__API_KEY": "k",
        "HF_TOKEN": "t",
        "VLLM_CPU_KVCACHE_SPACE": "7",
    }
    theirs = process_environment(Device.CPU, key="key", given=ours)
    assert not {"AWS_SECRET_ACCESS_KEY", "READINGROOM_LLM__API_KEY", "HF_TOKEN"} & set(theirs)
    assert theirs["HF_HUB_OFFLINE"] == theirs["VLLM_NO_USAGE_STATS"] == "1"
    assert theirs["VLLM_CPU_KVCACHE_SPACE"] == "7"
    assert theirs["VLLM_API_KEY"] == "key"
    cores = theirs["VLLM_CPU_OMP_THREADS_BIND"].split(",")
    assert 1 <= len(cores) <= max((os.cpu_count() or 1) - 1, 1)
    assert "VLLM_CPU_OMP_THREADS_BIND" not in process_environment(Device.GPU, key=None, given={})


def _pairs(words: tuple[str, ...]) -> dict[str, str]:
    return {a: b for a, b in itertools.pairwise(words) if a.startswith("--")}


def test_the_arguments_keep_prompts_out_of_the_log_and_code_out_of_the_process() -> None:
    words = ServerPlan(model=Path("/m")).arguments()
    given = _pairs(words)
    assert {"--no-enable-log-requests", "--no-enable-log-outputs", "--no-trust-remote-code"} <= set(
        words
    )
    assert given["--load-format"] == "safetensors" and given["--host"] == "127.0.0.1"
    assert json.loads(given["--structured-outputs-config"])["disable_any_whitespace"] is True
    assert "--enable-lora" not in words and "--api-key" not in words
    assert given["--dtype"] == "bfloat16" and "--enforce-eager" in words
    assert given["--block-size"] == "32" and given["--stream-interval"] == "8"
    assert _pairs(ServerPlan(model=Path("/m")).arguments(bfloat16=False))["--dtype"] == "float32"


def test_a_gpu_server_takes_adapters_parallelism_and_quantisation() -> None:
    adapters = tuple(ServedAdapter(name=n, folder=Path("/a") / n, rank=r) for n, r in PAIR)
    plan = ServerPlan(
        model=Path("/m"),
        device=Device.GPU,
        adapters=adapters,
        tensor_parallel=2,
        pipeline_parallel=2,
        ray=True,
        quantization="fp8",
        memory_share=0.8,
    )
    words, given = plan.arguments(), _pairs(plan.arguments())
    assert given["--max-lora-rank"] == "32" and given["--max-loras"] == "2"
    assert "one=/a/one" in words and "two=/a/two" in words
    assert given["--tensor-parallel-size"] == given["--pipeline-parallel-size"] == "2"
    assert given["--distributed-executor-backend"] == "ray" and given["--quantization"] == "fp8"
    assert not {"--dtype", "--enforce-eager", "--block-size"} & set(words)


PAIR = (("one", 8), ("two", 20))


@given(st.text(max_size=80))
def test_a_name_is_plain_or_refused(name: str) -> None:
    try:
        adapter_named(f"{name}=/tmp/x")
    except SettingsError:
        return
    kept = name.partition("=")[0]
    assert kept and not set(kept) - set("abcdefghijklmnopqrstuvwxyz0123456789._-")


# --- planning -------------------------------------------------------------------------------------

ENVIRONMENT = ServerEnvironment(folder=Path("/nowhere"), devices=(Device.CPU,))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder that passes for a model's until it is loaded."""
    from safetensors.numpy import save_file

    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    save_file({}, folder / "model.safetensors")
    return folder


def _adapter(folder: Path, match: AdapterMatch) -> Path:
    import hashlib

    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    card = AdapterCard(
        schema="readingroom/adapter/1",
        name="tuned",
        version="1",
        licence="Apache-2.0",
        method=Method.SFT,
        languages=("en",),
        match=match,
        rank=8,
        alpha=16,
        targets=("q_proj",),
        parameters=1,
        weights_sha256=hashlib.sha256(b"weights").hexdigest(),
        data_sha256="0" * 64,
        command="test",
    )
    write_adapter_card(folder, card)
    return folder


def _match(base: Path, cache: Path, **other: str) -> AdapterMatch:
    from agents.aggregator.matching import adapter_match

    return adapter_match(str(base), cache, "reword_embedded.toml").model_copy(update=other)


def test_an_adapter_is_planned_for_and_one_of_another_base_refused(
    base: Path, tmp_path: Path
) -> None:
    settings = Settings(cache_dir=tmp_path)
    fitting = _adapter(tmp_path / "a", _match(base, tmp_path, base_model="hf:some/name"))
    request = ServerRequest(model=str(base), adapters=(("mine", fitting),), merged=False)
    plan, names = plan_server(request, ENVIRONMENT, settings)
    assert [one.name for one in plan.adapters] == ["mine"] and plan.model == base
    assert [(one.name, one.kind) for one in names] == [("readingroom", "base"), ("mine", "adapter")]
    assert names[1].prompt == "reword_embedded.toml"
    for field, said in (("base_sha256", "base model"), ("prompt_sha256", "prompt")):
        other = _adapter(tmp_path / field, _match(base, tmp_path, **{field: "0" * 64}))
        with pytest.raises(WeightsError, match=f"another {said}"):
            plan_server(
                request.model_copy(update={"adapters": (("mine", other),)}), ENVIRONMENT, settings
            )


def test_requests_that_cannot_be_served_are_refused(base: Path, tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path)
    request = ServerRequest(model=str(base))
    for other, said in (
        ({"device": Device.GPU}, "make vllm VLLM=gpu"),
        ({"host": "0.0.0.0"}, "needs a key"),
        ({"merged": True}, "exactly one"),
        ({"adapters": (("readingroom", base),)}, "name of its own"),
    ):
        with pytest.raises(SettingsError, match=said):
            plan_server(request.model_copy(update=other), ENVIRONMENT, settings)
    with pytest.raises(WeightsError, match="adapter_card"):
        plan_server(
            request.model_copy(update={"adapters": (("mine", base),)}), ENVIRONMENT, settings
        )
    keyed = settings.model_copy(update={"llm": LlmSettings(api_key="k")})
    plan, _ = plan_server(request.model_copy(update={"host": "0.0.0.0"}), ENVIRONMENT, keyed)
    assert plan.address == "http://127.0.0.1:8000/v1"


# --- the embedded model's adapter -----------------------------------------------------------------


def _gguf(path: Path, kind: str | None, before: bytes = b"") -> Path:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    entries = [text("general.architecture") + struct.pack("<I", 8) + text("llama")]
    entries.append(text("llama.ranks") + struct.pack("<IIQ", 9, 4, 2) + struct.pack("<II", 1, 2))
    if kind is not None:
        entries.append(text("general.type") + struct.pack("<I", 8) + text(kind))
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(entries) + before)
    return path


def test_a_gguf_file_is_told_from_its_header(tmp_path: Path) -> None:
    assert gguf_type(_gguf(tmp_path / "a.gguf", "adapter")) == "adapter"
    assert gguf_type(_gguf(tmp_path / "b.gguf", None)) == "model"
    with pytest.raises(WeightsError, match="no GGUF"):
        gguf_type(tmp_path / "none.gguf")


@given(st.binary(max_size=200), st.integers(4, 120))
def test_a_mangled_gguf_is_refused_or_read_and_never_hangs(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, cut: int
) -> None:
    path = tmp_path_factory.mktemp("gguf") / "x.gguf"
    whole = _gguf(path, "adapter").read_bytes()
    path.write_bytes(whole[:cut] + noise)
    with suppress(WeightsError):
        assert isinstance(gguf_type(path), str)


def test_an_embedded_adapter_needs_its_card_and_the_right_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _gguf(tmp_path / "x.gguf", "adapter")
    with pytest.raises(WeightsError, match=r"no readable adapter_card\.json"):
        weights_of(file, tmp_path / "base.gguf", tmp_path)
    monkeypatch.setattr(
        "models.language.loading.language_model_sha256", lambda source, cache: "1" * 64
    )
    match = AdapterMatch.model_validate(_sample_match().model_dump() | {"base_sha256": "1" * 64})
    folder = _adapter(tmp_path / "card", match)
    wanted = match_wanted_of(_read(folder), "embedded", tmp_path)
    folder = _adapter(tmp_path / "fit", wanted)
    (tmp_path / "fit" / "x.gguf").write_bytes(file.read_bytes())
    tuned = weights_of(folder / "x.gguf", tmp_path / "base.gguf", tmp_path)
    assert tuned.weights.model == tmp_path / "base.gguf"
    assert tuned.weights.adapter == folder / "x.gguf"
    merged = _gguf(folder / "m.gguf", "model")
    assert weights_of(merged, tmp_path / "base.gguf", tmp_path).weights.model == merged
    (tmp_path / "card" / "x.gguf").write_bytes(file.read_bytes())
    with pytest.raises(WeightsError, match="another prompt"):
        weights_of(tmp_path / "card" / "x.gguf", tmp_path / "base.gguf", tmp_path)


def _read(folder: Path) -> AdapterCard:
    from models.language.adapter_card import read_adapter_card

    return read_adapter_card(folder)


def _sample_match() -> AdapterMatch:
    return AdapterMatch(
        base_model="m",
        base_sha256="0" * 64,
        prompt="reword_embedded.toml",
        prompt_version="0",
        prompt_sha256="0" * 64,
        schema_version="0",
        schema_sha256="0" * 64,
    )
