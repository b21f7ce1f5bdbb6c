"""`readingroom doctor`: what this installation has and lacks."""

from __future__ import annotations

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> None:
    """Check the installation, and say what to do about each lack.

    Exits with 0 where a draft can be made (even without optional parts), else with 5.
    """
    import json

    from agents.settings import load_settings
    from findings.errors import ResourceError
    from ui.checkup import Grade, check_up

    settings = load_settings()
    checks = check_up(settings)
    shown = settings.model_dump(mode="json")
    shown["llm"]["api_key"] = "set" if settings.llm.api_key != "none" else "none"
    if as_json:
        lines = [check.model_dump(mode="json") for check in checks]
        click.echo(json.dumps({"checks": lines, "settings": shown}))
    else:
        marks = {Grade.GOOD: "✓", Grade.LACKING: "·", Grade.BROKEN: "✗"}
        for check in checks:
            click.echo(f"{marks[check.grade]} {check.subject:38} {check.found}")
            if check.advice:
                click.echo(f"    → {check.advice}")
        click.echo("\nSettings in force (defaults < readingroom.toml < environment < flags):")
        click.echo(json.dumps(shown, indent=2))
    if any(check.grade is Grade.BROKEN for check in checks):
        raise click.exceptions.Exit(ResourceError.exit_code)
