"""What is sent and answered over HTTP, beside the draft itself."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.conversation.answer import Answer
from agents.editing import Act, Note, PersonAct
from agents.editing.acts import LONGEST_SENTENCE
from agents.room import StudyState
from findings.errors import UserInputError
from findings.vocabulary import Language
from reporting.draft import DraftStatus, Section, SectionName
from reporting.review_items import ReviewItem

_WORDS = r"\S"
"""More than blanks."""


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StudyOut(_Shape):
    """A study in the room."""

    id: str
    state: StudyState
    detail: str = ""


class StudiesOut(_Shape):
    """All of an owner's studies."""

    studies: tuple[StudyOut, ...]


class DraftIn(_Shape):
    """How a draft is wanted."""

    language: Language = Language.ENGLISH
    aggregator: Literal["embedded", "vllm", "phraser"] | None = None
    indication: str | None = Field(default=None, max_length=2_000)


class EditIn(_Shape):
    """A person's act on the draft. `sentence` names a sentence, `text` is what was written."""

    act: Literal["accept", "reject", "restore", "reword", "add"]
    sentence: str | None = Field(default=None, pattern=r"^S[1-9][0-9]{0,3}$")
    text: str | None = Field(default=None, min_length=1, max_length=LONGEST_SENTENCE)
    section: Literal["findings", "impression"] = "findings"

    def as_act(self) -> PersonAct:
        """The act, to be kept. Raises `UserInputError` where it lacks something."""
        act = Act(self.act)
        section = SectionName(self.section) if act is Act.ADD else None
        try:
            return PersonAct(act=act, sentence=self.sentence, text=self.text, section=section)
        except ValidationError:
            raise UserInputError(
                "The act is incomplete: 'add' and 'reword' need a text, all but 'add' a sentence."
            ) from None


class EditedOut(_Shape):
    """The report as it stands after an act, and what reading it back found."""

    status: DraftStatus
    sections: tuple[Section, ...]
    notes: tuple[Note, ...]


class QuestionIn(_Shape):
    """A question about a study; `thread` names the conversation."""

    question: str = Field(min_length=1, max_length=2_000, pattern=_WORDS)
    thread: str = Field(default="room", pattern=r"^[A-Za-z0-9_-]{1,40}$")
    language: Language | None = None


class AnswerOut(_Shape):
    """An answer, with the name of its text as the command line prints it."""

    answer: str
    details: Answer


class ReportIn(_Shape):
    """A report to check."""

    report: str = Field(min_length=1, max_length=100_000, pattern=_WORDS)
    language: Language | None = None


class ReviewOut(_Shape):
    """The review's table."""

    language: Language
    items: tuple[ReviewItem, ...]
    questions: tuple[str, ...]


class ErrorOut(_Shape):
    """Why a request was not done, in one or two sentences."""

    error: str


class ChatMessage(BaseModel):
    """One message of an OpenAI-style conversation; what else it holds is not used."""

    role: Literal["system", "user", "assistant", "tool", "developer"]
    content: str | list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        """Its text; pictures and the like are left out."""
        if isinstance(self.content, list):
            return " ".join(str(p.get("text", "")) for p in self.content if p.get("type") == "text")
        return self.content or ""


class ChatIn(BaseModel):
    """An OpenAI-style chat request. `model` is `readingroom:STUDY_ID`."""

    model: str = Field(max_length=100)
    messages: list[ChatMessage] = Field(min_length=1, max_length=200)
    stream: bool = False
