"""`readingroom review`: an existing report checked against the experts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ui.cli.draft import ensure_index
from ui.cli.progress import NodeProgress

if TYPE_CHECKING:
    from agents.reviewing import ReviewOutcome
    from reporting.review_items import ReviewItem


@click.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.argument("report", type=click.Path(path_type=Path))
@click.option("--prior", type=click.Path(path_type=Path), help="The prior study.")
@click.option("--language", type=click.Choice(["en", "es"]), help="Language of the report.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def review(
    study: Path, report: Path, prior: Path | None, language: str | None, as_json: bool
) -> None:
    """Check REPORT (text, DOCX, DICOM structured report, FHIR JSON) against STUDY.

    STUDY is a DICOM file, a folder of them, a PNG or JPEG, or the folder of a draft. Prints what
    agrees, what is missed, what nothing supports, wrong sides, measurements that are off,
    contradictions and missing comparisons, each with its evidence and a proposed wording.
    """
    from agents.asking import kept_draft
    from agents.journal import start_journal
    from agents.reviewing import ReviewRequest, review_study
    from agents.settings import load_settings
    from findings.vocabulary import Language
    from reporting.report_files import read_report_file

    settings = load_settings()
    start_journal(settings.log_level)
    request = ReviewRequest(
        study=study,
        report=read_report_file(report),
        prior=prior,
        language=Language(language) if language else None,
    )
    if kept_draft(study) is None:
        ensure_index(settings, study)
    with NodeProgress() as progress:
        outcome = review_study(request, settings, on_event=progress.show)
    click.echo(_json(outcome) if as_json else _table(outcome))


def _json(outcome: ReviewOutcome) -> str:
    return json.dumps(
        {
            "schema": "readingroom/review/1",
            "language": outcome.report.language.value,
            "items": [item.model_dump(mode="json") for item in outcome.review.items],
            "questions": list(outcome.questions),
        },
        ensure_ascii=False,
        indent=1,
    )


def _table(outcome: ReviewOutcome) -> str:
    lines = []
    for item in outcome.review.items:
        what = " ".join(
            word.replace("_", " ") for word in (item.side, item.finding) if word is not None
        )
        head = f"{_headed(item):<14} {item.severity:<9} {what}".rstrip()
        lines.append(head)
        if item.sentence:
            lines.append(f"    report:   {item.sentence}")
        if item.reason:
            lines.append(f"    reason:   {item.reason}")
        if item.evidence:
            lines.append(f"    evidence: {', '.join(item.evidence)}")
        if item.suggestion:
            lines.append(f"    proposed: {item.suggestion}")
    lines += [f"QUESTION       {question}" for question in outcome.questions]
    if not lines:
        lines.append("The report states nothing that can be checked, and the experts see nothing.")
    lines.append("Research use only. Every line is a machine's reading: look at the image.")
    return "\n".join(lines)


def _headed(item: ReviewItem) -> str:
    """What a line is about; a finding that no expert can judge is no accusation."""
    unjudged = item.type == "unsupported" and item.severity == "low"
    return "NOT JUDGED" if unjudged else item.type.replace("_", " ").upper()
