"""Chest ImaGenome scene graphs (Wu et al., 2021): boxed regions and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from findings.label_maps import Dataset as LabelSet
from findings.label_maps import finding_of
from findings.regions import Region
from findings.vocabulary import Finding
from models.datasets.labels import stronger
from models.datasets.notes import Notes, Problem
from models.datasets.record import LabelState, RegionBox

REGIONS: Final = {
    "right lung": Region.RIGHT_LUNG,
    "right upper lung zone": Region.RIGHT_UPPER_ZONE,
    "right mid lung zone": Region.RIGHT_MID_ZONE,
    "right lower lung zone": Region.RIGHT_LOWER_ZONE,
    "right hilar structures": Region.RIGHT_HILUM,
    "right apical zone": Region.RIGHT_APEX,
    "right costophrenic angle": Region.RIGHT_COSTOPHRENIC_ANGLE,
    "right hemidiaphragm": Region.RIGHT_HEMIDIAPHRAGM,
    "right clavicle": Region.RIGHT_CLAVICLE,
    "right atrium": Region.RIGHT_ATRIUM,
    "left lung": Region.LEFT_LUNG,
    "left upper lung zone": Region.LEFT_UPPER_ZONE,
    "left mid lung zone": Region.LEFT_MID_ZONE,
    "left lower lung zone": Region.LEFT_LOWER_ZONE,
    "left hilar structures": Region.LEFT_HILUM,
    "left apical zone": Region.LEFT_APEX,
    "left costophrenic angle": Region.LEFT_COSTOPHRENIC_ANGLE,
    "left hemidiaphragm": Region.LEFT_HEMIDIAPHRAGM,
    "left clavicle": Region.LEFT_CLAVICLE,
    "trachea": Region.TRACHEA,
    "carina": Region.CARINA,
    "spine": Region.SPINE,
    "mediastinum": Region.MEDIASTINUM,
    "upper mediastinum": Region.UPPER_MEDIASTINUM,
    "svc": Region.SUPERIOR_VENA_CAVA,
    "cardiac silhouette": Region.CARDIAC_SILHOUETTE,
    "abdomen": Region.ABDOMEN,
}
"""Object name → region, for the objects that the vocabulary has a region for."""

_LARGEST: Final = 8 << 20
_MOST_OBJECTS: Final = 200
_CATEGORIES: Final = frozenset(
    {"anatomicalfinding", "disease", "tubesandlines", "device", "technicalassessment"}
)
_STATES: Final = {"yes": LabelState.PRESENT, "no": LabelState.ABSENT}


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Object(_Read):
    bbox_name: str
    original_x1: float
    original_y1: float
    original_x2: float
    original_y2: float


class _Attribute(_Read):
    bbox_name: str
    attributes: tuple[tuple[str, ...], ...]


class _SceneGraph(_Read):
    objects: tuple[_Object, ...] = Field(max_length=_MOST_OBJECTS)
    attributes: tuple[_Attribute, ...] = Field(max_length=_MOST_OBJECTS)


def read_scene_graph(path: Path, notes: Notes) -> tuple[RegionBox, ...]:
    """The regions of a scene graph file, boxes in pixels of the MIMIC-CXR-JPG image.

    A finding that the graph affirms in one phrase and denies in another is present: later phrases
    of a report are mostly about a smaller place. What it does not mention is unknown. A file that
    is not there gives no regions; a damaged one gives none and is noted.
    """
    if not path.is_file():
        return ()
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            notes.add(Problem.OVERSIZED_TEXT)
            return ()
        graph = _SceneGraph.model_validate(json.loads(content))
    except (OSError, ValueError, ValidationError, RecursionError):
        notes.add(Problem.BROKEN_FILE)
        return ()
    labels: dict[str, dict[Finding, LabelState]] = {}
    for attribute in graph.attributes:
        own = labels.setdefault(attribute.bbox_name, {})
        for phrase in attribute.attributes:
            for text in phrase:
                _note_attribute(text, own, notes)
    regions = []
    for thing in graph.objects:
        box = (thing.original_x1, thing.original_y1, thing.original_x2, thing.original_y2)
        if not (box[0] < box[2] and box[1] < box[3]):
            notes.add(Problem.BROKEN_BOX)
            continue
        regions.append(
            RegionBox(
                name=thing.bbox_name,
                box=box,
                region=REGIONS.get(thing.bbox_name),
                labels=labels.get(thing.bbox_name, {}),
            )
        )
    return tuple(regions)


def _note_attribute(text: str, labels: dict[Finding, LabelState], notes: Notes) -> None:
    """Take up an attribute such as `anatomicalfinding|yes|lung opacity`."""
    category, _, rest = text.partition("|")
    polarity, _, label = rest.partition("|")
    state = _STATES.get(polarity)
    if category not in _CATEGORIES or state is None:
        return
    finding = finding_of(LabelSet.CHEST_IMAGENOME, label)
    if finding is None:
        notes.unmapped_label(label)
        return
    known = labels.get(finding, state)
    if known is not state:
        notes.add(Problem.CONFLICT)
    labels[finding] = stronger(known, state)
