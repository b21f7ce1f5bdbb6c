"""One room: give a study, have it drafted, ask about it, review a report of it."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from agents.asking import Conversation
from agents.conversation.answer import Answer
from agents.drafting import DraftOptions, draft_study, sign_draft
from agents.editing import (
    PREFERENCES_FILE,
    EditBook,
    PersonAct,
    act_on,
    forget_edits,
    keep_pairs,
    open_book,
    undo,
)
from agents.events import ProgressEvent
from agents.pointing import Said, point, turns
from agents.reviewing import ReviewOutcome, ReviewRequest, review_study
from agents.room.board import Board, Note, StudyState
from agents.room.shelf import Shelf, ShelvedStudy
from agents.room.words import Words
from agents.services import Services, StudyLoader
from agents.settings import Settings
from agents.state import FinalText, SignOff
from findings.errors import NotAChestRadiographError, ReadingRoomError, UserInputError
from findings.evidence import Box
from findings.vocabulary import Language
from imaging.study import Study, StudyImage
from reporting.draft import Draft
from reporting.files import DRAFT_FILE, read_draft

_LOG: Final = logging.getLogger("readingroom.room")


class Room:
    """Owners' studies and the work on them. Safe to use from several threads.

    Drafts are made one after another (`workers` at a time), at most `waiting` of them in line.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        workers: int = 1,
        waiting: int = 16,
        services: Services | None = None,
    ) -> None:
        self.settings = settings
        self.board = Board()
        self.words = Words()
        self._folder = folder
        self._services = services
        self._waiting = waiting
        self._editing = threading.Lock()
        self._line = ThreadPoolExecutor(workers, thread_name_prefix="draft")

    def shelf(self, owner: str) -> Shelf:
        """An owner's studies."""
        return Shelf(self._folder, owner)

    def note(self, study: ShelvedStudy) -> Note:
        """How far a study is, also after a restart."""
        known = self.board.note(study.id)
        if known is not None:
            return known
        return Note(state=StudyState.DRAFTED if study.drafted else StudyState.NEW)

    def start_draft(
        self,
        study: ShelvedStudy,
        language: Language = Language.ENGLISH,
        aggregator: str | None = None,
        indication: str | None = None,
    ) -> None:
        """Put the study in the line; `Board.watch` tells how it goes on.

        Raises `UserInputError` where it is at work already or the line is full.
        """
        if self.board.queued() >= self._waiting:
            raise UserInputError("Too many drafts are waiting. Try again in a minute.")
        if not self.board.begin(study.id):
            raise UserInputError("This study is being drafted already.")
        study.keep_indication(indication)
        study.keep_drafted_with(study.prior)
        options = DraftOptions(
            prior=study.prior,
            language=language,
            indication=indication,
            seed=self.settings.seed,
            aggregator=aggregator or self.settings.llm.aggregator,
            out=study.draft_folder,
        )
        self._line.submit(self._draft, study, options)

    def _draft(self, study: ShelvedStudy, options: DraftOptions) -> None:
        def tell(event: ProgressEvent) -> None:
            self.board.tell(study.id, event)

        self.board.pin(study.id, StudyState.DRAFTING)
        try:
            outcome = draft_study(study.study, options, self.settings, tell, self._services)
            study.keep_thread(outcome.thread_id)
            forget_edits(study.draft_folder)
        except NotAChestRadiographError as error:
            self.board.pin(study.id, StudyState.REFUSED, str(error))
        except ReadingRoomError as error:
            self.board.pin(study.id, StudyState.FAILED, str(error))
        except Exception as error:
            # A worker must outlive any fault; the person is told, the log has the kind of it.
            _LOG.error("draft failed error=%s", type(error).__name__)
            detail = (
                f"An unexpected {type(error).__name__} stopped the draft: a fault of the program."
            )
            self.board.pin(study.id, StudyState.FAILED, detail)
        else:
            self.board.pin(study.id, StudyState.DRAFTED)

    def draft(self, study: ShelvedStudy) -> Draft:
        """The study's report as it stands. Raises `UserInputError` where there is none yet."""
        self._require_draft(study)
        return read_draft(study.draft_folder / DRAFT_FILE)

    def _require_draft(self, study: ShelvedStudy) -> None:
        if not study.drafted:
            raise UserInputError("This study has no draft yet. Start one and wait for its end.")

    def book(self, study: ShelvedStudy) -> tuple[EditBook, Draft]:
        """What was done to the draft, and the report as it stands. Raises `UserInputError`."""
        self._require_draft(study)
        return open_book(study.draft_folder)

    def edit(self, study: ShelvedStudy, act: PersonAct) -> Draft:
        """Do a person's act on the draft. Raises as `agents.editing.act_on` does."""
        self._require_draft(study)
        with self._editing:
            return act_on(
                study.draft_folder, act, study.prior is not None, lambda: self.load(study)
            )

    def undo(self, study: ShelvedStudy) -> Draft:
        """Take a person's last act back. Raises as `agents.editing.undo` does."""
        self._require_draft(study)
        with self._editing:
            return undo(study.draft_folder, study.prior is not None)

    def load(self, study: ShelvedStudy) -> Study:
        """The study's images. Raises `StudyError` where they cannot be read."""
        return self._loader()(study.study, prior=study.prior)

    def film(self, study: ShelvedStudy) -> StudyImage:
        """The frontal film of the study. Raises `StudyError` where it cannot be read."""
        return self.films(study)[0]

    def films(self, study: ShelvedStudy, prior: str | None = None) -> tuple[StudyImage, ...]:
        """The films of the study or of one of its priors, the frontal first.

        Raises `StudyError` where they cannot be read, `UserInputError` where there is no prior.
        """
        path = study.study if prior is None else study.prior_named(prior)
        return self._loader()(path).images

    def require_prior(self, study: ShelvedStudy, name: str) -> None:
        """Raise `StudyError` where a prior cannot be read, or cannot be the study's prior."""
        self._loader()(study.study, prior=study.prior_named(name))

    def _loader(self) -> StudyLoader:
        from imaging.loading import load_study

        return self._services.load_study if self._services else load_study

    def sign(self, study: ShelvedStudy, signer: str) -> Draft:
        """A person takes responsibility for the report: it becomes signed and stays as it is.

        What the person changed is kept as preference pairs beside the room's folder.

        Raises:
            UserInputError: there is no draft that waits for it.
            EvidenceRuleError: a sentence of the machine's says what the evidence does not carry.
        """
        if not study.thread:
            raise UserInputError("This study has no draft that waits for a sign-off.")
        with self._editing:
            book, draft = self.book(study)
            text = FinalText(language=draft.language, sections=draft.sections)
            outcome = sign_draft(
                study.thread,
                SignOff(signer=signer, text=text if book.acts else None),
                self.settings,
                indication=study.indication,
                out=study.draft_folder,
                services=self._services,
            )
            keep_pairs(self._folder.parent / PREFERENCES_FILE, draft, book.report(draft))
        return outcome.draft

    def ask(
        self,
        study: ShelvedStudy,
        question: str,
        thread: str = "room",
        language: Language | None = None,
        aloud: bool = False,
    ) -> Answer:
        """Answer a question about the study's draft. Raises `UserInputError`.

        `aloud`: what a served model writes is found in `words` while it writes.
        """

        def hear(words: str) -> None:
            self.words.write(study.id, words)

        conversation = self._conversation(study, thread)
        try:
            return conversation.ask(question, language, hear if aloud else None)
        finally:
            self.words.end(study.id)

    def point(self, study: ShelvedStudy, box: Box, thread: str = "room") -> Answer:
        """Answer what lies in a box of the film, in display pixels. Raises `UserInputError`."""
        conversation = self._conversation(study, thread)
        return point(conversation, box, conversation.draft.language)

    def said(self, study: ShelvedStudy, thread: str = "room") -> tuple[Said, ...]:
        """What was asked and answered about the study before."""
        return turns(self._conversation(study, thread)) if study.drafted else ()

    def _conversation(self, study: ShelvedStudy, thread: str) -> Conversation:
        return Conversation(self.draft(study), self.settings, name=f"{study.id}-{thread}")

    def review(
        self, study: ShelvedStudy, report: str, language: Language | None = None
    ) -> ReviewOutcome:
        """Check a report of the study, against its draft where there is one."""
        request = ReviewRequest(
            study=study.draft_folder if study.drafted else study.study,
            report=report,
            prior=study.prior,
            language=language,
        )
        return review_study(request, self.settings, services=self._services)

    def remove(self, owner: str, study_id: str) -> None:
        """Remove a study with all that was made of it. Raises `UserInputError`."""
        shelf = self.shelf(owner)
        study = shelf.get(study_id)
        if not self.note(study).state.over:
            raise UserInputError("This study is being drafted. Wait for the end, then remove it.")
        shelf.remove(study_id)
        self.board.forget(study_id)

    def close(self) -> None:
        """Let the draft at work end and take no more."""
        self._line.shutdown(wait=True, cancel_futures=True)
