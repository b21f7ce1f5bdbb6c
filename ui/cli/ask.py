"""`readingroom ask`: a question about a study, answered from the evidence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ui.cli.draft import ensure_index
from ui.cli.progress import NodeProgress

if TYPE_CHECKING:
    from agents.conversation.answer import Answer


@click.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.argument("question", nargs=-1, required=True)
@click.option("--language", type=click.Choice(["en", "es"]), help="Language of the answer.")
@click.option("--thread", help="Name of a conversation to go on with.")
@click.option("--accept", is_flag=True, help="Make the changes that are proposed, as yours.")
@click.option("--json", "as_json", is_flag=True, help="Print each answer as one JSON object.")
def ask(
    study: Path,
    question: tuple[str, ...],
    language: str | None,
    thread: str | None,
    accept: bool,
    as_json: bool,
) -> None:
    """Answer each QUESTION about STUDY: a draft's folder, a DICOM file or folder, a PNG or JPEG.

    Several questions are one conversation. Nothing is answered that the draft's evidence does not
    carry; what is general knowledge says so. A change that is asked for is proposed and read back;
    with --accept it is made in the draft's folder, marked as a person's, and audited.
    """
    from agents.asking import Conversation, accept_edit, draft_to_ask, kept_draft
    from agents.journal import start_journal
    from agents.settings import load_settings
    from findings.vocabulary import Language

    settings = load_settings()
    start_journal(settings.log_level)
    if kept_draft(study) is None:
        ensure_index(settings, study)
    with NodeProgress() as progress:
        draft = draft_to_ask(study, settings, on_event=progress.show)
    conversation = Conversation(draft, settings, name=thread)
    wanted = Language(language) if language else None
    for answer in conversation.ask_all(question, wanted):
        click.echo(_json(answer) if as_json else _shown(answer))
        if accept and answer.edit is not None:
            status = accept_edit(study, answer.edit).status.value
            click.echo(f"Changed; the report's status is now: {status}.", err=True)


def _json(answer: Answer) -> str:
    content = answer.model_dump(mode="json")
    return json.dumps({"answer": content.pop("text"), **content}, ensure_ascii=False)


def _shown(answer: Answer) -> str:
    cited = f"\n  evidence: {', '.join(answer.evidence)}" if answer.evidence else ""
    by = f"\n  answered by: served model {answer.model}" if answer.model else ""
    note = f"\n  note: {answer.note}" if answer.note else ""
    return f"{answer.text}{cited}{by}{note}"
