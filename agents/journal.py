"""Logging without patient data: what ran, how long, how it ended; never what was read or written.

Loggers are named `readingroom.*`. Their messages are `key=value` words; the formatters print
nothing else of a record, and of an exception only its class: a message or a traceback of another
library might quote a path or a tag.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

ROOT: Final = "readingroom"


class PlainFormatter(logging.Formatter):
    """One line: time, level, logger, message, and the class of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for a record."""
        fields = _fields(record)
        words = [fields["time"], fields["level"], fields["logger"], fields["message"]]
        if "error" in fields:
            words.append(f"error={fields['error']}")
        return " ".join(words)


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for a record."""
        return json.dumps(_fields(record), ensure_ascii=True)


def start_journal(
    level: Literal["debug", "info", "warning", "error"] = "warning",
    *,
    as_json: bool = False,
    stream: TextIO | None = None,
) -> logging.Logger:
    """Send the application's log to `stream` (standard error); a second call replaces the first.

    Other libraries' logs are not touched and do not pass through here.
    """
    logger = logging.getLogger(ROOT)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else PlainFormatter())
    logger.addHandler(handler)
    logger.setLevel(level.upper())
    logger.propagate = False
    return logger


def _fields(record: logging.LogRecord) -> dict[str, str]:
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    message = " ".join(record.getMessage().split())
    fields = {
        "time": time,
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": message,
    }
    if record.exc_info and record.exc_info[0] is not None:
        fields["error"] = record.exc_info[0].__name__
    return fields
