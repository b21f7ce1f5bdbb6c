"""`readingroom sample`: a synthetic chest radiograph with known truth."""

from __future__ import annotations

import click


@click.command()
def sample() -> None:
    """Make a synthetic chest radiograph."""
