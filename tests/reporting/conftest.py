"""Ledgers, drafts and films for the tests of reporting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from findings.claims import Measurement, SpacingProvenance
from findings.evidence import (
    Classification,
    CrudeSentence,
    Detection,
    MeasurementEvidence,
    RegionMask,
)
from findings.regions import Region
from findings.vocabulary import Certainty, Change, Finding, Language, Polarity, Severity, Side
from imaging.masks import encode_mask, mask_box
from imaging.study import GateDecision, GateReason, GateResult, StudyImage, View
from reporting.context import ReportContext
from reporting.draft import (
    Counts,
    Draft,
    DraftStatus,
    ExpertNote,
    ModelUse,
    NamedMeasurement,
    Writer,
)
from reporting.ledger import (
    Decision,
    Disagreement,
    DisagreementType,
    Ledger,
    LedgerEntry,
    Vote,
)
from reporting.phraser import phrase_report

EntryMaker = Callable[..., LedgerEntry]


def _entry(
    number: int, finding: Finding, decision: Decision = Decision.PRESENT, **given: Any
) -> LedgerEntry:
    polarity = Polarity.ABSENT if decision is Decision.ABSENT else Polarity.PRESENT
    votes = (Vote(expert="classifier", evidence=f"E{number}", polarity=polarity),)
    fields: dict[str, Any] = {"probability": 0.8, "reason": "pooled votes", "votes": votes}
    return LedgerEntry(id=f"L{number}", finding=finding, decision=decision, **{**fields, **given})


@pytest.fixture(scope="session")
def entry() -> EntryMaker:
    """Makes the ledger entry `L<number>`, carried by evidence `E<number>`."""
    return _entry


def ratio(value: float) -> Measurement:
    return Measurement(name="cardiothoracic_ratio", value=value, unit="1")


@pytest.fixture(scope="session")
def rich_ledger() -> Ledger:
    """Something in every paragraph, certain and not, old and new, and one abstention."""
    diameter = Measurement(
        name="nodule_diameter", value=12.4, unit="mm", provenance=SpacingProvenance.DETECTOR
    )
    right_base = Region.RIGHT_LOWER_ZONE
    return Ledger(
        entries=(
            _entry(
                1, Finding.PLEURAL_EFFUSION, side=Side.LEFT, severity=Severity.MILD,
                change=Change.WORSE,
                disagreements=(
                    Disagreement(
                        type=DisagreementType.SIDE, detail="text says right | left",
                        settled_by="masks",
                    ),
                ),
            ),
            _entry(2, Finding.PNEUMOTHORAX, Decision.ABSENT),
            _entry(
                3, Finding.PNEUMONIA, Decision.UNCERTAIN, certainty=Certainty.PROBABLE,
                region=right_base,
            ),
            _entry(4, Finding.CONSOLIDATION, region=right_base),
            _entry(5, Finding.LUNG_OPACITY, side=Side.RIGHT),
            _entry(
                6, Finding.CARDIOMEGALY, severity=Severity.MILD, change=Change.UNCHANGED,
                measurement=ratio(0.563),
            ),
            _entry(
                7, Finding.NODULE, Decision.UNCERTAIN, certainty=Certainty.POSSIBLE,
                region=Region.LEFT_UPPER_LOBE, change=Change.NEW, measurement=diameter,
            ),
            _entry(8, Finding.EDEMA, Decision.ABSENT),
            _entry(9, Finding.MASS, Decision.ABSENT),
            _entry(10, Finding.ATELECTASIS, region=Region.LEFT_LOWER_ZONE),
            _entry(11, Finding.ATELECTASIS, region=right_base),
            _entry(12, Finding.EMPHYSEMA, Decision.ABSTAIN),
            _entry(13, Finding.RIB_FRACTURE, Decision.ABSENT),
            _entry(14, Finding.CENTRAL_VENOUS_CATHETER, side=Side.RIGHT),
            _entry(15, Finding.ENDOTRACHEAL_TUBE, Decision.ABSENT, change=Change.RESOLVED),
        )
    )  # fmt: skip


@pytest.fixture(scope="session")
def normal_ledger() -> Ledger:
    """A film on which the experts deny what they look for."""
    denied = (
        Finding.PLEURAL_EFFUSION,
        Finding.PNEUMOTHORAX,
        Finding.CONSOLIDATION,
        Finding.EDEMA,
        Finding.NODULE,
    )
    return Ledger(
        entries=(
            _entry(1, Finding.NO_FINDING),
            _entry(2, Finding.CARDIOMEGALY, Decision.ABSENT, measurement=ratio(0.463)),
            *(_entry(3 + i, finding, Decision.ABSENT) for i, finding in enumerate(denied)),
        )
    )


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    """A filled circle; centre as fractions of height and width, radius as one of height."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    away = (rows - centre[0] * shape[0]) ** 2 + (columns - centre[1] * shape[1]) ** 2
    return away <= (radius * shape[0]) ** 2


def film_of(height: int, width: int) -> StudyImage:
    """A smooth grey picture with a texture, of any size."""
    rows, columns = np.ogrid[:height, :width]
    display = 0.5 + 0.3 * np.sin(rows / height * 7) * np.cos(columns / width * 5)
    return StudyImage(display=display.astype(np.float32), view=View.PA)


@pytest.fixture(scope="session")
def make_film() -> Callable[[int, int], StudyImage]:
    """Makes a film of the given height and width."""
    return film_of


def draft_of(
    ledger: Ledger,
    image: StudyImage,
    language: Language = Language.ENGLISH,
    status: DraftStatus = DraftStatus.DRAFT,
) -> Draft:
    """A whole draft of a ledger, with evidence of every kind that pictures and tables show."""
    height, width = image.height, image.width
    masks = {
        Region.RIGHT_LUNG: disc((height, width), (0.45, 0.3), 0.2),
        Region.LEFT_LUNG: disc((height, width), (0.45, 0.7), 0.2),
        Region.CARDIAC_SILHOUETTE: disc((height, width), (0.6, 0.55), 0.15),
    }
    evidence: list[Any] = [
        Classification(
            id=f"E{number}", expert="classifier", version="0.1.0", finding=entry.finding,
            probability=entry.probability, threshold=0.5, sensitive_threshold=0.2,
            confident_threshold=0.8, side=entry.side, region=entry.region,
        )
        for number, entry in enumerate(ledger.entries, start=1)
        if entry.measurement is None and entry.finding is not Finding.CONSOLIDATION
    ]  # fmt: skip
    for number, entry in enumerate(ledger.entries, start=1):
        if entry.measurement is not None:
            line = ((0.4 * width, 0.6 * height), (0.7 * width, 0.6 * height))
            evidence.append(
                MeasurementEvidence(
                    id=f"E{number}", expert="measurer", version="1", finding=entry.finding,
                    measurement=entry.measurement, landmarks=line,
                )
            )  # fmt: skip
        elif entry.finding is Finding.CONSOLIDATION:
            box = (0.2 * width, 0.5 * height, 0.4 * width, 0.65 * height)
            evidence.append(
                Detection(
                    id=f"E{number}", expert="detector", version="1", finding=entry.finding,
                    probability=0.9, box=box,
                )
            )  # fmt: skip
    for number, (region, mask) in enumerate(masks.items(), start=50):
        box_of_mask = mask_box(mask)
        assert box_of_mask is not None
        evidence.append(
            RegionMask(
                id=f"E{number}", expert="segmenter", version="1", region=region,
                box=box_of_mask, mask=encode_mask(mask), quality=0.97,
            )
        )  # fmt: skip
    evidence.append(
        CrudeSentence(id="E60", expert="crude", version="1", text="<script>x()</script> | *hm*")
    )
    context = ReportContext(language=language, view=View.AP, has_prior=True)
    return Draft(
        study_key="0f" * 32,
        status=status,
        language=language,
        writer=Writer.PHRASER,
        gate=GateResult(
            decision=GateDecision.WARN,
            reasons=(GateReason(code="cropped", text="Cropped.", severity=GateDecision.WARN),),
        ),
        sections=phrase_report(ledger, context),
        evidence=tuple(evidence),
        ledger=ledger.entries,
        measurements=tuple(
            NamedMeasurement.of(entry.measurement, f"E{number}")
            for number, entry in enumerate(ledger.entries, start=1)
            if entry.measurement is not None
        ),
        experts=(
            ExpertNote(role="clues", name="embedded", status="not_installed", detail="no weights"),
        ),
        counts=Counts(repairs=1),
        timings={"load": 0.2, "experts": 1.3},
        models=(
            ModelUse(
                role="classifier", name="efficientnet", version="0.1.0", licence="Apache-2.0",
                sha256="ab" * 32,
            ),
        ),
    )  # fmt: skip


@pytest.fixture(scope="session")
def make_draft() -> Callable[..., Draft]:
    """Makes a draft of a ledger and a film, in a language and a status."""
    return draft_of
