"""What is sent and answered over HTTP, beside the draft itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.conversation.answer import Answer
from agents.editing import Note, PersonAct
from agents.editing.acts import LONGEST_SENTENCE
from agents.room import StudyState
from findings.errors import UserInputError
from findings.vocabulary import Language
from reporting.draft import DraftStatus, Section
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


SentenceId = Annotated[str, Field(pattern=r"^S[1-9][0-9]{0,3}$")]
Words = Annotated[str, Field(min_length=1, max_length=LONGEST_SENTENCE, pattern=_WORDS)]


class VerdictIn(_Shape):
    """A person's verdict on a sentence; `restore` takes back what was done to it."""

    act: Literal["accept", "reject", "restore"]
    sentence: SentenceId


class RewordIn(_Shape):
    """A sentence in a person's words."""

    act: Literal["reword"]
    sentence: SentenceId
    text: Words


class AddIn(_Shape):
    """A sentence of a person's own, put at the end of a section."""

    act: Literal["add"]
    text: Words
    section: Literal["findings", "impression"] = "findings"


EditIn = Annotated[VerdictIn | RewordIn | AddIn, Field(discriminator="act")]


def person_act(wanted: VerdictIn | RewordIn | AddIn) -> PersonAct:
    """The act, to be kept. Raises `UserInputError` where its words hold nothing printable."""
    try:
        return PersonAct.model_validate(wanted.model_dump())
    except ValidationError:
        raise UserInputError("The text holds no words that can be printed.") from None


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
