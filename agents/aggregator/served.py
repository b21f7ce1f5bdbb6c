"""A model behind an OpenAI-compatible endpoint: the client, its patience, and what it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents.aggregator.chat_backend import Ask, Asking, TooLateError
from agents.aggregator.patience import RetryPolicy, breaker_of, patiently
from agents.serving.record import ServerRecord
from agents.settings import LlmSettings

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

_TRY_AGAIN = frozenset({408, 409, 425, 429})


def served_chat(llm: LlmSettings, name: str) -> ChatOpenAI:
    """The chat model of that name; an adapter is asked for by its name, as a model."""
    import httpx
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    return ChatOpenAI(
        model=name,
        base_url=llm.base_url,
        api_key=SecretStr(llm.api_key),
        temperature=0.0,
        timeout=httpx.Timeout(llm.timeout_seconds, connect=llm.connect_seconds),
        max_retries=0,
        stream_usage=False,
    )


def warm_client() -> None:
    """Import what a first request would wait seconds for."""
    import openai.lib.streaming.chat  # noqa: F401


def served_name(llm: LlmSettings, record: ServerRecord | None) -> str:
    """The name that the server is asked for: the adapter's, the model's, or the only one it has.

    A merged model is served under its adapter's name alone.
    """
    if llm.adapter:
        return llm.adapter
    if record is not None and len(record.served) == 1:
        return record.served[0].name
    return llm.model


def patient_asking(llm: LlmSettings) -> Asking:
    """Put a question with retries, until the server's breaker is open."""
    policy, breaker = RetryPolicy(retries=llm.retries), breaker_of(llm.base_url)

    def asking(ask: Ask, seconds: float) -> str:
        return patiently(ask, seconds, policy=policy, breaker=breaker, passing=may_pass)

    return asking


def may_pass(error: Exception) -> bool:
    """Whether a fault is of the moment: no connection, no time, a busy or failing server."""
    import httpx
    import openai

    if isinstance(error, openai.APIStatusError):
        return error.status_code >= 500 or error.status_code in _TRY_AGAIN
    passing = (openai.APIConnectionError, httpx.TransportError, TooLateError)
    return isinstance(error, passing)
