"""Which language models may reword a draft, in order of preference, and why one may not."""

from __future__ import annotations

import os
from functools import partial

from agents.aggregator.chat_backend import ChatBackend
from agents.aggregator.contract import RewordingBackend
from agents.aggregator.prompt import EMBEDDED_PROMPT, SERVED_PROMPT, load_prompt
from agents.settings import Settings
from findings.errors import WeightsError
from findings.vocabulary import Language
from models.artefacts import Manifest
from models.weights import locate
from reporting.draft import ModelUse, Writer

MAX_THREADS = 4
"""Decoding one sentence of a small model gains nothing from more."""


def choose_backends(
    settings: Settings, writer: Writer, language: Language
) -> tuple[tuple[RewordingBackend, ...], tuple[str, ...]]:
    """The back ends for a wished-for writer, each followed by what stands in for it.

    A served model falls back on the embedded one, that on the phraser. The second value says in
    plain words which of them is left out.
    """
    if writer is Writer.PHRASER:
        return (), ()
    served = (served_backend(settings),) if writer is Writer.VLLM else ()
    prompt = load_prompt(EMBEDDED_PROMPT)
    if language not in prompt.languages:
        warning = (
            "The embedded language model writes English only, so the phraser's own sentences stand."
        )
        return served, () if served else (warning,)
    try:
        return (*served, embedded_backend(settings)), ()
    except WeightsError:
        warning = (
            "The embedded language model is not installed, so the phraser's own sentences stand. "
            f"Get it with 'readingroom models pull {settings.llm.embedded_model}'."
        )
        return served, (warning,)


def embedded_backend(settings: Settings) -> RewordingBackend:
    """The model in this process. Raises `WeightsError` where its weights have not been pulled."""
    from agents.aggregator.embedded import EmbeddedChatModel, load

    name = settings.llm.embedded_model
    file = locate(name, settings.cache_dir)
    prompt = load_prompt(EMBEDDED_PROMPT)
    artefact = Manifest.load().entry(name)
    threads = min(settings.threads or os.cpu_count() or 1, MAX_THREADS)
    return ChatBackend(
        EmbeddedChatModel(
            file=file,
            threads=threads,
            max_tokens=prompt.max_tokens,
        ),
        prompt,
        Writer.EMBEDDED,
        ModelUse(
            role="aggregator",
            name=name,
            version=artefact.version,
            licence=artefact.licence,
            sha256=artefact.files[0].sha256 or None,
        ),
        seconds=settings.llm.embedded_seconds,
        load=partial(load, file, threads),
    )


def served_backend(settings: Settings) -> RewordingBackend:
    """A model behind an OpenAI-compatible endpoint; whether it answers is seen on first use."""
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    llm = settings.llm
    chat = ChatOpenAI(
        model=llm.model,
        base_url=llm.base_url,
        api_key=SecretStr(llm.api_key),
        temperature=0.0,
        timeout=llm.timeout_seconds,
        max_retries=0,
    )
    use = ModelUse(role="aggregator", name=llm.model, version="served", licence="as served")
    prompt = load_prompt(SERVED_PROMPT)
    return ChatBackend(chat, prompt, Writer.VLLM, use, seconds=llm.timeout_seconds)
