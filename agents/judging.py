"""A served model that judges or labels whole reports, and what it may be told of them.

Reports are told to a model on this machine as they are. To a model on another machine they go only
where that was asked for, and then without what could tell whose they are: dates, times, long
numbers, names after titles, addresses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agents.settings import Settings
from findings.errors import BackendError, UserInputError

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

REMOVED: Final = "[removed]"
_MONTH: Final = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|enero|febrero|marzo|abril|mayo|junio|julio|agosto"
    r"|septiembre|octubre|noviembre|diciembre)"
)
_IDENTIFYING: Final = re.compile(
    r"\b\d{1,4}([-/.])\d{1,2}\1\d{1,4}\b"
    rf"|\b{_MONTH}\.?\s+\d{{1,2}}(?:,?\s+\d{{2,4}})?\b"
    rf"|\b\d{{1,2}}\s+(?:de\s+)?{_MONTH}\b(?:\s+(?:de\s+)?\d{{2,4}})?"
    r"|\b\d{1,2}:\d{2}(?::\d{2})?(?:\s*[ap]\.?m\.?)?"
    r"|\S+@\S+\.\S+|\bhttps?://\S+"
    r"|\b(?=\w*\d\w*\d\w*\d\w*\d)[\w-]{4,}\b"
    r"|\b(?-i:Drs?|Dra|Mrs?|Ms|Miss|Prof|Sr|Sra|Don|Doña)\b\.?(?:\s+(?-i:[A-ZÁÉÍÓÚÑ])[\w'’.-]*)+",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Judge:
    """A served model by its name, and how it is asked."""

    chat: BaseChatModel
    name: str
    seconds: float
    """For one answer."""
    remote: bool = False
    """Whether it runs on another machine."""

    def told(self, report: str) -> str:
        """A report as this judge may be told it."""
        return without_identity(report) if self.remote else report


def without_identity(report: str) -> str:
    """A report without dates, times, numbers of four digits and more, named people, addresses."""
    return _IDENTIFYING.sub(REMOVED, report)


def served_judge(settings: Settings, model: str = "", *, allow_remote: bool = False) -> Judge:
    """The served model of that name, or the settings' one, once its server answers.

    Raises:
        UserInputError: the server is another machine, and reports may not be sent there.
        BackendError: no server answers, or it does not serve that model.
    """
    from urllib.parse import urlsplit

    from agents.aggregator.served import served_chat, served_name
    from agents.serving.health import look
    from agents.serving.record import server_at
    from models.published.endpoint import is_this_machine

    llm = settings.llm
    host = urlsplit(llm.base_url).hostname or ""
    remote = not is_this_machine(host)
    if remote and not allow_remote:
        raise UserInputError(
            f"The language model's server {host} is another machine, and reports are not sent "
            "there unless it is allowed: --allow-remote sends their text without dates, long "
            "numbers and names. Many data sets forbid that; read their agreement first."
        )
    health = look(llm.base_url, llm.api_key, llm.connect_seconds)
    if not health.healthy:
        raise BackendError(
            f"No language model answers at {llm.base_url} ({health.trouble}). Start one "
            "('readingroom llm serve'), or name the address of another in the setting "
            "llm.base_url."
        )
    record = server_at(settings.cache_dir, llm.base_url)
    name = model or served_name(llm, record)
    if name not in health.models:
        if model or len(health.models) != 1:
            raise BackendError(
                f"The server at {llm.base_url} serves {', '.join(health.models) or 'nothing'}, "
                f"and not {name}: name one of them with --model."
            )
        [name] = health.models
    return Judge(served_chat(llm, name), name, llm.timeout_seconds, remote)
