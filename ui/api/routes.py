"""The requests that the room answers under `/v1`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, File, Request, UploadFile
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from pydantic import WithJsonSchema

from agents.room import Room, ShelvedStudy, StudyState
from findings.errors import UserInputError
from reporting.draft import Draft
from reporting.files import OVERLAY_FILE
from ui.api.chat import complete, models
from ui.api.refusal import CONFLICT, NOT_FOUND, Refusal
from ui.api.shapes import (
    AnswerOut,
    ChatIn,
    DraftIn,
    EditedOut,
    EditIn,
    ErrorOut,
    QuestionIn,
    ReportIn,
    ReviewOut,
    StudiesOut,
    StudyOut,
    person_act,
)

_OF_A_STUDY: Final[dict[int | str, dict[str, Any]]] = {
    NOT_FOUND: {"model": ErrorOut, "description": "You have no study of that id."},
    CONFLICT: {"model": ErrorOut, "description": "The study is not in a state for this."},
}

router = APIRouter(prefix="/v1")


def room_of(request: Request) -> Room:
    """The room that the application was made on."""
    room: Room = request.app.state.room
    return room


def owner_of(request: Request) -> str:
    """Who asks, as the guard found out."""
    owner: str = request.state.owner
    return owner


# Left out of a form, never null in it: so it is described as the file that it is.
Prior = Annotated[
    UploadFile | None,
    File(description="the prior study"),
    WithJsonSchema({"type": "string", "contentMediaType": "application/octet-stream"}),
]
TheRoom = Annotated[Room, Depends(room_of)]
Owner = Annotated[str, Depends(owner_of)]


def study_of(study_id: str, room: TheRoom, owner: Owner) -> ShelvedStudy:
    """The owner's study of that id."""
    try:
        return room.shelf(owner).get(study_id)
    except UserInputError as error:
        raise Refusal(NOT_FOUND, str(error)) from None


Study = Annotated[ShelvedStudy, Depends(study_of)]


def drafted_study_of(study: Study) -> ShelvedStudy:
    """The same, where it has a draft."""
    if not study.drafted:
        raise Refusal(CONFLICT, "This study has no draft yet. Start one and wait for its end.")
    return study


Drafted = Annotated[ShelvedStudy, Depends(drafted_study_of)]


def _shown(room: Room, study: ShelvedStudy) -> StudyOut:
    note = room.note(study)
    return StudyOut(id=study.id, state=note.state, detail=note.detail)


@router.get("/studies")
def list_studies(room: TheRoom, owner: Owner) -> StudiesOut:
    """Your studies, the oldest first."""
    return StudiesOut(studies=tuple(_shown(room, study) for study in room.shelf(owner).all()))


@router.post("/studies", status_code=201)
def add_study(
    room: TheRoom,
    owner: Owner,
    study: Annotated[UploadFile, File(description="DICOM, ZIP of DICOMs, PNG or JPEG")],
    prior: Prior = None,
) -> StudyOut:
    """Give a study. Its file name is not kept."""
    before = prior.file.read() if prior is not None else None
    return _shown(room, room.shelf(owner).add(study.file.read(), before))


@router.get("/studies/{study_id}", responses=_OF_A_STUDY)
def get_study(room: TheRoom, study: Study) -> StudyOut:
    """How far a study is."""
    return _shown(room, study)


@router.delete("/studies/{study_id}", status_code=204, responses=_OF_A_STUDY)
def remove_study(room: TheRoom, study: Study, owner: Owner) -> None:
    """Remove a study with its draft, unless its report is signed."""
    try:
        room.remove(owner, study.id)
    except UserInputError as error:
        raise Refusal(CONFLICT, str(error)) from None


@router.post("/studies/{study_id}/draft", status_code=202, responses=_OF_A_STUDY)
def start_draft(room: TheRoom, study: Study, wanted: DraftIn) -> StudyOut:
    """Have a draft made in the background; follow it by its events."""
    try:
        room.start_draft(study, wanted.language, wanted.aggregator, wanted.indication)
    except UserInputError as error:
        raise Refusal(CONFLICT, str(error)) from None
    return _shown(room, study)


@router.get("/studies/{study_id}/draft", responses=_OF_A_STUDY)
def get_draft(room: TheRoom, study: Drafted) -> Draft:
    """The draft with its evidence."""
    return room.draft(study)


@router.get(
    "/studies/{study_id}/overlay.png",
    response_class=FileResponse,
    responses={200: {"content": {"image/png": {}}}, **_OF_A_STUDY},
)
def get_overlay(study: Drafted) -> FileResponse:
    """The film with outlines, boxes and measurement lines."""
    return FileResponse(study.draft_folder / OVERLAY_FILE, media_type="image/png")


@router.get(
    "/studies/{study_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **_OF_A_STUDY},
)
def get_events(room: TheRoom, study: Study) -> StreamingResponse:
    """Progress of the draft as server-sent events; the last one is named `end`."""
    headers = {"Cache-Control": "no-store"}
    return StreamingResponse(_events(room, study), media_type="text/event-stream", headers=headers)


def _events(room: Room, study: ShelvedStudy) -> Iterator[str]:
    for event in room.board.watch(study.id):
        if event is None:
            yield ": still at work\n\n"
        else:
            yield f"event: progress\ndata: {event.model_dump_json()}\n\n"
    yield f"event: end\ndata: {json.dumps(room.note(study).model_dump(mode='json'))}\n\n"


@router.post("/studies/{study_id}/edits", responses=_OF_A_STUDY)
def edit(room: TheRoom, study: Drafted, act: EditIn) -> EditedOut:
    """Do a person's act on the draft: accept, reject, reword, add. Kept, read back, audited.

    Nothing is blocked: what contradicts the evidence is noted, and the report is then no longer
    verified.
    """
    wanted = person_act(act)
    try:
        room.edit(study, wanted)
    except UserInputError as error:
        raise Refusal(CONFLICT, str(error)) from None
    return _edited(room, study)


@router.delete("/studies/{study_id}/edits/last", responses=_OF_A_STUDY)
def undo(room: TheRoom, study: Drafted) -> EditedOut:
    """Take the last act on the draft back."""
    try:
        room.undo(study)
    except UserInputError as error:
        raise Refusal(CONFLICT, str(error)) from None
    return _edited(room, study)


def _edited(room: Room, study: ShelvedStudy) -> EditedOut:
    book, draft = room.book(study)
    return EditedOut(
        status=draft.status,
        sections=draft.sections,
        notes=book.notes(draft, study.prior is not None),
    )


@router.post("/studies/{study_id}/ask", responses=_OF_A_STUDY)
def ask(room: TheRoom, study: Drafted, asked: QuestionIn) -> AnswerOut:
    """Answer a question about the study from its draft's evidence."""
    answer = room.ask(study, asked.question, asked.thread, asked.language)
    return AnswerOut(answer=answer.text, details=answer)


@router.post("/studies/{study_id}/review", responses=_OF_A_STUDY)
def review(room: TheRoom, study: Study, given: ReportIn) -> ReviewOut:
    """Check a report against the experts, the prior and similar reports."""
    outcome = room.review(study, given.report, given.language)
    return ReviewOut(
        language=outcome.report.language,
        items=outcome.review.items,
        questions=outcome.questions,
    )


@router.get("/models")
def list_models(room: TheRoom, owner: Owner) -> JSONResponse:
    """Your drafted studies, as models of an OpenAI-style client."""
    drafted = [s for s in room.shelf(owner).all() if room.note(s).state is StudyState.DRAFTED]
    return JSONResponse(models([study.id for study in drafted]))


@router.post(
    "/chat/completions",
    response_class=JSONResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **_OF_A_STUDY},
)
def chat(room: TheRoom, owner: Owner, wanted: ChatIn) -> Response:
    """An OpenAI-style chat about one drafted study: model `readingroom:STUDY_ID`."""
    study = drafted_study_of(study_of(wanted.model.removeprefix("readingroom:"), room, owner))
    return complete(room, study, wanted, int(time.time()))
