"""What the data sets say of each radiograph: findings with their places, as claims.

Labels, boxes, nodule positions, readings, severity scores by zone and case notes become the same
kind of statement, so that report sentences can be matched with them (weak pairing). What a source
does not speak of is left out: it is unknown, not absent.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from findings.catalogue import FindingGroup, ancestors, describe
from findings.claims import Claim
from findings.evidence import Box
from findings.labeler import ReportLabeler
from findings.regions import Region, region_side
from findings.vocabulary import Certainty, Change, Finding, Language, Polarity, Severity, Side
from models.data.finding_sources import NIH_COLUMNS, read_nih
from models.data.records import Split
from models.data.sentence_pool import level_of


class Placer(Protocol):
    """Says where in the chest a box lies; `models.data.box_places.BoxPlacer` asks the anatomy."""

    def place(self, image: Path, box: Box) -> tuple[Side | None, Region | None]:
        """Side and region of a box in pixels of the image file."""
        ...


@dataclass(frozen=True, slots=True)
class WeakRecord:
    """A radiograph and what its source states of it, present and absent."""

    source: str
    image_id: str
    patient: str
    image: Path
    split: Split
    claims: tuple[Claim, ...]

    @property
    def present(self) -> tuple[Claim, ...]:
        """What is affirmed."""
        return tuple(claim for claim in self.claims if claim.present)


FOURTEEN: Final = tuple(Finding(name) for name in NIH_COLUMNS)
"""The NIH findings, in the order of the classifier's outputs."""

ALIKE: Final = (
    frozenset(
        {
            Finding.INFILTRATION,
            Finding.CONSOLIDATION,
            Finding.PNEUMONIA,
            Finding.EDEMA,
            Finding.AIRSPACE_OPACITY,
            Finding.GROUND_GLASS_OPACITY,
        }
    ),
    frozenset({Finding.NODULE, Finding.MASS}),
    frozenset({Finding.FIBROSIS, Finding.PLEURAL_THICKENING}),
)
"""Findings read for one another so often that a label on one is no denial of the others."""

LARGEST_NODULE: Final = 30.0
"""Millimetres; what is larger is a mass (Fleischner Society glossary, Radiology 2008)."""

_BRIXIA_ZONES: Final = {
    "A": Region.RIGHT_UPPER_ZONE,
    "B": Region.RIGHT_MID_ZONE,
    "C": Region.RIGHT_LOWER_ZONE,
    "D": Region.LEFT_UPPER_ZONE,
    "E": Region.LEFT_MID_ZONE,
    "F": Region.LEFT_LOWER_ZONE,
}
_BRIXIA_SEVERITY: Final = {1: Severity.MILD, 2: Severity.MODERATE, 3: Severity.SEVERE}
_TB_COUNTS: Final[Mapping[str, tuple[Finding, Region | None]]] = {
    "n_pleural_effusion": (Finding.PLEURAL_EFFUSION, None),
    "n_apical_thickening": (Finding.PLEURAL_THICKENING, Region.APICES),
    "n_pleural_thickening_non_apical": (Finding.PLEURAL_THICKENING, None),
    "n_single_nodule_non_calcified": (Finding.NODULE, None),
    "n_clustered_nodule_2mm_5mm_apart": (Finding.NODULE, None),
    "n_calcified_nodule": (Finding.GRANULOMA, None),
    "n_small_infiltrate_non_linear": (Finding.INFILTRATION, None),
    "n_moderate_infiltrate_non_linear": (Finding.INFILTRATION, None),
    "n_severe_infiltrate_consolidation": (Finding.CONSOLIDATION, None),
    "n_cavity": (Finding.CAVITATION, None),
    "n_linear_density": (Finding.FIBROSIS, None),
    "n_adenopathy": (Finding.LYMPHADENOPATHY, None),
}
_TB_SEVERITY: Final = {
    "n_small_infiltrate_non_linear": Severity.MILD,
    "n_moderate_infiltrate_non_linear": Severity.MODERATE,
    "n_severe_infiltrate_consolidation": Severity.SEVERE,
}
_GBSEG_STRUCTURES: Final = {
    "ground_glass_opacities": Finding.GROUND_GLASS_OPACITY,
    "consolidation": Finding.CONSOLIDATION,
    "pleural_effusion": Finding.PLEURAL_EFFUSION,
    "pneumothorax": Finding.PNEUMOTHORAX,
    "endotracheal_tube": Finding.ENDOTRACHEAL_TUBE,
    "central_venous_line": Finding.CENTRAL_VENOUS_CATHETER,
    "nasogastric_tube": Finding.NASOGASTRIC_TUBE,
}


def with_absences(present: Iterable[Claim], judged: Iterable[Finding]) -> tuple[Claim, ...]:
    """Add a denial of every judged finding that is not affirmed, nor one much like it.

    Where no kind of lung opacity is affirmed that is denied as a whole; where nothing is, the
    radiograph is said to be without finding.
    """
    affirmed = tuple(dict.fromkeys(present))
    named = {claim.finding for claim in affirmed}
    implied = named | {parent for finding in named for parent in ancestors(finding)}
    for family in ALIKE:
        if named & family:
            implied |= family
    judged = tuple(judged)
    denied = [finding for finding in judged if finding not in implied]
    if len(judged) == len(FOURTEEN):
        if Finding.LUNG_OPACITY not in implied:
            denied.append(Finding.LUNG_OPACITY)
        if not affirmed:
            affirmed = (Claim(finding=Finding.NO_FINDING),)
    return affirmed + tuple(Claim(finding=f, polarity=Polarity.ABSENT) for f in denied)


def nih_records(data: Path, placer: Placer | None) -> Iterator[WeakRecord]:
    """NIH: fourteen text-mined labels, placed by the boxes where an image has some."""
    boxes = read_boxes(data)
    for record in read_nih(data):
        if record.note:
            continue
        present = []
        for name in NIH_COLUMNS:
            drawn = boxes.get((record.image_id, Finding(name)), [])
            if placer is not None and not _has_one_place(Finding(name)):
                places = (placer.place(record.image, box) for box in drawn)
                present += [_claim(Finding(name), *place) for place in places]
            if record.labels[name] and not any(c.finding == name for c in present):
                present.append(Claim(finding=Finding(name)))
        yield WeakRecord(
            "nih",
            record.image_id,
            record.patient,
            record.image,
            record.split,
            with_absences(present, FOURTEEN),
        )


def read_boxes(data: Path) -> dict[tuple[str, Finding], list[Box]]:
    """NIH's boxes by image and finding, in pixels of the image; empty without the table."""
    named = {column: Finding(name) for name, column in NIH_COLUMNS.items()}
    boxes: dict[tuple[str, Finding], list[Box]] = {}
    for row in _rows(data / "nih" / "boxes.csv"):
        box = (float(row["x_min"]), float(row["y_min"]), float(row["x_max"]), float(row["y_max"]))
        if row["finding"] in named:
            boxes.setdefault((row["image"], named[row["finding"]]), []).append(box)
    return boxes


def jsrt_records(data: Path, _: Placer | None) -> Iterator[WeakRecord]:
    """JSRT: one nodule with its lobe, or none; nothing is said of other findings."""
    folder = data / "jsrt"
    nodules = {row["image"]: row for row in _rows(folder / "nodules.csv")}
    for row in _rows(folder / "split.csv"):
        nodule = nodules.get(row["image"])
        present = []
        if nodule is not None:
            large = float(nodule["size_mm"] or 0) > LARGEST_NODULE
            present.append(
                _claim(Finding.MASS if large else Finding.NODULE, *_jsrt_place(nodule["location"]))
            )
        yield WeakRecord(
            "jsrt",
            row["image"],
            row["image"],
            folder / "images" / f"{row['image']}.jpg",
            Split(row.get("split", "")),
            with_absences(present, (Finding.NODULE, Finding.MASS)),
        )


def _jsrt_place(location: str) -> tuple[Side | None, Region | None]:
    """Side and height of "l.upper lobe(S1+2)": the lobe's zone, since it is a frontal film."""
    words = location.strip().lower()
    side = {"l": Side.LEFT, "r": Side.RIGHT}.get(words[:1])
    zones = {"upper": "upper_zone", "middle": "mid_zone", "lingula": "mid_zone"}
    zone = next((zone for word, zone in zones.items() if word in words), None)
    if side is None or zone is None:
        # A lower lobe reaches up to the middle of the lung, so it tells the side alone.
        return side, None
    return side, Region(f"{side}_{zone}")


def tuberculosis_records(data: Path, _: Placer | None) -> Iterator[WeakRecord]:
    """Montgomery and Shenzhen: tuberculosis or normal; readings name sides and fields."""
    labeler = ReportLabeler(Language.ENGLISH)
    for row in _rows(data / "tb" / "labels.csv"):
        reading = row["reading"].replace("PTB", "pulmonary tuberculosis").replace("field", "zone")
        read = _stated(labeler, reading)
        present = [claim for claim in read if claim.present]
        if row["tb"] == "1" and not present:
            present = [Claim(finding=Finding.TUBERCULOSIS)]
        sides = {claim.side for claim in present if claim.finding is Finding.TUBERCULOSIS}
        side = sides.pop() if len(sides) == 1 else None
        for column, (finding, region) in _TB_COUNTS.items():
            if int(float(row[column] or 0)) > 0:
                # A reading names one side for all that it found, so the parts lie there too.
                present.append(
                    _claim(finding, side if side is not Side.MIDLINE else None, region).model_copy(
                        update={"severity": _TB_SEVERITY.get(column)}
                    )
                )
        normal = row["tb"] == "0"
        yield WeakRecord(
            row["source"],
            row["image"],
            row["image"],
            data / "tb" / "images" / f"{row['image']}.jpg",
            Split(row.get("split", "")),
            with_absences((), FOURTEEN) + _without_tuberculosis()
            if normal
            else with_absences(present, (Finding.PNEUMOTHORAX,)),
        )


def covid_records(data: Path, _: Placer | None) -> Iterator[WeakRecord]:
    """COVID collection: Brixia scores by zone, outlined opacities, and what the notes assert."""
    labeler = ReportLabeler(Language.ENGLISH)
    scores = {row["image"]: row for row in _rows(data / "covid" / "brixia.csv")}
    drawn: dict[str, list[Finding]] = {}
    for row in _rows(data / "gbseg" / "index.csv"):
        if row["structure"] in _GBSEG_STRUCTURES:
            drawn.setdefault(row["image"], []).append(_GBSEG_STRUCTURES[row["structure"]])
    for row in _rows(data / "covid" / "metadata.csv"):
        name = Path(row["image"]).name
        claims = list(_stated(labeler, row["clinical_notes"]))
        if row["image"] in scores:
            claims += _brixia(scores[row["image"]])
        if row["image"].startswith("gbseg/"):
            claims += [Claim(finding=finding) for finding in drawn.get(name, [])]
        if row["finding"] not in ("No Finding", "todo", "ARDS"):
            claims.append(Claim(finding=Finding.PNEUMONIA))
        present = [c for c in claims if c.present and c.finding is not Finding.NO_FINDING]
        absent = [c for c in claims if not c.present and not _affirmed(c, present)]
        if row["finding"] == "No Finding" and not present:
            present, absent = [], list(with_absences((), FOURTEEN))
        if present or absent:
            yield WeakRecord(
                "covid",
                name,
                row["patient"],
                data / row["image"],
                Split(row.get("split", "")),
                tuple(dict.fromkeys((*present, *absent))),
            )


Reader = Callable[[Path, "Placer | None"], Iterator[WeakRecord]]
SOURCES: Final[Mapping[str, tuple[str, Reader]]] = {
    "nih": ("nih/labels.csv", nih_records),
    "jsrt": ("jsrt/split.csv", jsrt_records),
    "tb": ("tb/labels.csv", tuberculosis_records),
    "covid": ("covid/metadata.csv", covid_records),
}
"""Folder -> its table and its reader. Sources whose images are all normal are left out: the look
of such a source would stand for normality."""


def read_weak_records(
    data: Path, placer: Placer | None = None, folders: Iterable[str] = tuple(SOURCES)
) -> list[WeakRecord]:
    """Every radiograph of the named folders of which something is stated; missing folders are
    passed over. Without a placer boxes give no place."""
    records: list[WeakRecord] = []
    for name in folders:
        table, read = SOURCES[name]
        if (data / table).is_file():
            records += [record for record in read(data, placer) if record.image.is_file()]
    return records


def _rows(table: Path) -> list[dict[str, str]]:
    if not table.is_file():
        return []
    with table.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def _claim(finding: Finding, side: Side | None, region: Region | None) -> Claim:
    if _has_one_place(finding):
        return Claim(finding=finding)
    if region is not None and side is None and region_side(region) in (Side.LEFT, Side.RIGHT):
        side = region_side(region)
    return Claim(finding=finding, side=None if side is Side.MIDLINE else side, region=region)


def _has_one_place(finding: Finding) -> bool:
    return describe(finding).group in (FindingGroup.HEART, FindingGroup.DIAPHRAGM)


def _without_tuberculosis() -> tuple[Claim, ...]:
    return (Claim(finding=Finding.TUBERCULOSIS, polarity=Polarity.ABSENT),)


def _stated(labeler: ReportLabeler, text: str) -> tuple[Claim, ...]:
    """What a reading or note asserts of the image itself, definite or probable, not resolved."""
    claims = (claim for part in labeler.label(text) for claim in part.claims)
    return tuple(
        Claim(
            finding=claim.finding,
            polarity=claim.polarity,
            side=claim.side,
            region=claim.region if level_of(claim.region) else None,
            severity=claim.severity,
        )
        for claim in claims
        if claim.certainty is not Certainty.POSSIBLE and claim.change is not Change.RESOLVED
    )


def _brixia(row: Mapping[str, str]) -> Iterator[Claim]:
    """A scored zone holds an opacity of that severity; a zone scored 0 by both readers has none."""
    for letter, region in _BRIXIA_ZONES.items():
        senior, junior = (int(float(row[f"{who}_{letter}"] or 0)) for who in ("senior", "junior"))
        if senior:
            yield Claim(
                finding=Finding.LUNG_OPACITY,
                side=region_side(region),
                region=region,
                severity=_BRIXIA_SEVERITY.get(senior, Severity.SEVERE),
            )
        elif not junior:
            yield Claim(
                finding=Finding.LUNG_OPACITY,
                polarity=Polarity.ABSENT,
                side=region_side(region),
                region=region,
            )


def _affirmed(absent: Claim, present: Iterable[Claim]) -> bool:
    """True where an unplaced denial meets an affirmation of the same finding: notes of several
    images contradict each other."""
    return absent.region is None and any(claim.finding is absent.finding for claim in present)
