"""Weak boxes: where on the image the finding classifier's evidence for a finding comes from.

Class activation mapping (Zhou et al., CVPR 2016), for a head that is linear in the average and the
maximum of each channel: a place's share of the logit is the average's weight times the feature
there and, where the channel has its maximum, the maximum's weight times it as well. The shares'
mean over the map is the logit without its bias, so the map hides nothing and invents nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from findings.errors import WeightsError
from findings.vocabulary import Finding
from models.classifier.inference import FindingClassifier
from models.shipping import SHIPPED, WEIGHTS

Box = tuple[float, float, float, float]

_HALF = 0.5
"""Of the map's maximum: the finding's place is the patch above it that holds the maximum."""
_DECISIVE = 0.3
"""Largest share of the peak that the other half of the image may reach. On the 255 one-sided boxes
of every second boxed NIH training image the peak lay on the drawn side in 69 %, and in 83 % of the
36 % that pass."""
_FINE = 128
"""Side to which the map is enlarged, so that the patch's border is not a cell's."""


class ActivationPlacer:
    """Places findings by the activation of the shipped classifier's first network.

    One instance may be used from several threads at once.
    """

    def __init__(
        self,
        classifier: FindingClassifier,
        weights: NDArray[np.float32],
    ) -> None:
        """``weights`` is the head's ``(findings, 2 x channels)``: averages', then maxima's."""
        self._classifier = classifier
        self._rows = {name: row for row, name in enumerate(classifier.config.findings)}
        self._weights = weights

    @classmethod
    def load(cls, folder: Path | None = None) -> ActivationPlacer:
        """Load the shipped classifier, or the one in ``folder``.

        Raises:
            WeightsError: weights or config are missing, damaged or of another network.
        """
        from safetensors import safe_open

        folder = folder or SHIPPED / "finding_classifier"
        classifier = FindingClassifier.load(folder)
        with safe_open(folder / WEIGHTS, "np") as file:
            weights = file.get_tensor("0.head.classify.weight").astype(np.float32)
        if len(weights) < len(classifier.config.findings):
            raise WeightsError(
                "the finding classifier's head does not fit its findings: restore its weights "
                "from the repository"
            )
        return cls(classifier, weights)

    def place(
        self, display: NDArray[np.float32], findings: tuple[Finding, ...]
    ) -> dict[Finding, Box]:
        """A box in pixels of ``display`` for each finding that has its evidence on one side.

        ``display`` as for :meth:`models.classifier.inference.FindingClassifier.classify`; findings
        that the classifier does not judge are left out.

        Raises:
            StudyError: the array is not an image.
        """
        features = self._classifier.features(display)
        boxes = {}
        for finding in findings:
            if finding in self._rows:
                shares = activation_map(features, self._weights[self._rows[finding]])
                box = peak_box(shares, display.shape)
                if box is not None:
                    boxes[finding] = box
        return boxes


def activation_map(
    features: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Each place's share of the logit, ``(rows, columns)``, from ``(channels, rows, columns)``."""
    channels, rows, columns = features.shape
    flat = features.reshape(channels, -1)
    averages, maxima = weights[:channels], weights[channels:]
    shares = averages @ flat
    peak = flat.argmax(axis=1)
    np.add.at(shares, peak, rows * columns * maxima * flat[np.arange(channels), peak])
    found: NDArray[np.float32] = shares.reshape(rows, columns)
    return found


def peak_box(shares: NDArray[np.float32], shape: tuple[int, ...]) -> Box | None:
    """The box around the peak of a map, in pixels of an image of ``shape`` (height, width).

    None where nothing speaks for the finding, or where both halves of the image do.
    """
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(shares.astype(np.float64), sigma=0.7, mode="nearest")
    half = smooth.shape[1] // 2
    sides = sorted((float(smooth[:, :half].max()), float(smooth[:, -half:].max())))
    if smooth.max() <= 0 or sides[0] > _DECISIVE * smooth.max():
        return None
    rows, columns = smooth.shape
    places = np.meshgrid(
        (np.arange(_FINE) + 0.5) * rows / _FINE - 0.5,
        (np.arange(_FINE) + 0.5) * columns / _FINE - 0.5,
        indexing="ij",
    )
    fine = ndimage.map_coordinates(smooth, places, order=1, mode="nearest")
    patches, _ = ndimage.label(fine >= _HALF * fine.max())
    own = patches == patches.flat[fine.argmax()]
    across, down = np.flatnonzero(own.any(axis=0)), np.flatnonzero(own.any(axis=1))
    height, width = shape[0] / _FINE, shape[1] / _FINE
    return (
        float(across[0] * width),
        float(down[0] * height),
        float((across[-1] + 1) * width),
        float((down[-1] + 1) * height),
    )
