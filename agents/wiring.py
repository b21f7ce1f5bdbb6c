"""The real services: settings in, everything the graph calls out."""

from __future__ import annotations

from agents.services import Services
from agents.settings import Settings
from reporting.draft import Writer


def wire(settings: Settings, aggregator: Writer) -> Services:
    """Services as the settings ask for them; nothing heavy is loaded before it is used."""
    raise NotImplementedError
