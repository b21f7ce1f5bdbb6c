"""How a served model calls tools: the parser that reads its calls, told from its chat template."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Final

from findings.claims import Frozen
from findings.errors import SettingsError

AUTO: Final = "auto"
NONE: Final = "none"
_PARSER: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,40}")
_MOST_BYTES: Final = 1 << 20
_MISTRAL_TOKENIZER: Final = "tekken.json"
_PARSERS: Final = (
    ("<function=", "qwen3_coder"),
    ("<arg_key>", "glm45"),
    ("<tool_call>", "hermes"),
    ("[TOOL_CALLS]", "mistral"),
    ("<|python_tag|>", "llama3_json"),
)
"""What a template writes around a call, the more particular first, and the parser of it."""
_CHATML: Final = "<|im_start|>"
_WITH_TOOLS: Final = "chatml_tools.jinja"


class ToolCalls(Frozen):
    """How calls are read, and the template that shows the model its tools."""

    parser: str
    template: Path | None = None
    """`None`: the model's own, which knows of tools."""


def tool_calls_of(model: Path, wanted: str = AUTO) -> ToolCalls | None:
    """How the model in a folder calls tools; `None`: not at all.

    `wanted` is `auto`, `none` or the name of a parser of vLLM's. A ChatML template that knows
    nothing of tools, as the embedded model's, is replaced by one that says the same and shows them.
    Raises `SettingsError` where the name is none.
    """
    if wanted == NONE:
        return None
    own = chat_template(model)
    blind = _CHATML in own and "tools" not in own
    template = _packaged() if blind else None
    if wanted != AUTO:
        if _PARSER.fullmatch(wanted) is None:
            raise SettingsError(
                f"'{wanted[:64]}' is no parser of tool calls. Give auto, none or a name that vLLM "
                "lists, as hermes, mistral or llama3_json."
            )
        return ToolCalls(parser=wanted, template=template if wanted == "hermes" else None)
    if template is not None:
        return ToolCalls(parser="hermes", template=template)
    if (model / _MISTRAL_TOKENIZER).is_file():
        return ToolCalls(parser="mistral")
    if "tools" not in own:
        return None
    found = next((parser for mark, parser in _PARSERS if mark in own), None)
    return None if found is None else ToolCalls(parser=found)


def chat_template(model: Path) -> str:
    """The chat template of a model's folder, untrusted text; empty where there is none."""
    text = _text(model / "chat_template.jinja")
    if text:
        return text
    for name in ("chat_template.json", "tokenizer_config.json"):
        try:
            kept = json.loads(_text(model / name) or "{}").get("chat_template", "")
        except (ValueError, AttributeError, RecursionError):
            continue
        if isinstance(kept, list):  # several by name: the one for tools is among them
            kept = "\n".join(str(one.get("template")) for one in kept if isinstance(one, dict))
        if kept:
            return str(kept)
    return ""


def _packaged() -> Path:
    return Path(str(resources.files("agents").joinpath("data", _WITH_TOOLS)))


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return ""
