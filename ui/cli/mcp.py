"""`readingroom mcp`: the room for clients of the Model Context Protocol."""

from __future__ import annotations

from pathlib import Path

import click

_LARGEST_REQUEST = 2**20


@click.command()
@click.option(
    "--transport", type=click.Choice(["stdio", "http"]), default="stdio", show_default=True
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of --transport http.")
@click.option("--port", default=8766, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--studies",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The one folder that studies may be read from. Without it no file is read.",
)
@click.option(
    "--seconds",
    default=300.0,
    show_default=True,
    type=click.FloatRange(1, 3600),
    help="Longest time for one call.",
)
def mcp(transport: str, host: str, port: int, studies: Path | None, seconds: float) -> None:
    """Serve the experts, drafts, questions and reviews as tools to an MCP client.

    Over standard input and output, or over HTTP at /mcp to this machine alone. Its studies are
    those of `readingroom serve` without keys.
    """
    from agents.journal import start_journal
    from agents.room import Room
    from agents.settings import load_settings
    from findings.errors import ResourceError, SettingsError
    from ui.api.guard import THIS_MACHINE
    from ui.cli.serve import is_this_machine

    settings = load_settings()
    start_journal(settings.log_level)
    if transport == "http" and not is_this_machine(host):
        raise SettingsError("MCP over HTTP is served to this machine alone. Leave --host as it is.")
    try:
        import mcp.server.mcpserver  # noqa: F401
    except ImportError as error:
        raise ResourceError(
            "The Model Context Protocol's library is not installed. Get it with 'pip install mcp'."
        ) from error
    from ui.mcp.desk import Desk
    from ui.mcp.files import StudyFolder
    from ui.mcp.server import RoomServer

    room = Room(
        settings,
        settings.data_dir / "room",
        workers=settings.api.drafts_at_once,
        waiting=settings.api.drafts_waiting,
    )
    server = RoomServer(Desk(room, THIS_MACHINE, StudyFolder(studies)), seconds)
    try:
        if transport == "stdio":
            server.run("stdio")
        else:
            click.echo(f"Reading Room at http://{host}:{port}/mcp (research use only).", err=True)
            server.run(
                "streamable-http", host=host, port=port, max_request_body_size=_LARGEST_REQUEST
            )
    finally:
        room.close()
