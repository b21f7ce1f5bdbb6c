"""The page: worklist, film and draft, conversation, review, sign-off; one room behind it."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Final

import gradio as gr

from agents.events import Phase, ProgressEvent
from agents.room import Room, Shelf, ShelvedStudy, StudyState
from findings.errors import ReadingRoomError
from findings.vocabulary import Language
from ui.web.film import film_view

NOTICE: Final = "Research use only. Not a medical device. Drafts are unverified until signed."
_SUGGESTED: Final = (
    "What do you see?",
    "How big is the heart?",
    "Is there a pneumothorax?",
    "Why is the heart called enlarged?",
    "What did each expert say?",
)
_SAMPLES: Final = ("normal", "cardiomegaly", "effusion", "nodule", "opacity_and_line")
_STATES: Final = {
    StudyState.NEW: "new",
    StudyState.QUEUED: "waiting",
    StudyState.DRAFTING: "being drafted",
    StudyState.DRAFTED: "drafted",
    StudyState.REFUSED: "refused",
    StudyState.FAILED: "failed",
}
_CSS: Final = """
.gradio-container { max-width: none !important; padding: 10px 18px !important; }
#notice p { color: #9aa7b3; font-size: 12.5px; margin: 0; }
#progress { font-size: 13px; min-height: 20em; }
footer { display: none !important; }
"""


def theme() -> gr.themes.Base:
    """Dark and calm; system fonts, since none is fetched."""
    return gr.themes.Base(
        primary_hue="sky",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )


def css() -> str:
    """The page's own rules."""
    return _CSS


def _asset(name: str) -> str:
    return resources.files("ui.web").joinpath("assets", name).read_text("utf-8")


class _Page:
    """What the page's events do. Texts from studies reach the page as text only."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def enter(self, owner: str) -> tuple[str, Any]:
        """A browser comes in, for the first time or again; its studies."""
        owner = owner or secrets.token_urlsafe(24)
        return owner, self._worklist(owner)

    def _shelf(self, owner: str) -> Shelf:
        if not owner:
            raise gr.Error("The page is still loading. Try again in a moment.")
        return self._room.shelf(owner)

    def _worklist(self, owner: str, chosen: str | None = None) -> Any:
        studies = self._shelf(owner).all()
        choices = [
            (f"Study {number}: {_STATES[self._room.note(study).state]}", study.id)
            for number, study in enumerate(studies, start=1)
        ]
        return gr.update(choices=choices, value=chosen)

    def give(self, owner: str, study: str | None, prior: str | None) -> tuple[Any, Any, Any]:
        """A study was dropped, with or without its prior."""
        if not study:
            raise gr.Error("Drop a study first.")
        with _told():
            before = Path(prior).read_bytes() if prior else None
            kept = self._shelf(owner).add(Path(study).read_bytes(), before)
        return self._worklist(owner, kept.id), None, None

    def sample(self, owner: str, name: str) -> Any:
        """Put a synthetic sample on the worklist."""
        from imaging.synthetic.files import write_dicom
        from imaging.synthetic.generator import generate
        from imaging.synthetic.shipped import SHIPPED

        with tempfile.TemporaryDirectory() as folder, _told():
            path = Path(folder) / "sample.dcm"
            write_dicom(generate(SHIPPED[name]), path)
            kept = self._shelf(owner).add(path.read_bytes())
        return self._worklist(owner, kept.id)

    def choose(self, owner: str, study_id: str | None) -> tuple[Any, str, list[Any]]:
        """A study of the worklist was chosen: its draft, if there is one."""
        if not study_id:
            return {}, "", []
        with _told():
            study = self._shelf(owner).get(study_id)
            note = self._room.note(study)
            shown = self._shown(study) if study.drafted else {}
        return shown, note.detail, []

    def _shown(self, study: ShelvedStudy) -> dict[str, Any]:
        from imaging.loading import load_study

        return film_view(self._room.draft(study), load_study(study.study).frontal)

    def draft(
        self, owner: str, study_id: str | None, language: str
    ) -> Iterator[tuple[str, Any, Any]]:
        """Have the study drafted; progress as it comes, then the draft."""
        if not study_id:
            raise gr.Error("Choose a study first.")
        with _told():
            study = self._shelf(owner).get(study_id)
            self._room.start_draft(study, Language(language))
        lines: list[str] = []
        for event in self._room.board.watch(study.id, patience=1.0):
            if event is not None and (line := _line(event)):
                lines.append(line)
            yield "\n".join(lines), gr.skip(), gr.skip()
        note = self._room.note(study)
        if note.state is not StudyState.DRAFTED:
            lines.append(f"{_STATES[note.state].capitalize()}: {note.detail}")
            yield "\n".join(lines), {}, self._worklist(owner, study_id)
            return
        yield "\n".join(lines), self._shown(study), self._worklist(owner, study_id)

    def ask(
        self, owner: str, study_id: str | None, question: str, said: list[Any], film: Any
    ) -> tuple[list[Any], str, Any]:
        """A question about the chosen study; what it shows is drawn on the film."""
        if not study_id or not question.strip():
            return said, question, gr.skip()
        with _told():
            answer = self._room.ask(self._shelf(owner).get(study_id), question)
        cited = f"\n[{' '.join(answer.evidence)}]" if answer.evidence else ""
        turns = [
            *said,
            {"role": "user", "content": question},
            {"role": "assistant", "content": f"{answer.text}{cited}"},
        ]
        drawn = answer.show or answer.evidence
        shown = {**film, "show": list(drawn)} if film and drawn else gr.skip()
        return turns, "", shown

    def review(self, owner: str, study_id: str | None, report: str) -> list[list[str]]:
        """Check a pasted report against the chosen study."""
        if not study_id or not report.strip():
            raise gr.Error("Choose a study and paste the report.")
        with _told():
            outcome = self._room.review(self._shelf(owner).get(study_id), report)
        return [
            [
                item.type.value.replace("_", " "),
                item.severity.value,
                " ".join(w.replace("_", " ") for w in (item.side, item.finding) if w),
                item.sentence or "",
                " ".join(item.evidence),
                item.suggestion or item.reason,
            ]
            for item in outcome.review.items
        ]

    def sign(self, owner: str, study_id: str | None, signer: str) -> tuple[Any, str]:
        """A person takes responsibility for the draft; it can no longer be changed."""
        if not study_id or not signer.strip():
            raise gr.Error("Choose a drafted study and write your name.")
        with _told():
            study = self._shelf(owner).get(study_id)
            self._room.sign(study, signer.strip())
        return self._shown(study), "Signed. The report is final and its audit log is closed."


class _told:  # noqa: N801 - reads as a word where it is used
    """Turns the application's errors into the page's messages; a fault stays a fault."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ReadingRoomError):
            raise gr.Error(str(error)) from error


def _line(event: ProgressEvent) -> str | None:
    if event.sentence:
        return f"    {event.sentence}"
    if event.node == "experts":
        return None
    name = event.node.removeprefix("experts.").replace("_", " ")
    if event.phase is Phase.FINISHED and event.seconds is not None:
        return f"✓ {name}  {event.seconds:.2f} s"
    if event.phase is Phase.FAILED or (event.phase is Phase.NOTE and event.detail):
        return f"· {name}: {event.detail}"
    return None


def build_page(room: Room, secret: str) -> gr.Blocks:
    """The page on a room. `secret` seals what the browser keeps: which studies are its own."""
    acts = _Page(room)
    page: gr.Blocks
    with gr.Blocks(title="Reading Room", analytics_enabled=False, fill_width=True) as page:
        owner = gr.BrowserState("", storage_key="reading-room-owner", secret=secret)
        with gr.Row(equal_height=True):
            gr.Markdown("## Reading Room")
            gr.Markdown(NOTICE, elem_id="notice")
        with gr.Row():
            with gr.Column(scale=1, min_width=230):
                worklist = gr.Radio([], label="Worklist", elem_id="worklist")
                language = gr.Radio(
                    [("English", "en"), ("Español", "es")], value="en", label="Report in"
                )
                go = gr.Button("Draft", variant="primary", elem_id="draft")
                progress = gr.Textbox(
                    label="Progress", lines=8, max_lines=14, elem_id="progress", autoscroll=True
                )
                with gr.Accordion("Give a study", open=True):
                    study = gr.File(label="DICOM, ZIP, PNG or JPEG", height=110, elem_id="give")
                    prior = gr.File(label="Prior study (optional)", height=90)
                    add = gr.Button("Add to worklist")
                    name = gr.Dropdown(list(_SAMPLES), value="cardiomegaly", label="Or a sample")
                    sample = gr.Button("Add sample", elem_id="sample")
            with gr.Column(scale=5):
                film = gr.HTML(
                    {},
                    html_template=_asset("viewer.html"),
                    css_template=_asset("viewer.css"),
                    js_on_load=_asset("viewer.js"),
                    apply_default_css=False,
                    elem_id="film",
                )
                with gr.Tabs():
                    with gr.Tab("Ask"):
                        said = gr.Chatbot(
                            height=260,
                            show_label=False,
                            render_markdown=False,
                            buttons=["copy"],
                            elem_id="said",
                        )
                        question = gr.Textbox(
                            placeholder="Ask about this study, in English or Spanish",
                            show_label=False,
                            elem_id="question",
                        )
                        gr.Examples([[text] for text in _SUGGESTED], [question], label="Try")
                    with gr.Tab("Review a report"):
                        report = gr.Textbox(lines=5, label="Paste the report", elem_id="report")
                        check = gr.Button("Check")
                        table = gr.Dataframe(
                            headers=[
                                "what",
                                "severity",
                                "finding",
                                "report",
                                "evidence",
                                "proposed",
                            ],
                            datatype="str",
                            interactive=False,
                            wrap=True,
                        )
                    with gr.Tab("Sign"):
                        gr.Markdown("Signing takes responsibility for the draft and closes it.")
                        signer = gr.Textbox(label="Your name", elem_id="signer")
                        sign = gr.Button("Sign", variant="stop")
                        signed = gr.Textbox(show_label=False, interactive=False)
        page.load(acts.enter, owner, [owner, worklist])
        add.click(acts.give, [owner, study, prior], [worklist, study, prior])
        sample.click(acts.sample, [owner, name], worklist)
        worklist.change(acts.choose, [owner, worklist], [film, progress, said])
        go.click(acts.draft, [owner, worklist, language], [progress, film, worklist])
        question.submit(acts.ask, [owner, worklist, question, said, film], [said, question, film])
        check.click(acts.review, [owner, worklist, report], table)
        sign.click(acts.sign, [owner, worklist, signer], [film, signed])
    return page
