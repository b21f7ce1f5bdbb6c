"""Loading causal language models: the embedded one, a folder, a hub model, or an archive.

Nothing is downloaded here. A hub model is pulled on purpose first
(``readingroom models pull hf:ORG/NAME``), and only JSON and safetensors files are read: no pickle,
no code of others.
"""

from __future__ import annotations

import logging
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlparse
from urllib.request import url2pathname

from findings.errors import UserInputError, WeightsError
from models.fetching import file_sha256
from models.published.hub import PREFIX, HubModel, unusable
from models.weights import fingerprint, locate

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_LOG = logging.getLogger(__name__)
EMBEDDED: Final = "embedded"
ARTEFACT: Final = "smollm2-135m-instruct"

_WANTED: Final = (".json", ".safetensors", ".jinja", ".txt", ".model")
_MOST_BYTES: Final = 64 << 30
_MOST_MEMBERS: Final = 10_000

Precision = Literal["float32", "bfloat16", "float16"]


def load_language_model(
    source: str, cache: Path, *, dtype: Precision = "float32", sha256: str = ""
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A causal language model, frozen and in evaluation mode, and its tokenizer.

    Args:
        source: ``embedded``, a folder, ``hf:ORG/NAME`` as pulled before, or the ``file:`` address
            of a folder or archive (zip, tar).
        cache: where artefacts are pulled to; archives and conversions are kept there too.
        dtype: of the weights.
        sha256: required of the archive, or of the folder's files (`folder_sha256`).

    Raises:
        WeightsError: it is not here, of another checksum, or no causal language model.
        UserInputError: the source is not named in one of these ways.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = located(source, cache, sha256)
    models: Any = AutoModelForCausalLM
    tokenizers: Any = AutoTokenizer
    try:
        with quiet_transformers():
            model = models.from_pretrained(
                folder,
                dtype=getattr(torch, dtype),
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
            )
            tokenizer = tokenizers.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # transformers raises errors of many kinds
        raise WeightsError(
            f"The language model cannot be loaded ({type(error).__name__}): its config, weights or "
            "tokenizer do not fit, or it needs code of its own, which is never run."
        ) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model.eval().requires_grad_(False), tokenizer


def language_model_sha256(source: str, cache: Path, sha256: str = "") -> str:
    """What tells this model from every other: over its weights and config.

    Raises:
        WeightsError, UserInputError: as `load_language_model`.
    """
    if source == EMBEDDED:
        return file_sha256(_gguf(cache))
    return folder_sha256(located(source, cache, sha256))


def folder_sha256(folder: Path) -> str:
    """One SHA-256 over a folder's ``config.json`` and safetensors files."""
    files = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
    return fingerprint(tuple((file.name, file_sha256(file)) for file in files))


def located(
    source: str,
    cache: Path,
    sha256: str = "",
    digest: Callable[[Path], str] = folder_sha256,
) -> Path:
    """The folder to load a source from; archives are unpacked once and kept in ``cache``.

    ``sha256`` is required of an archive, or of what ``digest`` makes of a folder.

    Raises:
        WeightsError: it is not here, or not of that checksum.
        UserInputError: the source is not named in a way that is known.
    """
    if source == EMBEDDED:
        return _converted(cache)
    if source.startswith("file:"):
        path = Path(url2pathname(urlparse(source).path))
        if path.is_file():
            return _unpacked(path, cache, sha256)
    elif source.startswith(PREFIX):
        path = HubModel.named(source, cache).located()
    elif "/" in source or source.startswith("."):
        path = Path(source).expanduser()
    else:
        raise UserInputError(
            "A pre-trained model is named 'embedded', by a folder, as hf:ORG/NAME, or by a file: "
            "address."
        )
    if problem := unusable(path):
        raise WeightsError(f"The model's folder {problem}.")
    if sha256 and digest(path) != sha256:
        raise WeightsError(
            "The pre-trained model is not the one whose checksum the settings require, so it is "
            "not used: restore its folder, or state the checksum of this one."
        )
    return path


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' bars and advice out of the program's own output."""
    from transformers.utils import logging

    chatter: Any = logging
    before, bars = chatter.get_verbosity(), chatter.is_progress_bar_enabled()
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    try:
        yield
    finally:
        chatter.set_verbosity(before)
        if bars:
            chatter.enable_progress_bar()


def _gguf(cache: Path) -> Path:
    return locate(ARTEFACT, cache)


def _converted(cache: Path) -> Path:
    """The embedded model as an ordinary folder, made of its GGUF file the first time."""
    from filelock import FileLock

    gguf = _gguf(cache)
    home = cache / "converted"
    target = home / f"{ARTEFACT}-{gguf.parent.name}"
    if not (target / "config.json").is_file():
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / f".{target.name}.lock"):
            if not (target / "config.json").is_file():
                _convert(gguf, target)
    return target


def _convert(gguf: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        import gguf as _  # noqa: F401
    except ImportError as error:
        raise WeightsError(
            "The embedded language model must be unpacked before it can be trained on, which takes "
            "the package gguf. Run 'pip install gguf'."
        ) from error
    _LOG.info("unpacking the embedded language model, once")
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=".partial-"))
    models: Any = AutoModelForCausalLM
    tokenizers: Any = AutoTokenizer
    try:
        with quiet_transformers():
            named = {"gguf_file": gguf.name, "local_files_only": True}
            model = models.from_pretrained(gguf.parent, dtype=torch.float32, **named)
            # Else it would be saved as if its weights were still packed.
            model.hf_quantizer = None
            del model.config.quantization_config
            model.to(torch.bfloat16).save_pretrained(partial)
            tokenizers.from_pretrained(gguf.parent, **named).save_pretrained(partial)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        raise WeightsError(
            f"The embedded language model could not be unpacked ({type(error).__name__}). Run "
            f"'readingroom models pull {ARTEFACT}' again and check the room on the disk."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _unpacked(archive: Path, cache: Path, sha256: str) -> Path:
    if not sha256:
        raise UserInputError(
            "A model in an archive needs the archive's SHA-256 beside its address."
        )
    target = cache / "unpacked" / sha256
    if target.is_dir():
        return target
    found = file_sha256(archive)
    if found != sha256:
        raise WeightsError(
            "The archive of the pre-trained model does not have the checksum that was stated, so "
            "it is not used: get it again from its source."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=".partial-"))
    try:
        for name, stream in _members(archive):
            with (partial / name).open("wb") as file:
                shutil.copyfileobj(stream, file)
        if problem := unusable(partial):
            raise WeightsError(f"The archive of the pre-trained model {problem}.")
        partial.rename(target)
    except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise WeightsError(
            f"The archive of the pre-trained model cannot be unpacked ({type(error).__name__})."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The wanted files of an archive by their bare names; folders in it do not count."""
    left = _MOST_BYTES
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist()[:_MOST_MEMBERS]:
                name = PurePosixPath(member.filename).name
                left -= member.file_size
                if name.endswith(_WANTED) and not member.is_dir() and left > 0:
                    with opened.open(member) as stream:
                        yield name, stream
        return
    with tarfile.open(archive, "r:*") as tar:
        for count, entry in enumerate(tar):
            name = PurePosixPath(entry.name).name
            left -= entry.size
            if count >= _MOST_MEMBERS or left <= 0:
                return
            stream_of = tar.extractfile(entry) if entry.isfile() else None
            if stream_of is not None and name.endswith(_WANTED):
                yield name, stream_of
