"""Labelled radiographs of any recognised data set, in the form in which the classifier learns.

Lateral films are left out. A label that is uncertain or not stated is unknown: the network is
not asked for it. Where nothing was found, every finding that the network is taught is absent.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from findings.errors import StudyError
from findings.vocabulary import Finding
from imaging.study import View
from models.data.records import FindingRecord, Split
from models.datasets.dataset import Dataset
from models.datasets.notes import Notes
from models.datasets.record import LabelState, RadiographRecord
from models.datasets.registry import open_dataset
from models.datasets.splitting import SplitPlan, split_records

VALIDATION_SHARE = 0.1
_QUOTA = 10
"""Patients with each finding that either part is to have, where there are as many."""
_TRUTH = {LabelState.PRESENT: 1, LabelState.ABSENT: 0}


def read_finding_data(
    data: Path, targets: Collection[str], kind: str | None = None, splits: Path | None = None
) -> list[FindingRecord]:
    """Recognise the data set in ``data`` and read it; see `finding_records`.

    ``kind`` names the data set where several fit, ``splits`` a table of splits as
    ``readingroom data split`` writes it.

    Raises:
        UserInputError: the folder fits no data set, or several; or a table is damaged.
        StudyError: no frontal radiograph of it is labelled for a target and free to train on.
    """
    return finding_records(open_dataset(data, kind, splits), targets)


def finding_records(
    dataset: Dataset,
    targets: Collection[str],
    validation_share: float = VALIDATION_SHARE,
    seed: int = 7,
    notes: Notes | None = None,
) -> list[FindingRecord]:
    """The data set's frontal films with what is known of ``targets`` (canonical finding ids).

    Published splits stay. A data set that publishes none is dealt out to training and validation,
    one that has training but no validation images gives ``validation_share`` of the training
    images to it: by patient, each finding spread evenly
    (:mod:`models.datasets.splitting`). Images of a published test split stay in it.

    Raises:
        StudyError: no film is labelled for a target and free to train on.
    """
    films = [
        record
        for record in dataset.records(notes)
        if record.view is not View.LATERAL and _labels(record, targets)
    ]
    found = [
        FindingRecord(
            source=film.source,
            image_id=film.image_id,
            patient=film.patient_key,
            image=film.image,
            split=film.split,
            labels=_labels(film, targets),
            view=film.view.value,
            note="",
        )
        for film in _with_validation(films, validation_share, seed)
    ]
    if not any(record.split is Split.TRAIN for record in found):
        raise StudyError(
            f"no frontal radiograph of {dataset.card.title} is labelled for what the network is "
            "taught and free to train on: give another folder"
        )
    return found


def _labels(record: RadiographRecord, targets: Collection[str]) -> dict[str, int]:
    labels = {
        finding.value: _TRUTH[state]
        for finding, state in record.labels.items()
        if finding.value in targets and state in _TRUTH
    }
    if record.label(Finding.NO_FINDING) is LabelState.PRESENT:
        nothing = [target for target in targets if target in Finding.__members__.values()]
        labels = dict.fromkeys(nothing, 0) | labels
    return labels


def _with_validation(
    films: list[RadiographRecord], share: float, seed: int
) -> list[RadiographRecord]:
    """The films with a validation part, dealt out where the data set has none."""
    published = {film.split for film in films}
    if Split.VAL in published:
        return films
    dealt = Split.TRAIN if Split.TRAIN in published else Split.OTHER
    plan = SplitPlan({Split.TRAIN: 1 - share, Split.VAL: share}, quota=_QUOTA, seed=seed)
    # A patient with a film in another part (a test split) may be in neither of these.
    elsewhere = {film.patient_key for film in films if film.split is not dealt}
    free = [film for film in films if film.patient_key not in elsewhere]
    parts = split_records(free, plan).parts
    return [
        replace(film, split=parts[film.patient_key])
        if film.patient_key in parts
        else film
        if film.split is not dealt
        else replace(film, split=Split.OTHER)
        for film in films
    ]
