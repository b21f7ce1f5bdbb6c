"""`readingroom evaluate adversarial`: what hostile writers and hostile words achieve."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--seed", type=int, default=0, show_default=True, help="Of the generated cases.")
@click.option(
    "--every", type=click.IntRange(1), default=1, show_default=True, help="Each such case only."
)
@click.option("--processes", type=click.IntRange(1), default=1, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write here too.")
def adversarial(seed: int, every: int, processes: int, json_file: Path | None) -> None:
    """Attack the writing with generated cases and hostile writers; no data are needed."""
    from evaluation.adversarial import attack_all

    def progress(done: int, of: int) -> None:
        if done % 20 == 0 or done == of:
            click.echo(f"{done} of {of} cases", err=True)

    report = attack_all(seed, every, progress, processes)
    click.echo(report.markdown())
    if json_file is not None:
        json_file.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
