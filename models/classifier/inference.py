"""Run the shipped finding classifier on one radiograph."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from findings.errors import StudyError
from findings.vocabulary import Finding
from models.calibration import OperatingPoint, OperatingPoints
from models.classifier.config import ClassifierConfig
from models.classifier.cropping import View, pooled_views, shown_views, view_logits
from models.classifier.network import FindingNetwork
from models.conformal import ConformalRule
from models.preprocessing import to_square
from models.shipping import SHIPPED, load_weights, read_config

__all__ = ["ClassifierOutput", "FindingClassifier", "OperatingPoint", "OperatingPoints"]

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class ClassifierOutput:
    """Judgement of one radiograph.

    ``probability`` is calibrated on the validation split of the training data's source, where
    findings are far commoner than in a clinic (but for tuberculosis, see
    :data:`models.classifier.fitting.SCREENED_PREVALENCE`); ``logit`` is the raw one, before it.
    ``seconds`` is the time the whole call took.
    """

    probability: dict[Finding, float]
    logit: dict[Finding, float]
    operating_points: dict[Finding, OperatingPoints]
    conformal: dict[Finding, ConformalRule]
    seconds: float = field(compare=False)


class FindingClassifier:
    """Judges fourteen findings on frontal chest radiographs.

    One instance may be used from several threads at once.
    """

    def __init__(self, config: ClassifierConfig, members: nn.ModuleList) -> None:
        self.config = config
        self._members = members.eval()

    @property
    def sees_lungs(self) -> bool:
        """Whether a member looks at the lungs alone, so that a lung box makes a difference."""
        return any(View.LUNGS in member.views for member in self.config.members)

    @classmethod
    def load(cls, folder: Path | None = None) -> FindingClassifier:
        """The shipped classifier, loaded once and shared, or the one in ``folder``.

        Raises:
            WeightsError: weights or config are missing, damaged or of another network.
        """
        if folder is None:
            return _shipped()
        config = read_config(folder, ClassifierConfig)
        members = nn.ModuleList(
            FindingNetwork(len(config.findings), backbone=config.backbone) for _ in config.members
        )
        load_weights(members, folder, config.weights_sha256)
        return cls(config, members.to(memory_format=torch.channels_last))

    def features(self, display: NDArray[np.float32]) -> NDArray[np.float32]:
        """The first member's trunk on the whole image: ``(channels, rows, columns)``.

        ``display`` as for :meth:`classify`. Other experts build on this map.

        Raises:
            StudyError: the array is not such an image.
        """
        square = to_square(display, self.config.cache_size)[None, None]
        whole = self.config.members[0].model_copy(update={"views": (View.WHOLE,)})
        network = self._members[0]
        assert isinstance(network, FindingNetwork)
        with torch.inference_mode():
            shown = shown_views(square, torch.zeros(1, 4), whole, 0.0)[:1]
            found: NDArray[np.float32] = network.features(shown)[0].float().numpy()
        return found

    def pooled(
        self, display: NDArray[np.float32], lung_box: Box | None = None
    ) -> list[NDArray[np.float32]]:
        """What each member's last layer sees of each of its views: ``(views, channels)``.

        Arguments as for :meth:`classify`. Other outputs can be fitted on it.

        Raises:
            StudyError: the array is not such an image, or the box is not within it.
        """
        square, lungs = self._shown(display, lung_box)
        seen: list[NDArray[np.float32]] = []
        for network, member in zip(self._members, self.config.members, strict=True):
            assert isinstance(network, FindingNetwork)
            found = pooled_views(network, square, lungs, member, self.config.box_margin)
            seen.append(found.numpy())
        return seen

    def classify(
        self, display: NDArray[np.float32], lung_box: Box | None = None
    ) -> ClassifierOutput:
        """Judge display pixels.

        ``display`` is float32 ``(height, width)`` in [0, 1], bright where the chest is dense,
        upright. ``lung_box`` is the box around both lungs in pixels (x_min, y_min, x_max, y_max),
        as :meth:`models.segmenter.inference.AnatomyMasks.lung_box` gives it. Without it the whole
        image takes its place; where no member `sees_lungs` it makes no difference.

        Raises:
            StudyError: the array is not such an image, or the box is not within it.
        """
        started = time.perf_counter()
        square, lungs = self._shown(display, lung_box)
        with torch.inference_mode():
            logits = torch.stack(
                [
                    view_logits(network, square, lungs, member, self.config.box_margin)
                    for network, member in zip(self._members, self.config.members, strict=True)
                ]
            )
        values = logits.mean(dim=0)[0].double().numpy()
        findings = self.config.findings
        return ClassifierOutput(
            probability={
                finding: float(fitted.calibration.apply(values[column : column + 1])[0])
                for column, (finding, fitted) in enumerate(findings.items())
            },
            logit={finding: float(value) for finding, value in zip(findings, values, strict=True)},
            operating_points={name: fitted.operating_points for name, fitted in findings.items()},
            conformal={name: fitted.conformal for name, fitted in findings.items()},
            seconds=time.perf_counter() - started,
        )

    def _shown(self, display: NDArray[np.float32], lung_box: Box | None) -> tuple[Tensor, Tensor]:
        """The image squared, and the box around its lungs in shares of its sides."""
        square = to_square(display, self.config.cache_size)[None, None]
        box = _share_of_image(lung_box, *display.shape)
        return square, torch.tensor([box], dtype=torch.float32)


_LOADING = threading.Lock()


def _shipped() -> FindingClassifier:
    """The one instance that every expert on the shared trunk uses."""
    with _LOADING:
        return _load_shipped()


@cache
def _load_shipped() -> FindingClassifier:
    return FindingClassifier.load(SHIPPED / "finding_classifier")


def _share_of_image(box: Box | None, height: int, width: int) -> Box:
    if box is None:
        return (0.0, 0.0, 1.0, 1.0)
    x_min, y_min, x_max, y_max = box
    if not (0 <= x_min < x_max <= width and 0 <= y_min < y_max <= height):
        raise StudyError(
            f"the lung box {box} does not lie within the image of {width} x {height} pixels: "
            "give x_min, y_min, x_max, y_max in pixels of that image"
        )
    return (x_min / width, y_min / height, x_max / width, y_max / height)
