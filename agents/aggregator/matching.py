"""What an adapter must match here: the base model, prompt and answer schema in use."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from agents.aggregator.contract import ReportTask
from agents.aggregator.prompt import REPORT_PROMPT, load_prompt, load_report_prompt
from findings.errors import SettingsError
from models.language.adapter_card import AdapterCard, AdapterMatch, answer_schema_sha256

EMBEDDED = "embedded"


def adapter_match(source: str, cache_dir: Path, prompt: str) -> AdapterMatch:
    """What an adapter tuned here and now depends on.

    Args:
        source: the base model, as `models.language.loading.load_language_model` takes it.
        cache_dir: where artefacts are pulled to.
        prompt: file name of the prompt in agents/prompts.

    Raises `SettingsError` where there is no such prompt, `WeightsError` where the model is not
    here.
    """
    from models.language.loading import ARTEFACT, language_model_sha256

    text, version, response_format = _asked(prompt)
    schema = response_format["json_schema"]
    return AdapterMatch(
        base_model=ARTEFACT if source == EMBEDDED else source,
        base_sha256=language_model_sha256(source, cache_dir),
        prompt=prompt,
        prompt_version=version,
        prompt_sha256=hashlib.sha256(text).hexdigest(),
        schema_version=f"{schema['name']}/{version}",
        schema_sha256=answer_schema_sha256(schema["schema"]),
    )


def match_wanted_of(card: AdapterCard, source: str, cache_dir: Path) -> AdapterMatch:
    """What the adapter of that card must match to be used over that base model now.

    The same weights under another name, as a folder's, are the same base model. Raises as
    `adapter_match`.
    """
    wanted = adapter_match(source, cache_dir, card.match.prompt)
    if wanted.base_sha256 != card.match.base_sha256:
        return wanted
    return wanted.model_copy(update={"base_model": card.match.base_model})


@cache
def _asked(name: str) -> tuple[bytes, str, dict[str, Any]]:
    """A prompt's text, its version, and the form of the answers that it asks for."""
    if Path(name).name != name or not name.endswith(".toml"):
        raise SettingsError("A prompt is named by its file in agents/prompts: NAME.toml.")
    file = resources.files("agents.prompts").joinpath(name)
    if not file.is_file():
        raise SettingsError(
            f"There is no prompt '{name}' here: an adapter tuned with it cannot be used by this "
            "version of the application."
        )
    text = file.read_bytes()
    if name == REPORT_PROMPT:
        report = load_report_prompt()
        return text, report.version, report.response_format(ReportTask(points=()))
    prompt = load_prompt(name)
    return text, prompt.version, prompt.response_format()
