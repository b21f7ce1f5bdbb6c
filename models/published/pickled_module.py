"""The tensors of a pickled torch module, read as data: nothing in the file is imported or called.

torchxrayvision publishes its DenseNets as whole modules in torch's format of before version 1.6.
`torch.load(weights_only=True)` cannot read those: they refer to classes. This reader goes through
the pickle's opcodes (`pickletools`, which decodes and never executes), keeps every class as a mere
name, and takes out what `Module.state_dict` would give: parameters and buffers by their path.
Both of torch's formats are read: the old stream and the zip of today.
"""

from __future__ import annotations

import math
import os
import pickletools
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from findings.errors import WeightsError

if TYPE_CHECKING:
    import torch

_MAGIC: Final = 0x1950A86A20F9469CFC6C
"""First value of torch's old stream (torch.serialization.MAGIC_NUMBER)."""
_PROTOCOL: Final = 1001
_MOST_OPERATIONS: Final = 2_000_000
_DEEPEST: Final = 64
_DTYPES: Final = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_CONSTANTS: Final = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
}
_LITERALS: Final = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING"}
)
_MARK: Final = object()


@dataclass(frozen=True)
class _Name:
    """A class or function that the file refers to; only ever a name here."""

    text: str


@dataclass(eq=False)
class _Made:
    """What a call in the file would have made: the callee's name, its arguments, its state."""

    by: object
    arguments: object
    state: object = None
    items: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class _Storage:
    """A reference to the numbers of one tensor or more."""

    kind: str
    key: str
    count: int


def read_tensors(file: Path) -> dict[str, torch.Tensor]:
    """Parameters and buffers of the pickled module, under the names of its `state_dict`.

    Raises `WeightsError` where the file holds no such module or is damaged.
    """
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                return _of_zip(archive)
        with file.open("rb") as stream:
            return _of_stream(stream)
    except WeightsError:
        raise
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError) as error:
        raise WeightsError(
            "A weights file holds neither a table of tensors nor a torch module "
            f"({type(error).__name__}), so it is not used."
        ) from error
    except (OSError, zipfile.BadZipFile, MemoryError) as error:
        raise WeightsError(
            f"A weights file cannot be read ({type(error).__name__}). Pull it again."
        ) from error


def _of_zip(archive: zipfile.ZipFile) -> dict[str, torch.Tensor]:
    (pickle,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
        raise ValueError("a compressed member could be of any length")
    root = pickle.removesuffix("data.pkl")
    with archive.open(pickle) as stream:
        module = _interpret(stream)

    def numbers(storage: _Storage) -> bytes:
        member = archive.getinfo(f"{root}data/{storage.key}")
        if member.file_size != storage.count * _width(storage):
            raise ValueError("a storage is not as long as it says")
        return archive.read(member)

    return _state(module, numbers)


def _of_stream(stream: IO[bytes]) -> dict[str, torch.Tensor]:
    if _interpret(stream) != _MAGIC or _interpret(stream) != _PROTOCOL:
        raise ValueError("no torch file")
    _interpret(stream)
    wanted: dict[str, _Storage] = {}
    module, keys = _interpret(stream, wanted), _interpret(stream)
    if not isinstance(keys, list):
        raise ValueError("no list of storages")
    begun = stream.tell()
    left = stream.seek(0, os.SEEK_END) - begun
    stream.seek(begun)
    held: dict[str, bytes] = {}
    for key in keys:
        count = int.from_bytes(stream.read(8), "little", signed=True)
        left -= 8 + count * _width(wanted[key])
        if count != wanted[key].count or left < 0:
            raise ValueError("a storage is not as long as it says")
        held[key] = stream.read(count * _width(wanted[key]))
    return _state(module, lambda storage: held[storage.key])


def _width(storage: _Storage) -> int:
    import numpy as np

    return np.dtype(_DTYPES[storage.kind]).itemsize


def _interpret(stream: IO[bytes], storages: dict[str, _Storage] | None = None) -> Any:
    """The value that one pickle describes, with names and `_Made` where it would make objects.

    `storages` takes up every storage that it refers to, by key.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        position = len(stack) - 1 - stack[::-1].index(_MARK)
        taken = stack[position + 1 :]
        del stack[position:]
        return taken

    for done, (opcode, found, _) in enumerate(pickletools.genops(stream)):
        argument: Any = found
        if done > _MOST_OPERATIONS:
            raise ValueError("too many operations")
        name = opcode.name
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "GLOBAL":
            stack.append(_Name(argument.replace(" ", ".", 1)))
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name in ("REDUCE", "NEWOBJ"):
            arguments = stack.pop()
            stack[-1] = _Made(stack[-1], arguments)
        elif name == "BUILD":
            state = stack.pop()
            stack[-1].state = state
        elif name == "BINPERSID":
            stack[-1] = referred = _reference(stack[-1])
            if storages is not None and isinstance(referred, _Storage):
                storages[referred.key] = referred
        elif name in ("SETITEM", "SETITEMS"):
            pairs = since_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            table = stack[-1].items if isinstance(stack[-1], _Made) else stack[-1]
            table.update(zip(pairs[::2], pairs[1::2], strict=True))
        elif name in ("APPEND", "APPENDS"):
            added = since_mark() if name == "APPENDS" else [stack.pop()]
            if isinstance(stack[-1], list):
                stack[-1].extend(added)
        elif name == "STOP":
            return stack.pop()
        elif name != "PROTO":
            raise ValueError("an operation that no weights file needs")
    raise ValueError("the file ends too early")


def _reference(identity: object) -> _Name | _Storage:
    """A persistent id: the class of a module, or the storage of a tensor."""
    match identity:
        case ("module", _Name() as name, *_):
            return name
        case ("storage", _Name(text=kind), str(key), _, int(count), *_) if count >= 0:
            return _Storage(kind.rpartition(".")[2], key, count)
    raise ValueError("an unknown reference")


def _table(made: object) -> dict[str, Any]:
    """The entries of an OrderedDict or a dict."""
    if isinstance(made, _Made) and made.by == _Name("collections.OrderedDict"):
        return made.items
    if isinstance(made, dict):
        return made
    raise ValueError("a module keeps no tables")


def _members(module: object, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    """The parameters and buffers of a module and of the modules in it, by path."""
    if depth > _DEEPEST or not isinstance(module, _Made) or not isinstance(module.state, dict):
        raise ValueError("no module")
    passing = module.state.get("_non_persistent_buffers_set")
    transient = passing.arguments if isinstance(passing, _Made) else ((),)
    left_out = set(transient[0]) if isinstance(transient, tuple) and transient else set()
    for name, made in _table(module.state["_parameters"]).items():
        if made is not None:
            yield prefix + name, made
    for name, made in _table(module.state["_buffers"]).items():
        if made is not None and name not in left_out:
            yield prefix + name, made
    for name, inner in _table(module.state["_modules"]).items():
        if inner is not None:
            yield from _members(inner, f"{prefix}{name}.", depth + 1)


def _tensor(made: object) -> tuple[_Storage, int, tuple[int, ...], tuple[int, ...]]:
    """Storage, offset, size and strides of a tensor or a parameter."""
    if isinstance(made, _Made) and made.by in (
        _Name("torch._utils._rebuild_parameter"),
        _Name("torch.nn.parameter.Parameter"),
    ):
        assert isinstance(made.arguments, tuple)
        made = made.arguments[0]
    if isinstance(made, _Made) and made.by in (
        _Name("torch._utils._rebuild_tensor_v2"),
        _Name("torch._utils._rebuild_tensor"),
    ):
        assert isinstance(made.arguments, tuple)
        storage, offset, size, strides = made.arguments[:4]
        if isinstance(storage, _Storage) and math.prod(size) <= storage.count:
            return storage, int(offset), tuple(map(int, size)), tuple(map(int, strides))
    raise ValueError("no tensor")


def _state(module: object, numbers: Callable[[_Storage], bytes]) -> dict[str, torch.Tensor]:
    import torch

    state: dict[str, torch.Tensor] = {}
    for name, made in _members(module):
        storage, offset, size, strides = _tensor(made)
        dtype = getattr(torch, _DTYPES[storage.kind])
        flat = torch.frombuffer(bytearray(numbers(storage)), dtype=dtype)
        state[name] = flat.as_strided(size, strides, offset).clone()
    if not state:
        raise ValueError("a module without tensors")
    return state
