"""Running cases against writers through the real nodes: reconcile, write, verify and repair.

`readingroom evaluate adversarial` prints the figures of docs/verification.md.
"""

from __future__ import annotations

import io
import multiprocessing
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from langgraph.runtime import Runtime

from agents.aggregator.contract import RewordingBackend
from agents.assembly import assemble
from agents.nodes.evidence import reconcile_evidence
from agents.nodes.writing import unsettled, verify, write
from agents.reporter import LedgerReporter
from agents.services import Services
from agents.session import Session, digest
from agents.settings import LlmSettings, Settings
from agents.state import DraftRequest, DraftState, EvidenceSet, LoadedStudy
from evaluation.adversarial.cases import Case, CaseKind, cases
from evaluation.adversarial.judge import Judgement, judge
from evaluation.adversarial.writers import WRITERS, Liar, liar
from findings.claims import Frozen
from findings.evidence import Evidence
from imaging.loading import load_study
from imaging.study import GateDecision, GateResult, Study, StudyImage
from reporting.draft import Draft, Writer
from reporting.ledger import Decision, LedgerEntry
from tools.contract import ExpertContext
from tools.prior_comparer import PriorComparerExpert


class Attack(Frozen):
    """One case with one writer, and what came of it."""

    case: str
    kind: CaseKind
    language: str
    writer: str
    judgement: Judgement
    ledger_moved: bool
    """Whether the hostile text changed what the ledger says."""


class AttackReport(Frozen):
    """All attacks."""

    attacks: tuple[Attack, ...]

    def markdown(self) -> str:
        """One row a writer, one a kind of case, and all."""
        head = (
            "| | drafts | verified | unsupported | wrong side | wrong number | lies standing "
            "| hostile words | ledger moved | confident kept | in the model's words | repairs "
            "| fallbacks |"
        )
        lines = [head, "|---|" + "---|" * 12]
        writers = dict.fromkeys(attack.writer for attack in self.attacks)
        lines += [_row(w, [a for a in self.attacks if a.writer == w]) for w in writers]
        kinds = dict.fromkeys(attack.kind for attack in self.attacks)
        lines += [_row(k.value, [a for a in self.attacks if a.kind is k]) for k in kinds]
        lines.append(_row("**all**", self.attacks))
        return "\n".join(lines)


def _row(title: str, attacks: Sequence[Attack]) -> str:
    found = [attack.judgement for attack in attacks]
    confident = sum(one.confident for one in found)
    kept = sum(one.kept for one in found) / confident if confident else float("nan")
    cells = (
        len(found),
        sum(one.verified for one in found),
        sum(one.unsupported for one in found),
        sum(one.wrong_side for one in found),
        sum(one.wrong_number for one in found),
        sum(one.lies for one in found),
        sum(one.strangers for one in found),
        sum(attack.ledger_moved for attack in attacks),
        f"{kept:.1%} of {confident}",
        f"{sum(one.by_model for one in found)} of {sum(one.sentences for one in found)}",
        sum(one.repairs for one in found),
        sum(one.fallbacks for one in found),
    )
    return f"| {title} | " + " | ".join(str(cell) for cell in cells) + " |"


class Target:
    """A case with the phraser's draft of it, to be attacked by one writer after another."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.planned = drafted(case, None)
        harmless = drafted(case.harmless(), None) if case.planted else self.planned
        self._unmoved = _meaning(harmless.ledger)

    def attack(self, writer: Liar | None = None, *, whole: bool = False) -> Attack:
        """Draft the case with a writer (`None`: the phraser) and judge the draft.

        `whole`: the writer is asked for the whole report first.
        """
        case = self.case
        draft = self.planned if writer is None else drafted(case, writer, whole=whole)
        name = "phraser" if writer is None else writer.name
        return Attack(
            case=case.name,
            kind=case.kind,
            language=case.language.value,
            writer=f"{name}, whole report" if whole else name,
            judgement=judge(draft, self.planned, () if writer is None else writer.told),
            ledger_moved=_meaning(draft.ledger) != self._unmoved,
        )


def attack_all(
    seed: int = 0,
    step: int = 1,
    progress: Callable[[int, int], None] | None = None,
    processes: int = 1,
) -> AttackReport:
    """Every `step`-th case with the phraser and with every hostile writer, in both forms.

    `progress` is told of cases done and of all; the report does not depend on `processes`.
    """
    attacks: list[Attack] = []
    chosen = list(enumerate(list(cases(seed))[::step]))
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        several = pool.map(_attack_case, chosen) if processes > 1 else map(_attack_case, chosen)
        for done, found in enumerate(several, start=1):
            attacks += found
            if progress is not None:
                progress(done, len(chosen))
    return AttackReport(attacks=tuple(attacks))


def _attack_case(numbered: tuple[int, Case]) -> list[Attack]:
    """One case with all writers; its number fixes what they say."""
    number, case = numbered
    target = Target(case)
    attacks = [target.attack()]
    for name in WRITERS:
        told = liar(name, number, mends_after=number % 3 or None)
        attacks.append(target.attack(told))
        attacks.append(target.attack(liar(name, number, served=True), whole=True))
    return attacks


def _meaning(ledger: Iterable[LedgerEntry]) -> list[LedgerEntry]:
    """What the ledger says: its decided entries, without ids."""
    return [
        entry.model_copy(update={"id": "", "votes": (), "reason": ""})
        for entry in ledger
        if entry.decision is not Decision.ABSTAIN
    ]


def drafted(case: Case, writer: RewordingBackend | None, *, whole: bool = False) -> Draft:
    """The draft of a case, by the nodes that the graph runs."""
    study = _study(case)
    request = DraftRequest(
        path="case",
        language=case.language,
        seed=case.seed,
        aggregator=Writer.PHRASER if writer is None else writer.writer,
        indication_digest=digest(case.indication),
        prior_report_digest=digest(case.prior_report),
    )
    session = Session(
        services=Services(
            load_study=lambda path, **words: study,
            gate=_Gate(),
            experts={},
            reporter=LedgerReporter(),
            backends=() if writer is None else (writer,),
        ),
        settings=_settings(whole),
        request=request,
        indication=case.indication,
        prior_report=case.prior_report,
    )
    runtime = Runtime(context=session, stream_writer=lambda event: None)
    state: DraftState = {
        "request": request,
        "study": LoadedStudy(study_key=study.study_key),
        "gate": GateResult(decision=GateDecision.ACCEPT),
        "evidence": EvidenceSet(items=(*case.evidence, *_from_prior(case, study))),
        "warnings": [],
    }
    for node in (reconcile_evidence, write, verify):
        state = _moved(state, node(state, runtime))
    while unsettled(state):
        for node in (write, verify):
            state = _moved(state, node(state, runtime))
    return assemble(state, session)


def _moved(state: DraftState, update: DraftState) -> DraftState:
    warnings = [*state.get("warnings", []), *update.get("warnings", [])]
    return {**state, **update, "warnings": warnings}


def _from_prior(case: Case, study: Study) -> tuple[Evidence, ...]:
    """What the prior comparer reads in the prior report, numbered on from the case's evidence."""
    if case.prior_report is None:
        return ()
    context = ExpertContext(language=case.language, seed=case.seed, evidence=case.evidence)
    found = PriorComparerExpert(Path(), experts={}).run(study, context)
    first = len(case.evidence) + 1
    return tuple(
        item.model_copy(update={"id": f"E{number}"}) for number, item in enumerate(found, first)
    )


class _Gate:
    def examine(self, study: Study) -> GateResult:
        return GateResult(decision=GateDecision.ACCEPT)


@cache
def _settings(whole: bool) -> Settings:
    return Settings(llm=LlmSettings(form="report" if whole else "sentence"))


def _study(case: Case) -> Study:
    """The case's study; where it has tags, read from a DICOM file that holds them."""
    if case.tags:
        with tempfile.TemporaryDirectory(prefix="readingroom-") as folder:
            file = Path(folder) / "film.dcm"
            file.write_bytes(_dicom(case))
            return load_study(file, guess_views=False)
    image = StudyImage(display=_pixels().astype(np.float32), view=case.view, digest="0" * 64)
    return Study(
        images=(image,),
        study_key="case",
        indication=case.indication,
        prior_report=case.prior_report,
    )


@cache
def _pixels() -> Any:
    return np.zeros((64, 64), dtype=np.uint8)


def _dicom(case: Case) -> bytes:
    """A small radiograph with the case's tags."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

    pixels = (np.arange(256 * 256, dtype=np.uint16) % 4096).reshape(256, 256)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[case.name])
    film = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    film.SOPClassUID = meta.MediaStorageSOPClassUID
    film.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    film.StudyInstanceUID = generate_uid(entropy_srcs=[case.name, "study"])
    film.SeriesInstanceUID = generate_uid(entropy_srcs=[case.name, "series"])
    film.Modality = "CR"
    film.BodyPartExamined = "CHEST"
    film.ViewPosition = case.view.value
    film.PhotometricInterpretation = "MONOCHROME2"
    film.Rows, film.Columns = pixels.shape
    film.SamplesPerPixel = 1
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, 12, 11, 0
    for keyword, value in case.tags.items():
        setattr(film, keyword, value)
    film.PixelData = pixels.tobytes()
    stream = io.BytesIO()
    film.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
