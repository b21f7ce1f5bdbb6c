"""A deployable network: a folder with safetensors weights and the JSON that describes them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from findings.errors import WeightsError
from models.eight_bits import expanded, packed

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
SHIPPED = Path(__file__).with_name("shipped")
_MOST_BYTES = 256 * 2**20


class NetworkConfig(BaseModel):
    """What every deployed network says about itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    licence: str
    training_command: str
    training_data_sha256: str = Field(description="over the ids and splits of the images used")
    weights_sha256: str = ""


Config = TypeVar("Config", bound=NetworkConfig)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


Bits = Literal[8, 16]


def write_network(
    folder: Path, weights: dict[str, Tensor], config: Config, bits: Bits = 16
) -> Config:
    """Write weights and config; gives the config with the checksum.

    Parameters are stored as float16, or with 8 ``bits`` as :mod:`models.eight_bits` does. The
    running statistics of normalisation stay float32, since their variances come near float16's
    upper end.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    stored = _stored(weights, bits)
    unfinished = folder / f"{WEIGHTS}.unfinished"
    save_file(stored, unfinished)
    complete = config.model_copy(update={"weights_sha256": file_sha256(unfinished)})
    unfinished.replace(folder / WEIGHTS)
    draft = folder / f"{CONFIG}.unfinished"
    draft.write_text(complete.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / CONFIG)
    return complete


def as_stored(weights: dict[str, Tensor], bits: Bits) -> dict[str, Tensor]:
    """The weights as whoever reads the written file will have them; what is fitted after training
    is fitted to these."""
    return _restored(_stored(weights, bits))


def _stored(weights: dict[str, Tensor], bits: Bits) -> dict[str, Tensor]:
    values = packed(weights) if bits == 8 else weights
    # The scales that packing adds are no parameters and stay float32.
    return {
        name: (value.half() if name in weights and _may_be_halved(name, value) else value)
        .contiguous()
        .clone()
        for name, value in values.items()
    }


def _restored(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: value.float() if value.dtype is torch.float16 else value
        for name, value in expanded(stored).items()
    }


def _may_be_halved(name: str, value: Tensor) -> bool:
    statistic = name.endswith(("running_mean", "running_var"))
    return value.dtype.is_floating_point and not statistic


def read_config(folder: Path, kind: type[Config]) -> Config:
    """Read and validate ``config.json``.

    Raises:
        WeightsError: it is missing or not of this kind.
    """
    path = folder / CONFIG
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise WeightsError(
            f"the weights folder {folder.name} has no readable {CONFIG}: restore it from the "
            "repository or train the network again"
        ) from error
    except ValidationError as error:
        raise WeightsError(
            f"{CONFIG} of {folder.name} does not describe this network "
            f"({error.error_count()} faults): restore it from the repository"
        ) from error


def load_weights(network: nn.Module, folder: Path, sha256: str) -> None:
    """Check the weights file against ``sha256`` and load it into ``network`` as float32.

    Raises:
        WeightsError: missing, too large, of another checksum, or of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = folder / WEIGHTS
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        raise WeightsError(
            f"the weights {folder.name}/{WEIGHTS} are missing or far too large: restore them "
            "from the repository"
        )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise WeightsError(
            f"the weights {folder.name}/{WEIGHTS} do not have the checksum that their config "
            "states, so they were damaged or exchanged: restore them from the repository"
        )
    try:
        network.load_state_dict(_restored(load(content)))
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(
            f"the weights {folder.name}/{WEIGHTS} do not fit the network: restore them from the "
            "repository"
        ) from error
