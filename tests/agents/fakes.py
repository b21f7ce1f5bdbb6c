"""Small collaborators for tests of the graph: experts, gate, loader and language models."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from agents.aggregator.contract import RewordingBackend, RewordingTask
from agents.reporter import LedgerReporter
from agents.services import NeighbourSource, Services
from agents.settings import ExpertSettings, LlmSettings, Settings
from findings.claims import Measurement
from findings.errors import BackendError
from findings.evidence import Classification, Detection, Evidence, MeasurementEvidence
from findings.regions import Region
from findings.vocabulary import Finding, Polarity, Side
from imaging.study import GateDecision, GateReason, GateResult, Study, StudyImage, View
from reporting.draft import ModelUse, Writer
from tools.contract import ExpertCard, ExpertContext, Role

REQUIRED = (
    Finding.CARDIOMEGALY,
    Finding.PLEURAL_EFFUSION,
    Finding.PNEUMOTHORAX,
    Finding.CONSOLIDATION,
    Finding.EDEMA,
    Finding.ATELECTASIS,
    Finding.NODULE,
    Finding.MASS,
)


def fake_settings(folder: Path, limit: float = 30.0, max_repairs: int = 2) -> Settings:
    return Settings(
        cache_dir=folder / "cache",
        experts=ExpertSettings(time_limit_seconds=limit),
        llm=LlmSettings(max_repairs=max_repairs),
    )


def fake_loader(
    path: Path,
    *,
    indication: str | None = None,
    prior: Path | None = None,
    prior_report: str | None = None,
) -> Study:
    """A study whose pixels are the bytes of the file."""

    def one(file: Path) -> tuple[StudyImage, str]:
        raw = np.frombuffer(file.read_bytes().ljust(4096, b"\0")[:4096], dtype=np.uint8)
        pixels = (raw.reshape(64, 64) / 255.0).astype(np.float32)
        key = hashlib.sha256(raw.tobytes()).hexdigest()[:16]
        return StudyImage(display=pixels, view=View.PA, digest=key), key

    image, key = one(path)
    earlier = None
    if prior is not None:
        prior_image, prior_key = one(prior)
        earlier = Study(images=(prior_image,), study_key=prior_key)
    return Study(
        images=(image,),
        study_key=key,
        indication=indication,
        prior=earlier,
        prior_report=prior_report,
    )


class FakeGate:
    def __init__(self, decision: GateDecision = GateDecision.ACCEPT) -> None:
        self.decision = decision

    def examine(self, study: Study) -> GateResult:
        if self.decision is GateDecision.ACCEPT:
            return GateResult(decision=self.decision)
        reason = GateReason(code="hand", text="It shows a hand.", severity=self.decision)
        return GateResult(decision=self.decision, reasons=(reason,))


class FakeExpert:
    """An expert that answers with fixed evidence, after a while, or not at all."""

    def __init__(
        self,
        role: Role,
        evidence: Iterable[Evidence] = (),
        *,
        needs: tuple[Role, ...] = (),
        seconds: float = 0.0,
        error: Exception | None = None,
        installed: bool = True,
        on_run: Callable[[ExpertContext], None] | None = None,
    ) -> None:
        self.card = ExpertCard(
            role=role, name=f"fake-{role.value}", version="1", licence="Apache-2.0", needs=needs
        )
        self._evidence, self._seconds, self._error = tuple(evidence), seconds, error
        self._installed, self._on_run = installed, on_run
        self.runs: list[tuple[float, float]] = []
        self.threads: set[str] = set()

    def installed(self) -> bool:
        return self._installed

    def run(self, study: Study, context: ExpertContext) -> tuple[Evidence, ...]:
        started = time.perf_counter()
        self.threads.add(threading.current_thread().name)
        if self._on_run is not None:
            self._on_run(context)
        time.sleep(self._seconds)
        self.runs.append((started, time.perf_counter()))
        if self._error is not None:
            raise self._error
        return self._evidence


def classifications(positive: dict[Finding, float]) -> tuple[Classification, ...]:
    """A classifier's answer: the required findings absent, but for those given."""
    probabilities = dict.fromkeys(REQUIRED, 0.02) | positive
    return tuple(
        Classification(
            id=f"E{number}",
            expert="fake-classifier",
            version="1",
            finding=finding,
            probability=probability,
            threshold=0.5,
            sensitive_threshold=0.2,
            confident_threshold=0.8,
        )
        for number, (finding, probability) in enumerate(probabilities.items(), start=1)
    )


def effusion_box(side: Side = Side.LEFT) -> Detection:
    region = Region.LEFT_LOWER_ZONE if side is Side.LEFT else Region.RIGHT_LOWER_ZONE
    return Detection(
        id="E1",
        expert="fake-detector",
        version="1",
        finding=Finding.PLEURAL_EFFUSION,
        probability=0.9,
        box=(40, 40, 60, 60),
        side=side,
        region=region,
    )


def heart_ratio(value: float) -> MeasurementEvidence:
    return MeasurementEvidence(
        id="E1",
        expert="fake-measurer",
        version="1",
        finding=Finding.CARDIOMEGALY,
        polarity=Polarity.PRESENT if value > 0.5 else Polarity.ABSENT,
        measurement=Measurement(name="cardiothoracic_ratio", value=value, unit="1"),
    )


def default_experts() -> dict[Role, FakeExpert]:
    positive = {Finding.PLEURAL_EFFUSION: 0.9, Finding.CARDIOMEGALY: 0.85}
    return {
        Role.CLASSIFIER: FakeExpert(Role.CLASSIFIER, classifications(positive)),
        Role.DETECTOR: FakeExpert(Role.DETECTOR, [effusion_box()]),
        Role.SEGMENTER: FakeExpert(Role.SEGMENTER),
        Role.CLUES: FakeExpert(Role.CLUES, installed=False),
        Role.MEASURER: FakeExpert(Role.MEASURER, [heart_ratio(0.54)], needs=(Role.SEGMENTER,)),
    }


def fake_services(
    experts: dict[Role, FakeExpert] | None = None,
    *,
    gate: FakeGate | None = None,
    backends: Sequence[RewordingBackend] = (),
    neighbours: NeighbourSource | None = None,
) -> Services:
    return Services(
        load_study=fake_loader,
        gate=gate or FakeGate(),
        experts=default_experts() if experts is None else experts,  # type: ignore[arg-type]
        reporter=LedgerReporter(),
        neighbours=neighbours,
        backends=backends,
    )


class ScriptedBackend:
    """A language model that says what a script tells it to."""

    def __init__(
        self,
        script: Callable[[RewordingTask], str],
        writer: Writer = Writer.EMBEDDED,
        max_sentences: int = 8,
    ) -> None:
        self._script = script
        self.writer = writer
        self.model = ModelUse(
            role="aggregator", name=f"scripted-{writer.value}", version="1", licence="none"
        )
        self.max_sentences = max_sentences
        self.seconds = 300.0
        self.tasks: list[RewordingTask] = []
        self.prepared = False

    def prepare(self) -> None:
        self.prepared = True

    def reword(self, task: RewordingTask, seconds: float) -> str:
        self.tasks.append(task)
        return self._script(task)


def broken(task: RewordingTask) -> str:
    raise BackendError("It cannot be reached.")
