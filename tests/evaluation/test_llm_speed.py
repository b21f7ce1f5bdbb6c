"""The bench of the language models: its table, its bars, experts that look once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from click.testing import CliRunner

from agents.aggregator.tasks import worth_rewording
from agents.reconciliation import reconcile
from agents.reporter import LedgerReporter
from evaluation.llm_speed import measure_server
from evaluation.llm_speed_films import FILMS, Remembered, ToldClassifier
from evaluation.llm_speed_table import BatchSpeed, DraftTime, EngineSpeed, SpeedReport
from findings.errors import BackendError
from findings.evidence import Classification, Evidence
from findings.vocabulary import Finding
from imaging.study import Study, StudyImage, View
from reporting.context import ReportContext
from reporting.draft import Writer
from tools.contract import ExpertCard, ExpertContext, Role


def _time(first: float, writing: float, asked: int = 3) -> DraftTime:
    return DraftTime(
        first_sentence=first,
        first_own=None,
        writing=writing,
        from_begin=first + 1,
        asked=asked,
        own=2,
        writer=Writer.EMBEDDED,
    )


def test_every_figure_is_held_to_its_bar() -> None:
    report = SpeedReport(
        threads=2,
        drafts=(_time(1.0, 5.0), _time(9.0, 7.0), _time(3.0, 6.5), _time(0.0, 0.0, asked=0)),
        engine=EngineSpeed(ours=20.0, bare=40.0),
        server=BatchSpeed(
            model="m",
            at_once=8,
            single_per_minute=4.0,
            batch_per_minute=12.0,
            phrased_single_per_minute=40.0,
            phrased_batch_per_minute=60.0,
            sentences=3.0,
            fallen_back=0,
        ),
    )
    found = {line.what: (line.value, line.met) for line in report.lines()}
    assert found == {
        "embedded: first sentence (p50)": (3.0, True),
        "embedded: whole draft's writing (p50)": (6.5, False),
        "embedded: bare engine's tokens/s over ours": (2.0, False),
        "server: 8 drafts at once over one at a time": (3.0, True),
    }
    table = report.markdown()
    assert "| 3.00 × | ≥ 2.5 × | yes |" in table
    assert "20.0 tokens/s under a schema, 40.0 bare" in table
    assert "3.0 sentences asked for each" in table and "phraser: 40.0 and 60.0" in table
    assert SpeedReport.model_validate_json(report.model_dump_json()) == report


def test_a_report_without_a_part_leaves_its_lines_out() -> None:
    report = SpeedReport(threads=1, notes=("The server was not measured: it is not there.",))
    assert report.lines() == ()
    assert "was not measured" in report.markdown()


class _Counting:
    card = ExpertCard(role=Role.CLASSIFIER, name="counting", version="1", licence="none")

    def __init__(self) -> None:
        self.runs = 0

    def installed(self) -> bool:
        return True

    def run(self, study: Study, context: ExpertContext) -> tuple[Evidence, ...]:
        self.runs += 1
        return (
            Classification(
                id="E1",
                expert="counting",
                version="1",
                finding=Finding.NODULE,
                probability=0.5,
                threshold=0.5,
                sensitive_threshold=0.2,
                confident_threshold=0.8,
            ),
        )


def _study(key: str) -> Study:
    pixels = np.zeros((8, 8), dtype=np.float32)
    return Study(images=(StudyImage(display=pixels, view=View.PA, digest=key),), study_key=key)


def test_an_expert_looks_at_each_study_once_however_many_ask() -> None:
    expert = _Counting()
    memory = Remembered(expert)
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: memory.run(_study("ab"[n % 2]), ExpertContext()), range(16))
        )
    assert expert.runs == 2
    assert len({answer[0].id for answer in answers}) == 1
    assert memory.card is expert.card and memory.installed()


def test_the_films_give_a_writer_as_many_sentences_as_real_reports_of_abnormal_films() -> None:
    numbers = []
    for film in FILMS:
        evidence = ToldClassifier({"a": film.told}).run(_study("a"), ExpertContext())
        sections = LedgerReporter().compose(reconcile(evidence), ReportContext())
        numbers.append(sum(worth_rewording(part, s) for part in sections for s in part.sentences))
    hearts = sum(film.ratio > 0.5 for film in FILMS)
    assert numbers == [len(film.told) for film in FILMS]
    assert (sum(numbers) + hearts) / len(FILMS) == 3.0


def test_without_a_server_the_bench_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from agents.settings import LlmSettings, Settings

    class _Bench:
        settings = Settings(llm=LlmSettings(base_url="http://127.0.0.1:9/v1"))

    with pytest.raises(BackendError, match="does not answer"):
        measure_server(_Bench(), 8)  # type: ignore[arg-type]


def test_the_command_tells_what_it_measures() -> None:
    from ui.cli.bench import bench

    shown = CliRunner().invoke(bench, ["llm", "--help"])
    assert shown.exit_code == 0 and "--at-once" in shown.output
