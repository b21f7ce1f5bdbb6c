"""Any Hugging Face semantic segmenter, its labels mapped to regions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from findings.errors import WeightsError
from findings.regions import Region
from models.published.hub_loading import HubNetwork
from models.published.label_map import RegionLabels
from models.published.outlines import Outlines, firmness


class HubSegmenter:
    """A segmenter of transformers' `AutoModelForSemanticSegmentation`."""

    def __init__(self, folder: Path, labels: RegionLabels) -> None:
        """Load it. Raises `WeightsError`, or `SettingsError` where the map does not fit."""
        from transformers import AutoModelForSemanticSegmentation

        self._network = HubNetwork(folder, AutoModelForSemanticSegmentation)
        self._outputs = self._network.outputs(set(labels.labels))
        self._labels = labels
        processor = self._network.processor
        for step in ("do_center_crop", "do_pad"):
            if getattr(processor, step, False):
                raise WeightsError(
                    "The Hugging Face segmenter's image processor crops or pads, so its masks "
                    f"cannot be laid on the film. Set {step} to false in preprocessor_config.json."
                )

    def outline(self, display: NDArray[np.float32]) -> Outlines:
        """Masks at the display's size (H×W in [0, 1]), sides as the label map names them.

        With softmax (the default) each pixel belongs to its likeliest label; with sigmoid, to each
        label above one half. A region of several labels is their union.
        """
        import torch

        logits = self._network.logits(display)[None]
        # As transformers' own post-processing: logits are enlarged, then decided.
        logits = torch.nn.functional.interpolate(
            logits, size=display.shape, mode="bilinear", align_corners=False
        )[0]
        softmax = (self._labels.activation or "softmax") == "softmax"
        probability = logits.softmax(0) if softmax else logits.sigmoid()
        decided = probability.argmax(0)
        masks: dict[Region, NDArray[np.bool_]] = {}
        maps: dict[Region, NDArray[np.float32]] = {}
        for label, meaning in self._labels.labels.items():
            output = self._outputs[label]
            mask = ((decided == output) if softmax else (probability[output] > 0.5)).numpy()
            map_: NDArray[np.float32] = probability[output].numpy()
            if meaning.region in masks:
                mask = mask | masks[meaning.region]
                before = maps[meaning.region]
                map_ = np.minimum(before + map_, 1) if softmax else np.maximum(before, map_)
            masks[meaning.region], maps[meaning.region] = mask, map_
        return Outlines(
            masks, {region: firmness(maps[region], mask) for region, mask in masks.items()}
        )
