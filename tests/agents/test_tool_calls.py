"""How a served model calls tools: told from its template; the embedded model's shows none."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.serving.plan import ServerPlan
from agents.serving.tool_calls import ToolCalls, chat_template, tool_calls_of
from findings.errors import SettingsError

# As the embedded model's GGUF file has it.
SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
    "<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% endif %}"
)
TOOL = {
    "type": "function",
    "function": {"name": "measurement", "parameters": {"type": "object", "properties": {}}},
}


def _model(folder: Path, template: str, *, inside: bool = False) -> Path:
    if inside:
        named = [{"name": "default", "template": "x"}, {"name": "tool_use", "template": template}]
        (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    else:
        (folder / "chat_template.jinja").write_text(template)
    return folder


def _rendered(template: str, messages: list[dict[str, Any]], tools: object = None) -> str:
    from transformers.utils.chat_template_utils import render_jinja_template

    given: Any = {"conversations": [messages], "chat_template": template}
    [text], _ = render_jinja_template(**given, tools=tools, add_generation_prompt=True)
    return str(text)


@pytest.mark.parametrize(
    ("template", "parser"),
    [
        ("{% if tools %}<tool_call>{% endif %}", "hermes"),
        ("{% if tools %}<tool_call>\n<function=x>{% endif %}", "qwen3_coder"),
        ("{% if tools %}[AVAILABLE_TOOLS][TOOL_CALLS]{% endif %}", "mistral"),
        ("{% if tools %}<|python_tag|>{% endif %}", "llama3_json"),
        ("{% if tools %}something new{% endif %}", None),
        ("<start_of_turn>{{ message }}", None),
    ],
)
def test_the_parser_is_told_from_the_template(
    tmp_path: Path, template: str, parser: str | None
) -> None:
    found = tool_calls_of(_model(tmp_path, template))
    assert (found and found.parser) == parser
    assert found is None or found.template is None


def test_a_person_may_name_the_parser_or_want_none(tmp_path: Path) -> None:
    folder = _model(tmp_path, "{% if tools %}<tool_call>{% endif %}", inside=True)
    assert tool_calls_of(folder) == ToolCalls(parser="hermes")
    assert tool_calls_of(folder, "none") is None
    assert tool_calls_of(folder, "granite") == ToolCalls(parser="granite")
    with pytest.raises(SettingsError, match="no parser"):
        tool_calls_of(folder, "--trust-remote-code")


def test_a_model_without_a_template_calls_no_tools(tmp_path: Path) -> None:
    assert tool_calls_of(tmp_path) is None
    (tmp_path / "tokenizer_config.json").write_text("[1]")
    assert tool_calls_of(tmp_path) is None
    (tmp_path / "tekken.json").write_text("{}")
    assert tool_calls_of(tmp_path) == ToolCalls(parser="mistral")


@given(st.binary(max_size=300))
def test_a_mangled_template_is_no_template(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    folder = tmp_path_factory.mktemp("model")
    (folder / "tokenizer_config.json").write_bytes(noise)
    assert isinstance(chat_template(folder), str)


def test_the_servers_arguments_say_how_tools_are_called(tmp_path: Path) -> None:
    tools = tool_calls_of(_model(tmp_path, SMOLLM2))
    assert tools is not None and tools.template is not None and tools.template.is_file()
    words = ServerPlan(model=tmp_path, tools=tools).arguments()
    at = words.index("--tool-call-parser")
    assert words[at - 1] == "--enable-auto-tool-choice" and words[at + 1] == "hermes"
    assert words[words.index("--chat-template") + 1] == str(tools.template)
    assert "--tool-call-parser" not in ServerPlan(model=tmp_path).arguments()


_TEXT = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=30)
_TURN = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": _TEXT})


@given(_TEXT | st.none(), st.lists(_TURN, min_size=1, max_size=5))
def test_without_tools_the_template_says_what_the_models_own_says(
    system: str | None, turns: list[dict[str, str]]
) -> None:
    tools = _packaged()
    messages = ([] if system is None else [{"role": "system", "content": system}]) + turns
    assert _rendered(tools, messages) == _rendered(SMOLLM2, messages)


def _packaged() -> str:
    return resources.files("agents").joinpath("data", "chatml_tools.jinja").read_text("utf-8")


def test_with_tools_the_template_shows_them_with_calls_and_answers() -> None:
    call = {"function": {"name": "measurement", "arguments": {"finding": "cardiomegaly"}}}
    said = _rendered(
        _packaged(),
        [
            {"role": "system", "content": "Answer."},
            {"role": "user", "content": "How wide?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": '{"answer": "0.52"}'},
        ],
        tools=[TOOL],
    )
    assert said.count("<|im_start|>system") == 1 and '"name": "measurement"' in said
    assert (
        '<|im_start|>assistant\n<tool_call>\n{"name": "measurement", "arguments": {"finding": '
        '"cardiomegaly"}}\n</tool_call><|im_end|>\n' in said
    )
    assert '<tool_response>\n{"answer": "0.52"}\n</tool_response>' in said
    assert said.endswith("<|im_start|>assistant\n")
