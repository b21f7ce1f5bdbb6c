"""Splits by patient with the findings spread evenly: iterative stratification with quotas.

Sechidis, Tsoumakas and Vlahavas, On the Stratification of Multi-Label Data, ECML PKDD 2011: the
rarest label is dealt out first, each example to the part that wants most of it. Here an example is
a patient, who goes whole into one part, and counts as many times as there are images.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from findings.errors import UserInputError
from findings.vocabulary import Finding
from models.data.records import Split
from models.datasets.record import LabelState, RadiographRecord

_ROUNDS: int = 10


@dataclass(frozen=True, slots=True)
class Patient:
    """What splitting needs to know of a patient: how many images there are, and with which traits.

    A trait is anything that must be spread evenly: a finding, a box of one, a projection, a source.
    """

    key: str
    images: int
    traits: Mapping[str, int]
    """Trait → images that have it."""
    kept: Split | None = None
    """The part that the patient must stay in, if any."""


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How large the parts are to be, and what each must at least hold."""

    shares: Mapping[Split, float]
    """Part → share of the images; they add up to 1."""
    quota: int = 0
    """Patients with each finding that every part is to have, where there are enough of them."""
    seed: int = 7

    def __post_init__(self) -> None:
        if len(self.shares) < 2 or any(share <= 0 for share in self.shares.values()):
            raise UserInputError("A split needs at least two parts, each with a share above 0.")
        if abs(sum(self.shares.values()) - 1) > 1e-6:
            raise UserInputError("The shares of the parts of a split must add up to 1.")
        if self.quota < 0:
            raise UserInputError("The quota of a split must not be negative.")


@dataclass(frozen=True, slots=True)
class SplitResult:
    """Which patient is in which part, and which quotas could not be kept."""

    parts: Mapping[str, Split]
    """Patient key → part."""
    short: Mapping[tuple[Split, str], int] = field(default_factory=dict)
    """(part, finding) → patients that the part has, where that is under the quota."""


def patients_of(
    records: Iterable[RadiographRecord], keep: frozenset[Split] = frozenset()
) -> list[Patient]:
    """Gather records by patient, in the order of their first image.

    A patient with an image in a part of `keep` stays in that part.
    """
    images: Counter[str] = Counter()
    traits: dict[str, Counter[str]] = {}
    kept: dict[str, Split] = {}
    for record in records:
        key = record.patient_key
        images[key] += 1
        own = traits.setdefault(key, Counter())
        own.update(_traits(record))
        if record.split in keep and kept.get(key) is not Split.TEST:
            kept[key] = record.split
    return [Patient(key, images[key], dict(own), kept.get(key)) for key, own in traits.items()]


def split_patients(patients: Iterable[Patient], plan: SplitPlan) -> SplitResult:
    """Deal patients out to the parts of a plan. The same input and seed give the same split."""
    dealing = _Dealing(sorted(patients, key=lambda patient: patient.key), plan)
    dealing.deal()
    dealing.mend_quotas()
    return SplitResult(parts=dealing.parts, short=dealing.short())


def split_records(
    records: Iterable[RadiographRecord], plan: SplitPlan, keep: frozenset[Split] = frozenset()
) -> SplitResult:
    """Split the records of one or several data sets by patient; see `patients_of`."""
    return split_patients(patients_of(records, keep), plan)


def _traits(record: RadiographRecord) -> set[str]:
    traits = {
        finding.value for finding, state in record.labels.items() if state is LabelState.PRESENT
    }
    traits |= {f"box of {box.finding}" for box in record.boxes}
    traits |= {f"mask of {outline.structure}" for outline in record.outlines}
    return traits | {f"view {record.view}", f"source {record.source}"}


class _Dealing:
    """One split in the making."""

    def __init__(self, patients: list[Patient], plan: SplitPlan) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)
        # Who is kept in a part that is not dealt for has no say in the others.
        self.parts: dict[str, Split] = {
            patient.key: patient.kept
            for patient in patients
            if patient.kept is not None and patient.kept not in plan.shares
        }
        patients = [patient for patient in patients if patient.key not in self.parts]
        self._patients = {patient.key: patient for patient in patients}
        total = sum(patient.images for patient in patients)
        self._room = {part: share * total for part, share in plan.shares.items()}
        """Part → images that it still wants."""
        self._having: dict[str, list[str]] = {}
        """Trait → patients who have it."""
        for patient in patients:
            for trait in patient.traits:
                self._having.setdefault(trait, []).append(patient.key)
        self._wanted = {
            (part, trait): share * sum(self._patients[key].traits[trait] for key in keys)
            for trait, keys in self._having.items()
            for part, share in plan.shares.items()
        }
        """(part, trait) → images with it that the part still wants."""
        self._holders: Counter[tuple[Split, str]] = Counter()
        """(part, trait) → patients with it in that part."""
        for patient in patients:
            if patient.kept is not None:
                self._put(patient, patient.kept)

    def deal(self) -> None:
        """Deal every patient out, those with the rarest trait first."""
        open_count = {
            trait: sum(key not in self.parts for key in keys)
            for trait, keys in self._having.items()
        }
        while left := [(count, trait) for trait, count in open_count.items() if count]:
            _, trait = min(left)
            keys = [key for key in self._having[trait] if key not in self.parts]
            # Patients with many images are hard to place, so they go first.
            self._random.shuffle(keys)
            keys.sort(key=lambda key: -self._patients[key].traits[trait])
            for key in keys:
                patient = self._patients[key]
                self._put(patient, self._keenest(trait))
                for other in patient.traits:
                    open_count[other] -= 1
        rest = [patient for key, patient in self._patients.items() if key not in self.parts]
        for patient in sorted(rest, key=lambda patient: -patient.images):
            self._put(patient, max(self._room, key=lambda part: self._room[part]))

    def mend_quotas(self) -> None:
        """Move patients into parts that have too few with a finding, from the richest part."""
        for _ in range(_ROUNDS):
            moved = False
            for part, finding in self.short():
                moved |= self._move_one(part, finding)
            if not moved:
                return

    def short(self) -> dict[tuple[Split, str], int]:
        """Where a part has fewer patients with a finding than the quota asks."""
        return {
            (part, trait): self._holders[part, trait]
            for trait in sorted(self._having)
            if trait in Finding.__members__.values()
            for part in self._plan.shares
            if self._holders[part, trait] < self._plan.quota
        }

    def _keenest(self, trait: str) -> Split:
        """The part that wants most of a trait; of several the one with most room, then any."""
        best = max((self._wanted[part, trait], self._room[part]) for part in self._room)
        ties = [p for p in self._room if (self._wanted[p, trait], self._room[p]) == best]
        return self._random.choice(ties)

    def _put(self, patient: Patient, part: Split, sign: int = 1) -> None:
        if sign > 0:
            self.parts[patient.key] = part
        self._room[part] -= sign * patient.images
        for trait, images in patient.traits.items():
            self._wanted[part, trait] -= sign * images
            self._holders[part, trait] += sign

    def _move_one(self, part: Split, finding: str) -> bool:
        """Move the patient with the fewest images whom another part can spare."""
        quota = self._plan.quota
        movable = []
        for key in self._having[finding]:
            patient, giver = self._patients[key], self.parts[key]
            if giver is part or patient.kept is not None:
                continue
            # The giver stays at its quota for everything, and of the finding keeps most.
            spare = self._holders[giver, finding] - 1 >= max(quota, self._holders[part, finding])
            others = all(
                self._holders[giver, trait] - 1 >= quota
                for trait in patient.traits
                if trait in Finding.__members__.values() and trait != finding
            )
            if spare and others:
                movable.append((patient.images, -self._holders[giver, finding], key))
        if not movable:
            return False
        patient = self._patients[min(movable)[2]]
        self._put(patient, self.parts[patient.key], sign=-1)
        self._put(patient, part)
        return True
