"""The `readingroom` command: its sub-commands, its exit codes, and how errors are shown.

Exit codes: 0 done; 1 an error of the application itself; 2 a wrong request or setting; 3 a study
or report that cannot be read; 4 refused by the input gate; 5 something is not installed or not
reachable; 6 the evidence rule was broken; 130 interrupted.
"""

from __future__ import annotations

import sys
from importlib.metadata import version

import click

from findings.errors import ReadingRoomError
from ui.cli.ask import ask
from ui.cli.bench import bench
from ui.cli.data import data
from ui.cli.doctor import doctor
from ui.cli.draft import draft
from ui.cli.evaluate import evaluate
from ui.cli.export import export
from ui.cli.gate import gate
from ui.cli.index import index
from ui.cli.label import label
from ui.cli.llm import llm
from ui.cli.mcp import mcp
from ui.cli.models import models
from ui.cli.resume import resume
from ui.cli.review import review
from ui.cli.room import ui
from ui.cli.sample import sample
from ui.cli.serve import serve
from ui.cli.train import train
from ui.cli.tune import tune

INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("readingroom"), prog_name="readingroom")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def readingroom(context: click.Context, debug: bool) -> None:
    """Draft chest X-ray reports in which every sentence carries its evidence.

    Research use only; not a medical device.
    """
    context.obj = debug


for command in (
    draft,
    ask,
    review,
    export,
    ui,
    serve,
    mcp,
    resume,
    gate,
    label,
    sample,
    index,
    llm,
    models,
    data,
    doctor,
    train,
    tune,
    evaluate,
    bench,
):
    readingroom.add_command(command)


def main() -> None:
    """Run the command line; an error is one sentence, with its traceback only under --debug."""
    debug = "--debug" in sys.argv
    try:
        # A command that ends by click's Exit hands its code back here; the others return nothing.
        sys.exit(readingroom.main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted; what was finished is kept.", err=True)
        sys.exit(INTERRUPTED)
    except ReadingRoomError as error:
        if debug:
            raise
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        if debug:
            raise
        click.echo(
            f"Error: an unexpected {type(error).__name__} stopped the command; this is a fault of "
            "the program. Run it again with --debug and report what it shows, without patient "
            "data.",
            err=True,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
