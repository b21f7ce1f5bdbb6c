"""The job: a question about a study or its draft, answered from the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from agents.checkpoints import forget_history, open_checkpoints, prune
from agents.conversation.answer import Answer, Edit, OnWords
from agents.drafting import DraftOptions, draft_aside
from agents.events import EventSink
from agents.services import Services
from agents.settings import Settings
from findings.errors import UserInputError
from findings.vocabulary import Language
from imaging.study import Study
from reporting.draft import Draft
from reporting.files import DRAFT_FILE, read_draft

if TYPE_CHECKING:
    from agents.conversation.graph import ConversationState
    from agents.conversation.tool_agent import ToolAgent

_THREAD_PREFIX = "conversation-"


@dataclass(frozen=True)
class Conversation:
    """Questions about one draft; with a name, what was asked before is remembered on disk."""

    draft: Draft
    settings: Settings
    name: str | None = None
    agent: ToolAgent | None = None
    """Who takes part besides the rules; none: the served model, where the settings name one."""

    @property
    def thread(self) -> str:
        """Its thread in the checkpoints; empty where it has no name."""
        return f"{_THREAD_PREFIX}{self.draft.study_key}-{self.name}" if self.name else ""

    def ask(
        self, text: str, language: Language | None = None, on_words: OnWords | None = None
    ) -> Answer:
        """Answer one question. Raises `UserInputError` where it is empty.

        `on_words` is told what a served model writes while it writes.
        """
        return self.ask_all((text,), language, on_words)[0]

    def ask_all(
        self,
        texts: Sequence[str],
        language: Language | None = None,
        on_words: OnWords | None = None,
    ) -> list[Answer]:
        """Answer several questions in turn, each in the light of those before."""
        if any(not text.strip() for text in texts):
            raise UserInputError("The question is empty. Ask about the study's findings.")
        if self.name is None:
            from langgraph.checkpoint.memory import InMemorySaver

            return self._ask(texts, language, InMemorySaver(), "once", on_words)
        thread = self.thread
        with open_checkpoints(self.settings.checkpoint_file) as saver:
            prune(saver, self.settings.checkpoint_days)
            answers = self._ask(texts, language, saver, thread, on_words)
            forget_history(saver, thread)
        return answers

    def _ask(
        self,
        texts: Sequence[str],
        language: Language | None,
        saver: object,
        thread: str,
        on_words: OnWords | None,
    ) -> list[Answer]:
        from langsmith import tracing_context

        from agents.conversation.graph import Talk, build_conversation
        from agents.conversation.intent_head import intent_head

        graph = build_conversation(saver)  # type: ignore[arg-type]
        talk = Talk(
            self.draft,
            self.agent or served_agent(self.settings),
            intent_head(self.settings.cache_dir),
            on_words,
        )
        answers = []
        for text in texts:
            given: ConversationState = {
                "asked": text,
                "language": language.value if language else None,
            }
            with tracing_context(enabled=False):
                state = graph.invoke(given, {"configurable": {"thread_id": thread}}, context=talk)
            answers.append(Answer.model_validate_json(cast("ConversationState", state)["answer"]))
        return answers


def served_agent(settings: Settings) -> ToolAgent | None:
    """The served model as a partner of the conversation, where the settings ask for one.

    All that it may take for one question is the settings' time for the served model.
    """
    llm = settings.llm
    if not llm.converse:
        return None
    from agents.aggregator.served import served_chat, served_name
    from agents.conversation.tool_agent import ROUNDS, ToolAgent
    from agents.serving.record import server_at

    record = server_at(settings.cache_dir, llm.base_url)
    name = served_name(llm, record)
    each = llm.model_copy(update={"timeout_seconds": llm.timeout_seconds / ROUNDS})
    return ToolAgent(served_chat(each, name), name)


def accept_edit(path: Path, edit: Edit) -> Draft:
    """Make a proposed edit of the draft at `path`: kept, read back and audited as a person's act.

    Raises `UserInputError` where the draft is signed or holds no such sentence.
    """
    from agents.conversation.proposals import has_prior, person_act
    from agents.editing import act_on

    kept = kept_draft(path)
    if kept is None:
        raise UserInputError("Only a draft can be changed. Give a draft's folder, not a study.")
    return act_on(kept.parent, person_act(edit), has_prior(read_draft(kept)), _no_study)


def _no_study() -> Study:
    raise UserInputError("The study is not at hand, so the report cannot be translated here.")


def kept_draft(path: Path) -> Path | None:
    """The draft's file, where `path` is one or a folder that holds one; else it is a study."""
    file = path if path.name == DRAFT_FILE else path / DRAFT_FILE
    return file if file.is_file() else None


def draft_to_ask(
    path: Path,
    settings: Settings,
    on_event: EventSink | None = None,
    services: Services | None = None,
) -> Draft:
    """The draft in a folder, or one made of the study at `path`.

    Raises:
        ReportError: the folder's draft cannot be read.
        StudyError: the study cannot be read, or is no frontal chest radiograph.
    """
    kept = kept_draft(path)
    if kept is not None:
        return read_draft(kept)
    options = DraftOptions(language=settings.language)
    return draft_aside(path, options, settings, on_event, services)
