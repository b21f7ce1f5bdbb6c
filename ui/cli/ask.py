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
@click.option("--json", "as_json", is_flag=True, help="Print each answer as one JSON object.")
def ask(
    study: Path, question: tuple[str, ...], language: str | None, thread: str | None, as_json: bool
) -> None:
    """Answer each QUESTION about STUDY: a draft's folder, a DICOM file or folder, a PNG or JPEG.

    Several questions are one conversation. Nothing is answered that the draft's evidence does not
    carry; what is general knowledge says so.
    """
    from agents.asking import Conversation, draft_to_ask, kept_draft
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


def _json(answer: Answer) -> str:
    content = answer.model_dump(mode="json")
    return json.dumps({"answer": content.pop("text"), **content}, ensure_ascii=False)


def _shown(answer: Answer) -> str:
    cited = f"\n  evidence: {', '.join(answer.evidence)}" if answer.evidence else ""
    return f"{answer.text}{cited}"
