"""The whole-report form: ids by enumeration, sentences laid beside the plan, a second reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fakes import ScriptedBackend, broken, fake_services, fake_settings

from agents.aggregator.contract import ReportBackend, ReportTask, RewordingTask, SecondReader
from agents.aggregator.prompt import load_reading_prompt, load_report_prompt
from agents.aggregator.report import MAX_ANSWER_CHARACTERS, parse_report, report_schema
from agents.aggregator.second_reader import ModelReader
from agents.drafting import DraftOptions, draft_study
from agents.wiring import second_reader
from findings.claims import Claim
from findings.errors import BackendError
from findings.vocabulary import Finding, Language, Polarity, Side
from reporting.draft import Draft, DraftStatus, ModelUse, Origin, SectionName, Writer
from reporting.read_back import DifferenceType

Answer = dict[str, list[dict[str, Any]]]


class ReportWriter(ScriptedBackend):
    """A served model that answers with the plan's own sentences, changed by a script."""

    def __init__(
        self,
        change: Callable[[Answer], object] = lambda answer: None,
        script: Callable[[RewordingTask], str] = lambda task: task.sentence,
    ) -> None:
        super().__init__(script, Writer.VLLM)
        self._change = change
        self.reports: list[ReportTask] = []

    def write_report(self, task: ReportTask, seconds: float) -> str:
        self.reports.append(task)
        answer: Answer = {}
        for point in task.points:
            answer.setdefault(point.section.value, []).append(
                {
                    "claims": list(point.entries),
                    "evidence": list(point.evidence),
                    "text": point.sentence,
                }
            )
        jsonschema.validate(answer, report_schema(task))
        changed = self._change(answer)
        return changed if isinstance(changed, str) else json.dumps(answer)


def drafted(
    film: Path, *backends: ScriptedBackend, reader: SecondReader | None = None, form: str = "report"
) -> Draft:
    settings = fake_settings(film.parent)
    llm = settings.llm.model_copy(update={"form": form})
    services = replace(fake_services(backends=backends), second_reader=reader)
    options = DraftOptions(out=film.parent / "out", aggregator="vllm")
    given = settings.model_copy(update={"llm": llm})
    return draft_study(film, options, given, None, services).draft


def about(answer: Answer, word: str) -> dict[str, Any]:
    return next(one for one in answer["findings"] if word in one["text"])


def texts(draft: Draft) -> list[str]:
    return [s.text for s in draft.section(SectionName.FINDINGS).sentences]


def test_a_faithful_report_is_taken_whole(film: Path) -> None:
    writer = ReportWriter(
        lambda answer: about(answer, "effusion").update(text="A left pleural effusion is seen.")
    )
    draft = drafted(film, writer)
    assert isinstance(writer, ReportBackend)
    assert draft.writer is Writer.VLLM and draft.status is DraftStatus.VERIFIED
    assert "A left pleural effusion is seen." in texts(draft)
    claimed = [s for s in draft.sentences() if s.claims]
    assert claimed and all(s.origin is Origin.MODEL and s.evidence for s in claimed)
    assert not writer.tasks and not draft.counts.differences


def test_sentences_may_be_joined(film: Path) -> None:
    def join(answer: Answer) -> None:
        effusion, heart = about(answer, "effusion"), about(answer, "cardiothoracic")
        heart["text"] = (
            "There is mild cardiomegaly (cardiothoracic ratio 0.54) and a left pleural effusion."
        )
        heart["claims"] += effusion["claims"]
        heart["evidence"] += effusion["evidence"]
        answer["findings"].remove(effusion)

    plain = drafted(film, form="sentence")
    draft = drafted(film, ReportWriter(join))
    assert draft.status is DraftStatus.VERIFIED
    assert len(texts(draft)) == len(texts(plain)) - 1
    joined = next(s for s in draft.sentences() if "0.54" in s.text)
    assert {claim.finding for claim in joined.claims} == {
        Finding.CARDIOMEGALY,
        Finding.PLEURAL_EFFUSION,
    }


def cite_strangers(answer: Answer) -> None:
    about(answer, "effusion")["evidence"] = ["E99"]


def swap_side(answer: Answer) -> None:
    about(answer, "effusion")["text"] = "There is a right pleural effusion."


def leave_out(answer: Answer) -> None:
    answer["findings"].remove(about(answer, "effusion"))


def invent(answer: Answer) -> None:
    answer["findings"].append(
        {"claims": ["L77"], "evidence": ["E1"], "text": "There is a lung mass."}
    )


@pytest.mark.parametrize(
    ("change", "kind", "asked"),
    [
        (cite_strangers, DifferenceType.EVIDENCE, 1),
        (swap_side, DifferenceType.SIDE, 1),
        (leave_out, DifferenceType.DROPPED, 0),
        (invent, DifferenceType.ADDED, 0),
    ],
)
def test_what_is_wrong_is_counted_and_only_that_is_mended(
    film: Path, change: Callable[[Answer], None], kind: DifferenceType, asked: int
) -> None:
    writer = ReportWriter(change)
    draft = drafted(film, writer)
    plain = drafted(film, form="sentence")
    assert draft.status is DraftStatus.VERIFIED
    assert draft.counts.differences[kind] == 1
    assert texts(draft) == texts(plain)
    assert len(writer.tasks) == asked
    assert draft.counts.repairs == asked
    if asked:
        assert writer.tasks[0].rejected is not None and writer.tasks[0].complaint is not None


@pytest.mark.parametrize(
    "answer", ["", "no", "[]", '{"findings": {}}', "[" * 100_000, "x" * MAX_ANSWER_CHARACTERS * 2]
)
def test_what_is_no_report_leaves_the_phrasers(film: Path, answer: str) -> None:
    draft = drafted(film, ReportWriter(lambda _: answer))
    assert draft.counts.ill_formed == 1
    assert draft.writer is Writer.PHRASER and draft.status is DraftStatus.VERIFIED


def test_a_server_that_breaks_down_is_followed_by_sentences_of_the_next(film: Path) -> None:
    def fail(answer: Answer) -> str:
        raise BackendError("It cannot be reached.")

    embedded = ScriptedBackend(lambda task: task.sentence)
    draft = drafted(film, ReportWriter(fail), embedded)
    assert draft.writer is Writer.EMBEDDED and embedded.tasks
    assert any("vllm writer was left out" in warning for warning in draft.warnings)
    assert drafted(film, ReportWriter(fail, broken)).writer is Writer.PHRASER


def test_the_schema_lets_only_planned_ids_be_named(film: Path) -> None:
    writer = ReportWriter()
    drafted(film, writer)
    [task] = writer.reports
    schema = report_schema(task)
    jsonschema.Draft202012Validator.check_schema(schema)
    entries = {key for point in task.points for key in point.entries}
    named = schema["properties"]["findings"]["items"]["properties"]["claims"]["items"]["enum"]
    assert set(named) <= entries and named
    prompt = load_report_prompt()
    assert prompt.response_format(task)["json_schema"]["schema"] == schema
    _, question = prompt.messages(task)
    assert set(json.loads(question.text)) <= {"language", "points", "wording"}
    assert parse_report("{}", task) is None


# --- the second reader ---------------------------------------------------------------------------


class Reader:
    def __init__(self, *claims: Claim, error: bool = False) -> None:
        self._claims, self._error = claims, error
        self.model = ModelUse(role="second_reader", name="second", version="1", licence="none")
        self.asked: list[str] = []

    def read(self, text: str, language: Language, seconds: float) -> tuple[Claim, ...]:
        self.asked.append(text)
        if self._error:
            raise BackendError("It cannot be reached.")
        return self._claims


def test_a_second_reader_can_object(film: Path) -> None:
    reader = Reader(Claim(finding=Finding.PLEURAL_EFFUSION, side=Side.RIGHT))
    draft = drafted(
        film, ScriptedBackend(lambda t: t.sentence, Writer.VLLM), reader=reader, form="sentence"
    )
    assert reader.asked and draft.counts.fallbacks == 2
    assert draft.writer is Writer.PHRASER and draft.status is DraftStatus.VERIFIED
    assert "second" in [model.name for model in draft.models]


def test_a_second_reader_that_fails_is_asked_once(film: Path) -> None:
    reader = Reader(error=True)
    draft = drafted(
        film, ScriptedBackend(lambda t: t.sentence, Writer.VLLM), reader=reader, form="sentence"
    )
    assert len(reader.asked) == 1 and draft.counts.fallbacks == 0
    assert any("second reader was left out" in warning for warning in draft.warnings)


class Answering:
    model = ModelUse(role="aggregator", name="served", version="1", licence="none")

    def __init__(self, answer: str) -> None:
        self._answer = answer
        self.formats: list[dict[str, Any]] = []

    def answer(self, messages: object, response_format: dict[str, Any], **limits: object) -> str:
        self.formats.append(response_format)
        return self._answer


def test_the_model_reader_reads_claims_under_its_schema() -> None:
    said = {"claims": [{"finding": "mass", "polarity": "absent", "side": "left"}]}
    model = Answering(json.dumps(said))
    reader = ModelReader(model, load_reading_prompt())
    claim = Claim(finding=Finding.MASS, polarity=Polarity.ABSENT, side=Side.LEFT)
    assert reader.read("No left lung mass.", Language.ENGLISH, 1.0) == (claim,)
    assert reader.model.role == "second_reader"
    jsonschema.validate(said, model.formats[0]["json_schema"]["schema"])


@pytest.mark.parametrize("answer", ["", "{}", '{"claims": [{"finding": "cat"}]}', '{"claims": 3}'])
def test_an_unusable_reading_is_a_backend_error(answer: str) -> None:
    with pytest.raises(BackendError):
        ModelReader(Answering(answer), load_reading_prompt()).read("x", Language.ENGLISH, 1.0)


def test_the_second_reader_is_off_unless_it_is_asked_for(tmp_path: Path) -> None:
    settings = fake_settings(tmp_path)
    assert second_reader(settings) is None
    wanted = settings.model_copy(
        update={"llm": settings.llm.model_copy(update={"second_reader": True})}
    )
    reader = second_reader(wanted)
    assert reader is not None and reader.model.role == "second_reader"
