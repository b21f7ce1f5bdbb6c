"""Image encoders of the report models: one vector for each patch of a radiograph.

``embedded`` is the trunk that the shipped experts share. Others are loaded from where the user has
them: a Hugging Face vision model (ViT, CLIP, SigLIP, Swin) as a folder, ``hf:ORG/NAME`` or
``file:`` address, or BioViL's ResNet-50 as ``biovil:FILE``. Vectors of a frozen encoder are
computed once and kept beside the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from findings.errors import WeightsError
from models.classifier.cropping import View, shown_views
from models.classifier.inference import FindingClassifier
from models.classifier.network import FindingNetwork
from models.data.files import cache_key
from models.data.trunk_features import trunk_features
from models.language.loading import EMBEDDED, folder_sha256, located, quiet_transformers
from models.preprocessing import to_square
from models.shipping import SHIPPED, file_sha256, load_weights

BIOVIL: Final = "biovil:"
CLASSIFIER: Final = "finding_classifier"
_BIOVIL_SIZE: Final = 448
_BATCH: Final = 8


class ImageEncoder(Protocol):
    """Turns radiographs into ``rows`` × ``columns`` patch vectors of length ``width``."""

    width: int
    rows: int
    columns: int
    sha256: str
    """What tells its weights from every other's."""

    def encode(self, displays: Sequence[NDArray[np.float32]]) -> Tensor:
        """Vectors ``(batch, rows * columns, width)``, row by row from the image's upper left.

        Displays as in `models.reports.contract.ReportWriter.write`.

        Raises:
            StudyError: an array is not such an image.
        """


class TrunkEncoder:
    """The last map of the finding classifier's trunk."""

    def __init__(self, classifier: FindingClassifier) -> None:
        self._classifier = classifier
        self.sha256 = classifier.config.weights_sha256
        map_ = classifier.features(np.full((64, 64), 0.5, dtype=np.float32))
        self.width, self.rows, self.columns = map_.shape

    def map(self, display: NDArray[np.float32]) -> NDArray[np.float32]:
        """The map itself: ``(width, rows, columns)``."""
        return self._classifier.features(display)

    @cached_property
    def network(self) -> FindingNetwork:
        """The network whose trunk it is, on its own, so that a change of it changes no expert."""
        config = self._classifier.config
        members = nn.ModuleList(
            FindingNetwork(len(config.findings), backbone=config.backbone) for _ in config.members
        )
        load_weights(members, SHIPPED / CLASSIFIER, config.weights_sha256)
        first = members[0].eval().requires_grad_(False)
        assert isinstance(first, FindingNetwork)
        return first

    def pixels(self, displays: Sequence[NDArray[np.float32]]) -> Tensor:
        """What the trunk is shown: ``(batch, 1, size, size)``."""
        config = self._classifier.config
        whole = config.members[0].model_copy(update={"views": (View.WHOLE,)})
        squares = [to_square(display, config.cache_size)[None, None] for display in displays]
        return torch.cat([shown_views(own, torch.zeros(1, 4), whole, 0.0)[:1] for own in squares])

    def vectors(self, pixels: Tensor, network: nn.Module | None = None) -> Tensor:
        """Patch vectors of such pixels, with gradients where something trains.

        ``network`` takes the place of the classifier's own.
        """
        chosen: Any = network or self.network
        maps: Tensor = chosen.features(pixels)
        return maps.flatten(2).transpose(1, 2)

    def encode(self, displays: Sequence[NDArray[np.float32]]) -> Tensor:
        """See `ImageEncoder`."""
        maps = torch.from_numpy(np.stack([self.map(display) for display in displays]))
        return maps.flatten(2).transpose(1, 2)


class HubEncoder:
    """A vision model of transformers from its folder, and its own image processor."""

    def __init__(self, folder: Path) -> None:
        """Raises `WeightsError` where it cannot be loaded or gives no square of patches."""
        from transformers import AutoConfig, AutoImageProcessor, AutoModel

        processors: Any = AutoImageProcessor
        models: Any = AutoModel
        configs: Any = AutoConfig
        try:
            with quiet_transformers():
                config = configs.from_pretrained(folder, local_files_only=True)
                self.network: Any = models.from_pretrained(
                    folder,
                    local_files_only=True,
                    use_safetensors=True,
                    trust_remote_code=False,
                )
                self._processor = processors.from_pretrained(
                    folder, local_files_only=True, trust_remote_code=False
                )
        except Exception as error:  # transformers raises errors of many kinds
            raise WeightsError(
                f"The vision model cannot be loaded ({type(error).__name__}): its config, weights "
                "or image processor do not fit, or it needs code of its own, which is never run."
            ) from error
        if hasattr(config, "vision_config"):
            self.network = self.network.vision_model
        self.network.eval().requires_grad_(False)
        self.sha256 = folder_sha256(folder)
        found = self.encode([np.full((64, 64), 0.5, dtype=np.float32)])
        self.rows = self.columns = int(found.shape[1] ** 0.5)
        self.width = int(found.shape[2])
        if self.rows * self.columns != found.shape[1]:
            raise WeightsError("The vision model gives no square of patches, so it is not used.")

    def pixels(self, displays: Sequence[NDArray[np.float32]]) -> Tensor:
        """What its image processor makes of displays."""
        import PIL.Image

        pictures = [
            PIL.Image.fromarray(np.rint(np.clip(own, 0, 1) * 255).astype(np.uint8)).convert("RGB")
            for own in displays
        ]
        found: Tensor = self._processor(images=pictures, return_tensors="pt")["pixel_values"]
        return found

    def vectors(self, pixels: Tensor, network: Any = None) -> Tensor:
        """Patch vectors of processed pixels, with gradients where something trains.

        ``network`` takes the place of the encoder's own.
        """
        hidden: Tensor = (network or self.network)(pixel_values=pixels).last_hidden_state
        patches = int(hidden.shape[1] ** 0.5) ** 2
        # A class token, where there is one, comes first.
        return hidden[:, hidden.shape[1] - patches :]

    def encode(self, displays: Sequence[NDArray[np.float32]]) -> Tensor:
        """See `ImageEncoder`."""
        with torch.inference_mode():
            return self.vectors(self.pixels(displays)).float().clone()


class BioVilEncoder:
    """BioViL's image encoder (Boecking et al., ECCV 2022): a ResNet-50 at 448 pixels, 14 × 14.

    The paper calls it a Vision Transformer; as published it is a ResNet-50, whose last map has
    the 14 × 14 places that the paper counts.
    """

    width = 2048
    rows = columns = _BIOVIL_SIZE // 32

    def __init__(self, file: Path, sha256: str = "") -> None:
        """``file`` is ``biovil_image_resnet50_proj_size_128.pt``, or the same as safetensors.

        Raises:
            WeightsError: it is missing, of another checksum, or of another network.
        """
        if not file.is_file():
            raise WeightsError("BioViL's weights file is not there; check its path.")
        self.sha256 = file_sha256(file)
        if sha256 and sha256 != self.sha256:
            raise WeightsError("BioViL's weights do not have the checksum that was stated.")
        self.network = _resnet50_map()
        try:
            self.network.load_state_dict(_biovil_state(file))
        except RuntimeError as error:
            raise WeightsError("The file does not hold BioViL's ResNet-50.") from error
        self.network.eval().requires_grad_(False)

    def encode(self, displays: Sequence[NDArray[np.float32]]) -> Tensor:
        """See `ImageEncoder`."""
        squares = torch.stack([to_square(own, _BIOVIL_SIZE) for own in displays])[:, None]
        with torch.inference_mode():
            found: Tensor = self.network(squares.expand(-1, 3, -1, -1))
        return found.flatten(2).transpose(1, 2).clone()


def load_image_encoder(source: str, cache: Path, sha256: str = "") -> ImageEncoder:
    """The frozen image encoder of that name; see the module.

    Raises:
        WeightsError: it is not here, of another checksum, or no vision model.
        UserInputError: the source is not named in one of the known ways.
    """
    if source == EMBEDDED:
        return TrunkEncoder(FindingClassifier.load())
    if source.startswith(BIOVIL):
        return BioVilEncoder(Path(source.removeprefix(BIOVIL)).expanduser(), sha256)
    return HubEncoder(located(source, cache, sha256))


class ImageVectors:
    """The vectors of many images, computed once and then read from disk."""

    def __init__(self, maps: NDArray[np.float16], channels_first: bool) -> None:
        self._maps = maps
        self._channels_first = channels_first

    def __len__(self) -> int:
        return len(self._maps)

    def __call__(self, indices: NDArray[np.int64]) -> Tensor:
        """Float32 ``(batch, rows * columns, width)`` of the images at ``indices``."""
        found = torch.from_numpy(np.asarray(self._maps[indices], dtype=np.float32))
        return found.flatten(2).transpose(1, 2) if self._channels_first else found


def encoded_images(encoder: ImageEncoder, images: Sequence[Path], folder: Path) -> ImageVectors:
    """Encode image files, or take what an earlier run left in ``folder``.

    Raises:
        StudyError: an image cannot be analysed.
    """
    from models.preprocessing import read_display

    if isinstance(encoder, TrunkEncoder):
        return ImageVectors(trunk_features(images, encoder.map, encoder.sha256, folder), True)
    key = cache_key(encoder.sha256, *(f"{path.parent.parent.name}/{path.name}" for path in images))
    path = folder / f"vectors-{key}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        shape = (len(images), encoder.rows * encoder.columns, encoder.width)
        maps = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.float16, shape=shape)
        for start in range(0, len(images), _BATCH):
            shown = [read_display(image) for image in images[start : start + _BATCH]]
            maps[start : start + len(shown)] = encoder.encode(shown).half().numpy()
        maps.flush()
        del maps
        unfinished.replace(path)
    return ImageVectors(np.load(path, mmap_mode="r", allow_pickle=False), False)


def meta_vision_model(name: str) -> nn.Module:
    """A paper's image encoder without weights, on the meta device.

    Raises:
        ValueError: there is none of that name.
    """
    import transformers

    made: Any = transformers
    with torch.device("meta"):
        match name:
            case "biovil-resnet50":
                return _resnet50_map()
            case "vit-b-16":
                network: nn.Module = made.ViTModel(made.ViTConfig(), add_pooling_layer=False)
            case "clip-vit-b-16":
                network = made.CLIPVisionModel(
                    made.CLIPVisionConfig(
                        hidden_size=768,
                        intermediate_size=3072,
                        num_hidden_layers=12,
                        num_attention_heads=12,
                        patch_size=16,
                    )
                )
            case "swin-b":
                network = made.SwinModel(
                    made.SwinConfig(embed_dim=128, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32]),
                    add_pooling_layer=False,
                )
            case _:
                raise ValueError(f"there is no image encoder {name!r}")
    return network


def _resnet50_map() -> nn.Module:
    """torchvision's ResNet-50 up to its last map."""
    from torchvision.models import resnet50

    whole = resnet50(weights=None)
    layers = [(name, layer) for name, layer in whole.named_children() if name not in _HEADS]
    network = nn.Sequential()
    for name, layer in layers:
        network.add_module(name, layer)
    return network


_HEADS: Final = ("avgpool", "fc")


def _biovil_state(file: Path) -> dict[str, Tensor]:
    """The encoder's tensors by torchvision's names."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if file.suffix == ".safetensors":
            state: dict[str, Tensor] = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError) as error:
        raise WeightsError("BioViL's weights file cannot be read; it is damaged.") from error
    prefix = "encoder.encoder."
    return {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if name.startswith(prefix) and not name.startswith(f"{prefix}fc.")
    }
