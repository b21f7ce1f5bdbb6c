"""The container files: sound by the rules that can be checked without a container engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.serving.plan import ServerPlan
from agents.serving.tool_calls import ToolCalls
from agents.settings import ApiSettings, LlmSettings

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def test_the_app_finds_the_server_by_settings_that_exist(compose: Any) -> None:
    environment = compose["services"]["app"]["environment"]
    for name in environment:
        group, _, field = name.removeprefix("READINGROOM_").lower().partition("__")
        assert field in {"llm": LlmSettings, "api": ApiSettings}[group].model_fields, name
    url = environment["READINGROOM_LLM__BASE_URL"]
    for service in ("llm-gpu", "llm-cpu"):
        networks = compose["services"][service]["networks"]
        assert f"//{networks['inside']['aliases'][0]}:8000/v1" in url
        assert "--port=8000" in compose["services"][service]["command"]
        assert (
            f"--served-model-name={LlmSettings().model}" in compose["services"][service]["command"]
        )


def test_only_the_app_can_be_reached_and_only_from_this_machine(compose: Any) -> None:
    assert compose["networks"]["inside"]["internal"] is True
    for name, service in compose["services"].items():
        ports = service.get("ports", [])
        assert bool(ports) is (name == "app")
        assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_key_has_a_default_and_none_is_written_down(compose: Any) -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    for name, rest in re.findall(r"\$\{(\w*KEY)([^}]*)\}", text):
        assert rest.startswith(":?"), name


def test_the_servers_options_are_those_of_llm_serve(compose: Any) -> None:
    plan = ServerPlan(model=ROOT, tools=ToolCalls(parser="hermes"))
    ours = {word for word in plan.arguments() if word.startswith("--")}
    theirs = {word.partition("=")[0] for word in compose["services"]["llm-gpu"]["command"]}
    assert theirs <= ours
    assert {"--load-format", "--no-enable-log-requests", "--structured-outputs-config"} <= theirs
    assert compose["services"]["llm-cpu"]["command"] == compose["services"]["llm-gpu"]["command"]


def test_every_file_that_is_built_from_is_there(compose: Any) -> None:
    for service in compose["services"].values():
        build = service.get("build")
        if build is not None:
            folder = ROOT / (build if isinstance(build, str) else build["context"])
            name = "Dockerfile" if isinstance(build, str) else build["dockerfile"]
            copied = re.findall(r"^COPY (.+) \S+$", (folder / name).read_text("utf-8"), re.M)
            assert copied
            assert all((folder / one).exists() for words in copied for one in words.split())


def test_containers_run_as_nobody_in_particular() -> None:
    for path in (ROOT / "Dockerfile", ROOT / "deploy" / "Dockerfile.vllm-cpu"):
        lines = path.read_text(encoding="utf-8").splitlines()
        users = [line.split()[1] for line in lines if line.startswith("USER ")]
        assert users and users[-1] != "root"
