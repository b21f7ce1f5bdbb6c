"""`readingroom serve`: the room over HTTP."""

from __future__ import annotations

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind to.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(1, 65535))
def serve(host: str, port: int) -> None:
    """Serve drafts, questions and reviews over HTTP until interrupted.

    REST under /v1 with its description at /docs, and an OpenAI-compatible /v1/chat/completions.
    Keys come from READINGROOM_API__KEYS or the settings file; without any, only this machine may
    ask, and no other address is bound.
    """
    from agents.journal import start_journal
    from agents.settings import load_settings
    from findings.errors import SettingsError

    settings = load_settings()
    start_journal(settings.log_level)
    if not is_this_machine(host) and not settings.api.keys:
        raise SettingsError(
            "Serving beyond this machine needs keys. Set READINGROOM_API__KEYS='[\"...\"]', or "
            "leave --host as it is."
        )
    import uvicorn

    from ui.api.app import create_app

    click.echo(f"Reading Room at http://{host}:{port}/docs (research use only). Ctrl-C ends it.")
    uvicorn.run(
        create_app(settings), host=host, port=port, log_level="warning", server_header=False
    )


def is_this_machine(host: str) -> bool:
    """Whether an address to bind to is reached from this machine alone."""
    import ipaddress

    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
