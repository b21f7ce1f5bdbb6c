"""Adapters as GGUF, for llama.cpp: a small file beside the base model, or one merged model.

GGUF keeps the query and key rows of a Llama block in another order than Hugging Face does: the two
halves of each head interleaved, as its rotary embedding wants them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from findings.errors import WeightsError
from models.language.adapter_card import CARD_FILE, WEIGHTS_FILE, AdapterCard, read_adapter_card

if TYPE_CHECKING:
    from gguf import GGUFReader, GGUFWriter

ADAPTER_FILE: Final = "adapter.gguf"
MODEL_FILE: Final = "model.gguf"

Matrix = NDArray[np.float32]

_MODULE: Final = re.compile(r"\.layers\.(\d+)\.(?:self_attn|mlp)\.(\w+)\.lora_([AB])\.weight$")
_NAMES: Final = {
    "q_proj": "attn_q",
    "k_proj": "attn_k",
    "v_proj": "attn_v",
    "o_proj": "attn_output",
    "gate_proj": "ffn_gate",
    "up_proj": "ffn_up",
    "down_proj": "ffn_down",
}
_HEADS: Final = {
    "attn_q": "llama.attention.head_count",
    "attn_k": "llama.attention.head_count_kv",
}


class LowRank(NamedTuple):
    """An adapter's share of one matrix: what is added is `scale` times `b` times `a`."""

    a: Matrix
    """(rank, inputs)"""
    b: Matrix
    """(outputs, rank), rows in GGUF's order"""


def export_adapter(base: Path, adapter: Path, out: Path) -> Path:
    """Write `out/adapter.gguf` for the GGUF model `base`, the card beside it; returns its path.

    Raises `WeightsError` where the adapter is damaged or does not fit, or gguf is not installed.
    """
    gguf = _package()
    card = read_adapter_card(adapter)
    reader: GGUFReader = gguf.GGUFReader(base)
    shares = _shares(reader, adapter)
    out.mkdir(parents=True, exist_ok=True)
    path = out / ADAPTER_FILE
    draft = path.with_name(f".{path.name}.unfinished")
    writer: GGUFWriter = gguf.GGUFWriter(draft, _architecture(reader))
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", card.alpha)
    writer.add_string("general.name", card.name)
    for name, share in sorted(shares.items()):
        writer.add_tensor(f"{name}.lora_a", share.a.astype(np.float16))
        writer.add_tensor(f"{name}.lora_b", share.b.astype(np.float16))
    _close(writer)
    draft.replace(path)
    shutil.copyfile(adapter / CARD_FILE, out / CARD_FILE)
    return path


def export_model(base: Path, adapter: Path, out: Path) -> Path:
    """Write `out/model.gguf`: the GGUF model `base` with the adapter worked in; returns its path.

    Matrices that carry an adapter are kept at 8 bits, since a 4-bit grid would swallow most of what
    the adapter adds; everything else is copied byte for byte. Raises as `export_adapter`.
    """
    gguf = _package()
    card = read_adapter_card(adapter)
    reader: GGUFReader = gguf.GGUFReader(base)
    shares = _shares(reader, adapter)
    out.mkdir(parents=True, exist_ok=True)
    path = out / MODEL_FILE
    draft = path.with_name(f".{path.name}.unfinished")
    writer: GGUFWriter = gguf.GGUFWriter(draft, _architecture(reader))
    _copy_fields(reader, writer, card)
    for tensor in reader.tensors:
        share = shares.get(tensor.name)
        if share is None:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            continue
        plain = gguf.dequantize(tensor.data, tensor.tensor_type)
        summed = plain + (card.alpha / card.rank) * (share.b @ share.a)
        packed = gguf.quantize(summed.astype(np.float32), gguf.GGMLQuantizationType.Q8_0)
        writer.add_tensor(tensor.name, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    _close(writer)
    draft.replace(path)
    shutil.copyfile(adapter / CARD_FILE, out / CARD_FILE)
    return path


def _package() -> Any:
    try:
        import gguf
    except ImportError as error:
        raise WeightsError(
            "Writing GGUF files takes the package gguf. Run 'pip install gguf'."
        ) from error
    return gguf


def _architecture(reader: GGUFReader) -> str:
    name = str(_value(reader, "general.architecture"))
    if name != "llama":
        raise WeightsError(
            f"The base model is of the architecture {name}; adapters are exported for Llama's only."
        )
    return name


def _value(reader: GGUFReader, key: str) -> Any:
    field = reader.fields.get(key)
    if field is None:
        raise WeightsError(f"The base model's GGUF file does not state {key}: it is damaged.")
    return field.contents()


def _shares(reader: GGUFReader, adapter: Path) -> dict[str, LowRank]:
    """The adapter's matrices by the name of the tensor that they are added to."""
    shapes = {tensor.name: tuple(int(n) for n in tensor.shape) for tensor in reader.tensors}
    halves: dict[str, dict[str, Matrix]] = {}
    for module, layer, half, value in _weights(adapter):
        halves.setdefault(f"blk.{layer}.{_NAMES[module]}.weight", {})[half] = value
    shares = {}
    for name, found in halves.items():
        fits = set(found) == {"A", "B"} and shapes.get(name) == (
            found["A"].shape[1],
            found["B"].shape[0],
        )
        if not fits:
            raise WeightsError(
                f"The adapter does not fit the base model at {name}. Tune it again over this model."
            )
        b, kind = found["B"], name.split(".")[2]
        if kind in _HEADS:
            b = interleaved(b, int(_value(reader, _HEADS[kind])))
        shares[name] = LowRank(found["A"], b)
    return shares


def _weights(adapter: Path) -> Iterator[tuple[str, int, str, Matrix]]:
    from safetensors.numpy import load_file

    for name, value in load_file(adapter / WEIGHTS_FILE).items():
        match = _MODULE.search(name)
        if match is None or match.group(2) not in _NAMES:
            raise WeightsError(
                "The adapter changes layers that llama.cpp's adapters cannot. Merge it instead, "
                "with 'readingroom tune merge'."
            )
        yield match.group(2), int(match.group(1)), match.group(3), value.astype(np.float32)


def interleaved(rows: Matrix, heads: int) -> Matrix:
    """Rows (heads * size, …) in GGUF's order: the halves of each head one row of each in turn."""
    size = rows.shape[0] // heads
    parts = rows.reshape(heads, 2, size // 2, *rows.shape[1:])
    return np.ascontiguousarray(parts.swapaxes(1, 2).reshape(rows.shape))


def _copy_fields(reader: GGUFReader, writer: GGUFWriter, card: AdapterCard) -> None:
    """The base model's metadata, with the adapter's name."""
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        value = field.contents()
        if field.name == "general.name":
            value = f"{value} + {card.name} {card.version}"
        inner = field.types[-1] if len(field.types) > 1 else None
        writer.add_key_value(field.name, value, field.types[0], inner)


def _close(writer: GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
