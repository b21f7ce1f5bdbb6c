"""Loading a Hugging Face folder for inference: local files, safetensors, no code of others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from findings.errors import SettingsError, WeightsError
from models.published.label_map import Activation

if TYPE_CHECKING:
    import torch


class HubNetwork:
    """A network with its image processor. One instance may be used from several threads."""

    def __init__(self, folder: Path, auto_class: Any) -> None:
        """`auto_class` is the transformers Auto class of the task. Raises `WeightsError`."""
        from transformers import AutoImageProcessor

        processors: Any = AutoImageProcessor
        try:
            self._network = auto_class.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, trust_remote_code=False
            ).eval()
            self._processor = processors.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # transformers raises errors of many kinds
            raise WeightsError(
                "The Hugging Face model cannot be loaded for this task "
                f"({type(error).__name__}): its config, weights or image processor do not fit, or "
                "it needs code of its own, which is never run."
            ) from error

    @property
    def processor(self) -> Any:
        """The image processor."""
        return self._processor

    @property
    def labels(self) -> dict[str, int]:
        """The model's labels and their outputs."""
        return {str(label): int(i) for i, label in self._network.config.id2label.items()}

    def activation(self, chosen: Activation | None) -> Activation:
        """What turns its outputs into probabilities: the chosen one, else what its config says."""
        if chosen is not None:
            return chosen
        several = self._network.config.problem_type == "multi_label_classification"
        return "sigmoid" if several else "softmax"

    def outputs(self, named: set[str]) -> dict[str, int]:
        """The outputs of the labels that a map names. Raises `SettingsError` naming a wrong one."""
        labels = self.labels
        for label in sorted(named):
            if label not in labels:
                known = ", ".join(list(labels)[:30])
                raise SettingsError(
                    f"The label map names '{label}', which the model lacks. It has: {known}."
                )
        return {label: labels[label] for label in named}

    def logits(self, display: NDArray[np.float32]) -> torch.Tensor:
        """The outputs for display pixels (H×W in [0, 1], bright where dense), without the batch."""
        import PIL.Image
        import torch

        grey = np.rint(np.clip(display, 0.0, 1.0) * 255.0).astype(np.uint8)
        picture = PIL.Image.fromarray(grey).convert("RGB")
        with torch.inference_mode():
            taken = self._processor(images=picture, return_tensors="pt")
            outputs: torch.Tensor = self._network(pixel_values=taken["pixel_values"]).logits[0]
        if not bool(torch.isfinite(outputs).all()):
            raise WeightsError("The Hugging Face model gives no numbers; its weights are damaged.")
        return outputs.float()
