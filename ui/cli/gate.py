"""`readingroom gate`: the input gate on its own."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON.")
def gate(study: Path, as_json: bool) -> None:
    """Decide whether STUDY is a frontal chest radiograph that can be read.

    Exits with 4 where the study is refused.
    """
    from findings.errors import NotAChestRadiographError
    from imaging.gate import examine_path
    from imaging.study import GateDecision

    result = examine_path(study)
    if as_json:
        click.echo(result.model_dump_json())
    else:
        click.echo(result.decision.value)
        for reason in result.reasons:
            click.echo(f"  {reason.severity.value:7} {reason.text}")
    if result.decision is GateDecision.REFUSE:
        raise click.exceptions.Exit(NotAChestRadiographError.exit_code)
