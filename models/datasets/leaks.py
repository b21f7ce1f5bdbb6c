"""Leaks between the parts of a split: a patient, or a picture, in more than one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from pydantic import Field

from findings.claims import Frozen
from findings.errors import StudyError
from models.data.records import Split
from models.datasets.record import RadiographRecord
from models.datasets.thumbnails import Fingerprint, fingerprint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEAR_BITS: Final = 5
"""Pictures whose looks differ in at most so many of 63 bits are compared pixel by pixel."""
SAME_CORRELATION: Final = 0.995
"""Correlation of two thumbnails from which the pictures count as one."""

_BANDS: Final = NEAR_BITS + 1
_MOST_EXAMPLES: Final = 20


class Leak(Frozen):
    """Two images of different parts that are one picture. Names of images, not of patients."""

    first: str
    second: str
    identical: bool = Field(description="the files are equal byte by byte")


class LeakReport(Frozen):
    """What was found; `images_compared` is 0 where only patients were looked at."""

    patients_in_several_parts: int
    identical_pairs: int = 0
    near_identical_pairs: int = 0
    images_compared: int = 0
    unreadable_images: int = 0
    examples: tuple[Leak, ...] = ()

    @property
    def clean(self) -> bool:
        """True where nothing leaks."""
        return not (
            self.patients_in_several_parts or self.identical_pairs or self.near_identical_pairs
        )


def find_leaks(records: Iterable[RadiographRecord], *, compare_images: bool = True) -> LeakReport:
    """Look for patients and pictures in more than one of the parts train, val and test.

    Images that belong to no part (`Split.OTHER`) are left out. Comparing images reads every file.
    """
    divided = [record for record in records if record.split is not Split.OTHER]
    parts: dict[str, set[Split]] = {}
    for record in divided:
        parts.setdefault(record.patient_key, set()).add(record.split)
    torn = sum(len(own) > 1 for own in parts.values())
    if not compare_images:
        return LeakReport(patients_in_several_parts=torn)
    read: list[tuple[RadiographRecord, Fingerprint]] = []
    unreadable = 0
    for record in divided:
        try:
            read.append((record, fingerprint(record.image)))
        except StudyError:
            unreadable += 1
    leaks = [
        Leak(
            first=_name(read[i][0]),
            second=_name(read[j][0]),
            identical=read[i][1].sha256 == read[j][1].sha256,
        )
        for i, j in near_pairs([own for _, own in read])
        if read[i][0].split is not read[j][0].split
    ]
    identical = sum(leak.identical for leak in leaks)
    return LeakReport(
        patients_in_several_parts=torn,
        identical_pairs=identical,
        near_identical_pairs=len(leaks) - identical,
        images_compared=len(read),
        unreadable_images=unreadable,
        examples=tuple(sorted(leaks, key=lambda leak: not leak.identical)[:_MOST_EXAMPLES]),
    )


def near_pairs(fingerprints: Sequence[Fingerprint]) -> Iterator[tuple[int, int]]:
    """Pairs (smaller index first) of the same picture: equal files, or looks and pixels alike.

    The 64 bits of a look are cut into one band more than bits may differ, so two looks that are
    near agree in at least one band, and only such are compared.
    """
    import numpy as np

    if not fingerprints:
        return
    looks = np.array([own.look for own in fingerprints], dtype=np.uint64)
    pixels = np.stack([own.thumbnail for own in fingerprints])
    width = -(-64 // _BANDS)
    found: set[tuple[int, int]] = set()
    for band in range(_BANDS):
        keys = (looks >> np.uint64(band * width)) & np.uint64((1 << width) - 1)
        order = np.argsort(keys, kind="stable")
        for members in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
            found.update(_within(members, looks, pixels))
    yield from sorted(found)


def _within(
    members: NDArray[np.intp], looks: NDArray[np.uint64], pixels: NDArray[np.uint8]
) -> Iterator[tuple[int, int]]:
    import numpy as np

    for place, own in enumerate(members[:-1]):
        others = members[place + 1 :]
        bits = np.unpackbits((looks[others] ^ looks[own])[:, None].view(np.uint8), axis=1)
        for other in others[bits.sum(axis=1) <= NEAR_BITS]:
            if _correlation(pixels[own], pixels[other]) >= SAME_CORRELATION:
                first, second = sorted((int(own), int(other)))
                yield first, second


def _correlation(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    import numpy as np

    one, other = first.ravel().astype(np.float64), second.ravel().astype(np.float64)
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt((one @ one) * (other @ other)))
    # Two empty pictures are the same picture.
    return float(one @ other) / size if size else float(np.array_equal(first, second))


def _name(record: RadiographRecord) -> str:
    return f"{record.source}/{record.image_id}"
