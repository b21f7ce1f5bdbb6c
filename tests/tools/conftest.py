"""Drawn chests, and small models that keep the real models' interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from findings.evidence import Box
from findings.vocabulary import Finding
from imaging.study import FloatImage, Mask, Study, StudyImage, View
from models.classifier.inference import ClassifierOutput, OperatingPoint, OperatingPoints
from models.segmenter.inference import AnatomyMasks, Structure

SIZE = 200


def drawn_masks(heart_radius: float = 30.0) -> dict[Structure, Mask]:
    """Five ellipses; the thorax is 160 wide, so the ratio is heart_radius / 80."""
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5

    def ellipse(x: float, y: float, rx: float, ry: float) -> Mask:
        return np.asarray(((columns - x) / rx) ** 2 + ((rows - y) / ry) ** 2 <= 1.0)

    heart = ellipse(105, 135, heart_radius, 30)
    return {
        Structure.LEFT_LUNG: ellipse(145, 100, 35, 80) & ~heart,
        Structure.RIGHT_LUNG: ellipse(55, 100, 35, 80) & ~heart,
        Structure.HEART: heart,
        Structure.LEFT_CLAVICLE: ellipse(140, 40, 25, 4),
        Structure.RIGHT_CLAVICLE: ellipse(60, 40, 25, 4),
    }


@dataclass
class DrawingSegmenter:
    """Returns the drawn chest whose heart radius the image's first pixel states, in hundredths."""

    quality: float = 0.95
    blank: bool = False

    def segment(self, display: FloatImage) -> AnatomyMasks:
        """The drawn masks."""
        masks = drawn_masks(float(display[0, 0]) * 100)
        if self.blank:
            masks = {part: np.zeros_like(mask) for part, mask in masks.items()}
        return AnatomyMasks(
            masks=masks,
            probability={},
            quality=dict.fromkeys(masks, 0.0 if self.blank else self.quality),
            seconds=0.0,
        )


@dataclass
class BrightnessClassifier:
    """Takes the image's last pixel for the probability of effusion; the nodule is never found."""

    boxes: list[Box | None] = field(default_factory=list)

    def classify(self, display: FloatImage, lung_box: Box | None = None) -> ClassifierOutput:
        """Two findings, one of them without a confident operating point."""
        self.boxes.append(lung_box)
        probability = {
            Finding.PLEURAL_EFFUSION: float(display[-1, -1]),
            Finding.NODULE: 0.02,
        }

        def point(threshold: float) -> OperatingPoint:
            return OperatingPoint(threshold=threshold, sensitivity=0.9, specificity=0.9)

        points = {
            Finding.PLEURAL_EFFUSION: OperatingPoints(
                balanced=point(0.4), sensitive=point(0.1), confident=point(0.8)
            ),
            Finding.NODULE: OperatingPoints(balanced=point(0.4), sensitive=point(0.1)),
        }
        return ClassifierOutput(
            probability=probability,
            logit=dict.fromkeys(probability, 0.0),
            operating_points=points,
            conformal={},
            seconds=0.0,
        )


def image(heart_radius: float = 0.30, effusion: float = 0.5, view: View = View.PA) -> StudyImage:
    """A film that tells the small models what to see."""
    display = np.full((SIZE, SIZE), 0.5, dtype=np.float32)
    display[0, 0], display[-1, -1] = heart_radius, effusion
    return StudyImage(display=display, view=view)


@pytest.fixture
def make_study() -> Callable[..., Study]:
    """Builds a study: heart_radius (hundredths of a pixel-hundred), effusion, view, prior."""

    def make(
        heart_radius: float = 0.30,
        effusion: float = 0.5,
        view: View = View.PA,
        prior: Study | None = None,
        prior_report: str | None = None,
    ) -> Study:
        return Study(
            images=(image(heart_radius, effusion, view),),
            study_key="drawn",
            prior=prior,
            prior_report=prior_report,
        )

    return make


@pytest.fixture
def segmenter_model() -> DrawingSegmenter:
    """A segmenter that sees the drawn chest."""
    return DrawingSegmenter()


@pytest.fixture
def blank_segmenter_model() -> DrawingSegmenter:
    """A segmenter that sees nothing."""
    return DrawingSegmenter(blank=True)


@pytest.fixture
def doubtful_segmenter_model() -> DrawingSegmenter:
    """A segmenter whose masks cannot be trusted."""
    return DrawingSegmenter(quality=0.3)


@pytest.fixture
def classifier_model() -> BrightnessClassifier:
    """A classifier that reads one pixel."""
    return BrightnessClassifier()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty folder of pulled weights."""
    return tmp_path
