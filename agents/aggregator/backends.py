"""Which language models may reword a draft, in order of preference, and why one may not."""

from __future__ import annotations

import os
from functools import partial

from agents.aggregator.chat_backend import ChatBackend, ReportChatBackend
from agents.aggregator.contract import RewordingBackend
from agents.aggregator.prompt import (
    EMBEDDED_PROMPT,
    REPORT_PROMPT,
    SERVED_PROMPT,
    load_prompt,
    load_report_prompt,
)
from agents.serving.record import server_at
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
    plain words which of them is left out. Raises `WeightsError` where the settings name an adapter
    that is not for the embedded model as it is used here.
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
        locate(settings.llm.embedded_model, settings.cache_dir)
    except WeightsError:
        warning = (
            "The embedded language model is not installed, so the phraser's own sentences stand. "
            f"Get it with 'readingroom models pull {settings.llm.embedded_model}'."
        )
        return served, (warning,)
    return (*served, embedded_backend(settings)), ()


def embedded_backend(settings: Settings) -> ChatBackend:
    """The model in this process, with the adapter that the settings name.

    Raises `WeightsError` where its weights have not been pulled or the adapter is not for them.
    """
    from agents.aggregator.embedded import EmbeddedChatModel, load
    from agents.aggregator.gguf import EmbeddedWeights, weights_of

    name = settings.llm.embedded_model
    weights = EmbeddedWeights(model=locate(name, settings.cache_dir))
    prompt_name, artefact = EMBEDDED_PROMPT, Manifest.load().entry(name)
    use = ModelUse(
        role="aggregator",
        name=name,
        version=artefact.version,
        licence=artefact.licence,
        sha256=artefact.files[0].sha256 or None,
    )
    if settings.llm.embedded_adapter is not None:
        tuned = weights_of(settings.llm.embedded_adapter, weights.model, settings.cache_dir)
        weights, prompt_name = tuned.weights, tuned.prompt
        use = use.model_copy(
            update={
                "name": f"{name}+{tuned.name}",
                "version": f"{artefact.version}+{tuned.version}",
                "sha256": tuned.sha256,
            }
        )
    prompt = load_prompt(prompt_name)
    threads = min(settings.threads or os.cpu_count() or 1, MAX_THREADS)
    return ChatBackend(
        EmbeddedChatModel(
            file=weights.model,
            adapter=weights.adapter,
            threads=threads,
            max_tokens=prompt.max_tokens,
        ),
        prompt,
        Writer.EMBEDDED,
        use,
        seconds=settings.llm.embedded_seconds,
        load=partial(load, weights, threads),
    )


def served_backend(settings: Settings) -> ReportChatBackend:
    """A model behind an OpenAI-compatible endpoint; whether it answers is seen on first use.

    A server of this machine tells what stands behind its names: an adapter is asked with the prompt
    that it was tuned with.
    """
    from agents.aggregator.served import patient_asking, served_chat, served_name, warm_client

    llm = settings.llm
    record = server_at(settings.cache_dir, llm.base_url)
    name = served_name(llm, record)
    behind = None if record is None else record.named(name)
    use = ModelUse(role="aggregator", name=name, version="served", licence="as served")
    if behind is not None and behind.sha256:
        use = ModelUse(
            role="aggregator",
            name=name,
            version=behind.version,
            licence=behind.licence,
            sha256=behind.sha256,
        )
    prompt = (behind.prompt if behind is not None else "") or llm.served_prompt
    return ReportChatBackend(
        served_chat(llm, name),
        load_prompt(SERVED_PROMPT if prompt == REPORT_PROMPT else prompt),
        Writer.VLLM,
        use,
        seconds=llm.timeout_seconds,
        report_prompt=load_report_prompt(),
        load=warm_client,
        asking=patient_asking(llm),
    )
