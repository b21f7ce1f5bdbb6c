"""`readingroom ui`: the room in a browser."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click


@click.command(name="ui")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind to.")
@click.option("--port", default=7860, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--auth",
    metavar="NAME:PASSWORD",
    multiple=True,
    help="Who may come in; may be given several times; needed beyond this machine.",
)
def ui(host: str, port: int, auth: tuple[str, ...]) -> None:
    """Open the room in a browser: worklist, film, report, conversation, review, sign-off."""
    from agents.journal import start_journal
    from agents.room import Room
    from agents.settings import load_settings
    from findings.errors import SettingsError
    from ui.cli.serve import is_this_machine

    settings = load_settings()
    start_journal(settings.log_level)
    users = [(name, password) for name, _, password in (own.partition(":") for own in auth)]
    if not all(name and password for name, password in users):
        raise SettingsError("--auth is NAME:PASSWORD, both of them given.")
    if not is_this_machine(host) and not users:
        raise SettingsError("Opening the room beyond this machine needs --auth NAME:PASSWORD.")
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ["GRADIO_TEMP_DIR"] = str(_uploads(settings.data_dir))
    from ui.web.page import build_page, launch

    room = Room(
        settings, settings.data_dir / "room", workers=1, waiting=settings.api.drafts_waiting
    )
    click.echo(f"Reading Room at http://{host}:{port} (research use only). Ctrl-C ends it.")
    try:
        launch(build_page(room), host, port, users)
    finally:
        room.close()


def _uploads(folder: Path) -> Path:
    """Where uploads wait until they are read: for this user alone, and empty at the start."""
    uploads = folder / "uploads"
    shutil.rmtree(uploads, ignore_errors=True)
    uploads.mkdir(parents=True, mode=0o700)
    return uploads
