"""`readingroom ui`: the room in a browser."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click


@click.command(name="ui")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind to.")
@click.option("--port", default=7860, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--auth", metavar="NAME:PASSWORD", help="Who may come in; needed beyond this machine."
)
def ui(host: str, port: int, auth: str | None) -> None:
    """Open the room in a browser: worklist, film, draft, conversation, review, sign-off."""
    from agents.journal import start_journal
    from agents.room import Room
    from agents.settings import load_settings
    from findings.errors import SettingsError
    from ui.cli.serve import is_this_machine

    settings = load_settings()
    start_journal(settings.log_level)
    if auth is not None and not all(auth.partition(":")):
        raise SettingsError("--auth is NAME:PASSWORD, both of them given.")
    if not is_this_machine(host) and auth is None:
        raise SettingsError("Opening the room beyond this machine needs --auth NAME:PASSWORD.")
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    from ui.web.page import build_page, css, theme

    room = Room(
        settings, settings.data_dir / "room", workers=1, waiting=settings.api.drafts_waiting
    )
    page = build_page(room, _seal(settings.data_dir))
    name, _, password = (auth or "").partition(":")
    click.echo(f"Reading Room at http://{host}:{port} (research use only). Ctrl-C ends it.")
    page.queue(max_size=32).launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        auth=(name, password) if auth else None,
        theme=theme(),
        css=css(),
        js="() => document.documentElement.classList.add('dark')",
        show_error=True,
    )


def _seal(folder: Path) -> str:
    """The secret that seals what browsers keep; made once, so that they find their studies."""
    path = folder / "browser.key"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path.read_text()
