"""What the page asks of the room, call by call: plain JSON in and out, errors as one sentence."""

from __future__ import annotations

import base64
import contextlib
import tempfile
import threading
from collections import OrderedDict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from agents.conversation.answer import Answer
from agents.conversation.phrases import phrases
from agents.events import Phase, ProgressEvent
from agents.pointing import Said
from agents.room import Room, Shelf, ShelvedStudy, StudyState
from findings.errors import UserInputError
from findings.vocabulary import Language
from reporting.draft import DraftStatus
from reporting.exports import FORMATS, Format, export
from ui.web.film import film_view
from ui.web.report import evidence_view, notes_view, report_view
from ui.web.shapes import (
    Asked,
    DraftWanted,
    Edited,
    FilmWanted,
    Given,
    Heard,
    Nothing,
    OfStudy,
    Pointed,
    PriorChosen,
    SampleWanted,
    Signed,
    Since,
    ToReview,
    Wanted,
)

USER: Final = "user:"
"""Begins the owner of whoever logged in by name; a browser's token has no colon."""
SAMPLES: Final = ("cardiomegaly", "effusion", "nodule", "opacity_and_line", "normal")
_PATIENCE: Final = 0.8
"""Seconds that a call for progress waits for news."""
_FILMS_KEPT: Final = 12


class Calls:
    """The room as the page calls it. Each method is one call of one owner."""

    def __init__(self, room: Room, uploads: Path) -> None:
        self._room = room
        self._uploads = uploads
        self._films: OrderedDict[tuple[str, str, int], dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def _of(self, owner: str, call: OfStudy) -> ShelvedStudy:
        return self._room.shelf(owner).get(call.study)

    def worklist(self, owner: str, call: Nothing) -> dict[str, Any]:
        """The owner's studies, the oldest first."""
        studies = self._room.shelf(owner).all()
        return {
            "user": owner.removeprefix(USER) if owner.startswith(USER) else "",
            "studies": [self._card(study, n) for n, study in enumerate(studies, start=1)],
            "samples": list(SAMPLES),
            "formats": [
                {"format": f.value, "label": FORMATS[f].label, "suffix": FORMATS[f].suffix}
                for f in Format
            ],
        }

    def _card(self, study: ShelvedStudy, number: int) -> dict[str, Any]:
        note = self._room.note(study)
        state = note.state.value
        report: dict[str, Any] = {}
        if note.state is StudyState.DRAFTED:
            book, draft = self._room.book(study)
            if draft.status is DraftStatus.SIGNED:
                state = "signed"
            report = {"open": book.report(draft).open, "acts": len(book.acts)}
        given = datetime.fromtimestamp(study.folder.stat().st_mtime, UTC)
        thumb = study.folder / "thumb.txt"
        return {
            "id": study.id,
            "number": number,
            "state": state,
            "detail": note.detail,
            "priors": len(study.priors),
            "given": given.isoformat(timespec="seconds"),
            "thumb": thumb.read_text() if thumb.is_file() else "",
            **report,
        }

    def sample(self, owner: str, call: SampleWanted) -> dict[str, Any]:
        """Put a synthetic sample on the worklist; the effusion comes with its prior."""
        from imaging.synthetic.files import write_dicom
        from imaging.synthetic.generator import generate
        from imaging.synthetic.shipped import SHIPPED

        def made(name: str) -> bytes:
            """The sample's DICOM file, made once."""
            kept = self._room.settings.cache_dir / "samples" / f"{name}.dcm"
            if not kept.is_file():
                kept.parent.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
                    path = Path(folder) / "sample.dcm"
                    write_dicom(generate(SHIPPED[name]), path)
                    path.replace(kept)
            return kept.read_bytes()

        before = f"{call.name}_prior"
        prior = made(before) if before in SHIPPED else None
        return self._taken(owner, self._room.shelf(owner).add(made(call.name), prior))

    def give(self, owner: str, call: Given) -> dict[str, Any]:
        """Take what was uploaded. A study, or a prior, that cannot be read is not kept.

        Raises `StudyError` where it cannot be read.
        """
        shelf = self._room.shelf(owner)
        prior = self._uploaded(call.prior) if call.prior else None
        if call.study is not None:
            if prior is None:
                raise UserInputError("Choose the file of the prior study.")
            return self._prior_taken(shelf, shelf.get(call.study), prior)
        if call.path is None:
            raise UserInputError("Choose a file: DICOM, a ZIP of DICOMs, PNG or JPEG.")
        kept = self._taken(owner, shelf.add(self._uploaded(call.path)))
        if prior is None:
            return kept
        return self._prior_taken(shelf, shelf.get(kept["study"]), prior)

    def _prior_taken(self, shelf: Shelf, study: ShelvedStudy, content: bytes) -> dict[str, Any]:
        """Keep priors that can be read and can be the study's; the nearest new one is compared."""
        before = {prior.name for prior in study.priors}
        new = [p.name for p in shelf.add_prior(study.id, content).priors if p.name not in before]
        for name in new:
            try:
                self._room.require_prior(study, name)
            except Exception:
                shelf.drop_prior(study.id, study.folder / name)
                raise
        study.choose_prior(new[0])
        return {"study": study.id, "priors": len(new)}

    def _taken(self, owner: str, kept: ShelvedStudy) -> dict[str, Any]:
        try:
            self._film(kept)
        except Exception:
            self._room.remove(owner, kept.id)
            raise
        return {"study": kept.id}

    def _uploaded(self, path: str) -> bytes:
        """A file that was uploaded, and nothing else of this machine; it is read once."""
        from agents.room.shelf import MOST_BYTES

        file = Path(path).resolve()
        if not file.is_relative_to(self._uploads.resolve()) or not file.is_file():
            raise UserInputError("The file did not arrive. Give it again.")
        if file.stat().st_size > MOST_BYTES:
            raise UserInputError(f"The file is larger than {MOST_BYTES >> 20} MB. Give one study.")
        content = file.read_bytes()
        file.unlink(missing_ok=True)
        if file.parent != self._uploads.resolve():
            with contextlib.suppress(OSError):
                file.parent.rmdir()
        return content

    def remove(self, owner: str, call: OfStudy) -> dict[str, Any]:
        """Take a study off the worklist with all that was made of it, unless it is signed."""
        self._room.remove(owner, call.study)
        self._forget(call.study)
        return {}

    def open(self, owner: str, call: OfStudy) -> dict[str, Any]:
        """A study with its film, and its report and conversation where there are any."""
        study = self._of(owner, call)
        return {
            "study": study.id,
            **self._film(study),
            "prior": study.prior is not None,
            "priors": _priors(study),
            "indication": study.indication or "",
            "converses": self._room.settings.llm.converse,
            **self._report(study),
            **self._evidence(study),
            "said": [_turn(said) for said in self._room.said(study)],
        }

    def film(self, owner: str, call: FilmWanted) -> dict[str, Any]:
        """A further film of the study, or one of a prior."""
        return self._film(self._of(owner, call), call.prior, call.number)

    def compare(self, owner: str, call: PriorChosen) -> dict[str, Any]:
        """Compare the study with another of its priors, from the next draft on."""
        study = self._of(owner, call)
        study.choose_prior(call.prior)
        return {"priors": _priors(study), **self._film(study, call.prior)}

    def _film(
        self, study: ShelvedStudy, prior: str | None = None, number: int = 0
    ) -> dict[str, Any]:
        key = (study.id, prior or "", number)
        with self._lock:
            if key in self._films:
                self._films.move_to_end(key)
                return self._films[key]
        images = self._room.films(study, prior)
        if number >= len(images):
            raise UserInputError("The study has no such film.")
        shown = film_view(images[number])
        film = {"film": shown, "views": [image.view.value for image in images]}
        if prior is None and number == 0:
            (study.folder / "thumb.txt").write_text(shown["thumb"])
        with self._lock:
            self._films[key] = film
            while len(self._films) > _FILMS_KEPT:
                self._films.popitem(last=False)
        return film

    def _forget(self, study_id: str) -> None:
        with self._lock:
            for key in [key for key in self._films if key[0] == study_id]:
                del self._films[key]

    def _report(self, study: ShelvedStudy) -> dict[str, Any]:
        if not study.drafted:
            return {"report": None}
        book, draft = self._room.book(study)
        return {"report": report_view(draft, book, study.prior is not None)}

    def _evidence(self, study: ShelvedStudy) -> dict[str, Any]:
        return {"basis": evidence_view(self._room.draft(study)) if study.drafted else None}

    def start(self, owner: str, call: DraftWanted) -> dict[str, Any]:
        """Have the study drafted; `progress` tells how it goes on."""
        study = self._of(owner, call)
        if study.drafted and self._room.draft(study).status is DraftStatus.SIGNED:
            raise UserInputError("The report of this study is signed; it stays as it is.")
        self._room.start_draft(
            study, call.language, indication=" ".join(call.indication.split()) or None
        )
        return {}

    def progress(self, owner: str, call: Since) -> dict[str, Any]:
        """What happened since; waits a little for news."""
        study = self._of(owner, call)
        events, note = self._room.board.since(study.id, call.seen, _PATIENCE)
        note = note or self._room.note(study)
        return {
            "state": note.state.value,
            "over": note.state.over,
            "detail": note.detail,
            "seen": call.seen + len(events),
            "events": [told for event in events if (told := _told(event)) is not None],
        }

    def ask(self, owner: str, call: Asked) -> dict[str, Any]:
        """A question about the study."""
        answer = self._room.ask(self._of(owner, call), call.question, aloud=True)
        return _turn(Said(question=call.question, answer=answer))

    def hearing(self, owner: str, call: Heard) -> dict[str, Any]:
        """What a served model has written of the answer so far; nothing of it is read back yet."""
        study = self._of(owner, call)
        writing = self._room.words.since(study.id, call.seen, _PATIENCE)
        return {"words": writing.words, "seen": writing.changes}

    def point(self, owner: str, call: Pointed) -> dict[str, Any]:
        """What lies in a box of the film."""
        answer = self._room.point(self._of(owner, call), call.box)
        return _turn(Said(question="What is here?", answer=answer))

    def review(self, owner: str, call: ToReview) -> dict[str, Any]:
        """Check a pasted report against the study."""
        outcome = self._room.review(self._of(owner, call), call.report)
        return {
            "items": [
                {
                    **item.model_dump(mode="json"),
                    "finding": item.finding.value.replace("_", " ") if item.finding else None,
                }
                for item in outcome.review.items
            ],
            "questions": list(outcome.questions),
        }

    def edit(self, owner: str, call: Edited) -> dict[str, Any]:
        """Do a person's act on the draft."""
        study = self._of(owner, call)
        self._room.edit(study, call.act)
        return {**self._report(study), **self._evidence(study)}

    def attempt(self, owner: str, call: Edited) -> dict[str, Any]:
        """What an act would bring about; nothing is kept."""
        study = self._of(owner, call)
        book, draft = self._room.book(study)
        language = book.report(draft).language
        notes = book.tried(draft, call.act, study.prior is not None)
        return {"notes": notes_view(notes, language)}

    def undo(self, owner: str, call: OfStudy) -> dict[str, Any]:
        """Take the last act back."""
        study = self._of(owner, call)
        self._room.undo(study)
        return {**self._report(study), **self._evidence(study)}

    def sign(self, owner: str, call: Signed) -> dict[str, Any]:
        """A person takes responsibility; the report can no longer be changed."""
        study = self._of(owner, call)
        signer = " ".join(call.signer.split())
        if not signer:
            raise UserInputError("Write your name to sign.")
        self._room.sign(study, signer)
        return self._report(study)

    def export(self, owner: str, call: Wanted) -> dict[str, Any]:
        """The report as a file of a format."""
        study = self._of(owner, call)
        draft = self._room.draft(study)
        image = self._room.film(study)
        content = export(draft, call.format, image=image, source=study.study)
        kind = FORMATS[call.format]
        return {
            "name": f"report-{draft.study_key[:8]}{kind.suffix}",
            "type": kind.media_type,
            "content": base64.b64encode(content).decode(),
        }


def _priors(study: ShelvedStudy) -> list[dict[str, Any]]:
    chosen = study.prior
    return [
        {
            "name": prior.name,
            "days": prior.days,
            "chosen": chosen is not None and prior.name == chosen.name,
            "drafted": prior.name == study.drafted_with,
        }
        for prior in study.priors
    ]


def _told(event: ProgressEvent) -> dict[str, Any] | None:
    """An event as the page shows it; the stage of all experts together is left out."""
    text = event.sentence or event.pending
    if text:
        section = event.section.value if event.section else ""
        stands = event.sentence is not None
        return {"sentence": text, "section": section, "id": event.sentence_id, "stands": stands}
    if event.node == "experts":
        return None
    name = event.node.removeprefix("experts.").replace("_", " ")
    return {
        "step": name,
        "expert": event.node.startswith("experts."),
        "phase": event.phase.value,
        "seconds": event.seconds,
        "detail": event.detail if event.phase in (Phase.FAILED, Phase.NOTE) else "",
    }


def _turn(said: Said) -> dict[str, Any]:
    answer = said.answer
    edit = answer.edit
    return {
        "question": said.question,
        "answer": _without_notes(answer),
        "language": answer.language.value if answer.language else None,
        "writer": answer.writer,
        "model": answer.model,
        "note": answer.note,
        "evidence": list(answer.evidence),
        "show": list(answer.show or answer.evidence),
        "hide": list(answer.hide),
        "in_scope": answer.in_scope,
        "edit": None
        if edit is None
        else {
            "kind": edit.kind.value,
            "sentence": edit.sentence,
            "text": edit.text,
            "notes": list(edit.notes),
        },
    }


def _without_notes(answer: Answer) -> str:
    """The answer's words without the remarks on its edit, which the page shows by themselves."""
    if answer.edit is None or not answer.edit.notes:
        return answer.text
    said = phrases(answer.language or Language.ENGLISH)
    return answer.text.removesuffix(
        said.say("rechecked", notes=" ".join(answer.edit.notes))
    ).strip()
