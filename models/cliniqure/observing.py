"""Observations: what the classifier, the detector and the crude-report generator say of a film.

In training they are made from labels, with errors, unless a data folder has reports of its own:
the networks have seen the training films and err less there than on new ones, and a writer that
learnt from such observations would trust them too much.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from findings.claims import Claim
from imaging.regions import locate, side_of
from models.classifier.inference import FindingClassifier
from models.cliniqure.preset import Noise
from models.cliniqure.prompting import AFFIRMED_AT, Observation, PlacedBox
from models.crude_report.inference import CrudeReporter
from models.data.box_places import outlined_regions
from models.data.files import cache_key
from models.data.weak_pair_sources import FOURTEEN, with_absences
from models.detector.inference import FindingDetector
from models.preprocessing import read_display
from models.segmenter.inference import AnatomySegmenter

Reword = Callable[[Sequence[Claim], np.random.Generator], str]
"""Claims -> a report that states them: `models.reports.cases.CaseSet.reword`."""


class FilmObserver:
    """Runs the shipped networks on a film; each is loaded on first use."""

    @cached_property
    def classifier(self) -> FindingClassifier:
        """CliniQure's disease classifier. Raises `WeightsError`."""
        return FindingClassifier.load()

    @cached_property
    def detector(self) -> FindingDetector:
        """CliniQure's disease detector. Raises `WeightsError`."""
        return FindingDetector.load()

    @cached_property
    def reporter(self) -> CrudeReporter:
        """R2GenCMN. Raises `WeightsError`."""
        return CrudeReporter.load()

    @cached_property
    def segmenter(self) -> AnatomySegmenter:
        """What places the boxes. Raises `WeightsError`."""
        return AnatomySegmenter.load()

    def observe(self, display: NDArray[np.float32], seed: int = 0) -> Observation:
        """What the three say; boxes are placed by the anatomy.

        Raises:
            StudyError: the array is not an upright image in [0, 1].
        """
        judged = self.classifier.classify(display).probability
        affirmed = [finding for finding in judged if judged[finding] >= AFFIRMED_AT]
        affirmed.sort(key=lambda finding: -judged[finding])
        crude = " ".join(self.crude_sentences(display, seed))
        return Observation(tuple(affirmed), self._boxes(display), crude)

    def crude_sentences(self, display: NDArray[np.float32], seed: int = 0) -> tuple[str, ...]:
        """What the crude-report generator writes. Raises `StudyError`."""
        return self.reporter.write(display, seed).sentences

    def _boxes(self, display: NDArray[np.float32]) -> tuple[PlacedBox, ...]:
        found = self.detector.detect(display).boxes
        if not found:
            return ()
        regions = outlined_regions(self.segmenter, display)
        return tuple(
            PlacedBox(box.finding, side_of(box.box, regions), locate(box.box, regions))
            for box in found
        )


def observe_films(observer: FilmObserver, images: Sequence[Path], keep: Path) -> list[Observation]:
    """What the networks say of each image; answers are kept in a file, and asked for once.

    Raises:
        StudyError: an image cannot be read.
    """
    known: dict[str, Observation] = {}
    kind = TypeAdapter(Observation)
    if keep.is_file():
        for line in keep.read_text(encoding="utf-8").splitlines():
            name, _, rest = line.partition("\t")
            known[name] = kind.validate_json(rest)
    keep.parent.mkdir(parents=True, exist_ok=True)
    with keep.open("a", encoding="utf-8") as file:
        for image in images:
            name = cache_key(str(image))
            if name not in known:
                known[name] = observer.observe(read_display(image))
                file.write(f"{name}\t{kind.dump_json(known[name]).decode()}\n")
                file.flush()
    return [known[cache_key(str(image))] for image in images]


def simulated(
    claims: Sequence[Claim],
    reword: Reword,
    noise: Noise,
    random: np.random.Generator,
) -> Observation:
    """An observation of a film with these labels, with errors drawn by ``random``.

    Boxes are the places of the labels that have one. The crude report words other errors than
    the classes have.
    """
    classes = [claim.finding for claim in _mistaken(claims, noise.missed, noise.false, random)]
    boxes = [
        PlacedBox(claim.finding, claim.side, claim.region)
        for claim in claims
        if claim.present and (claim.side or claim.region) and random.random() >= noise.missed
    ]
    crude = _mistaken(claims, noise.crude_missed, noise.crude_false, random)
    # The classifier's order is by probability, which says nothing of the report's order.
    shuffled = [classes[int(place)] for place in random.permutation(len(classes))]
    return Observation(
        tuple(dict.fromkeys(shuffled)),
        tuple(boxes),
        reword(with_absences(crude, FOURTEEN), random),
    )


def _mistaken(
    claims: Sequence[Claim], missed: float, false: float, random: np.random.Generator
) -> list[Claim]:
    """The affirmations of the fourteen findings with some left out and some added."""
    present = [claim for claim in claims if claim.present and claim.finding in FOURTEEN]
    kept = [claim for claim in present if random.random() >= missed]
    true = {claim.finding for claim in present}
    draws = zip(FOURTEEN, random.random(len(FOURTEEN)), strict=True)
    added = [Claim(finding=f) for f, draw in draws if f not in true and draw < false]
    return kept + added
