"""Models of the Hugging Face hub by name: `hf:ORG/NAME`, or `hf:/FOLDER` for one that lies here.

A model is pulled on purpose (`readingroom models pull hf:ORG/NAME`), never while drafting, and
only its JSON and safetensors files: no pickle, no code. The first pull records the commit and the
files' checksum (`models.first_use`); a later one fetches that commit again and must find the same.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from findings.claims import Frozen
from findings.errors import UserInputError, WeightsError
from models.download import StoredFile
from models.fetching import file_sha256
from models.first_use import FirstUse, record, recorded

PREFIX: Final = "hf:"
RECEIPT: Final = "receipt.json"
_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_WANTED: Final = ("*.json", "*.safetensors")
_LARGEST: Final = 20 << 30
"""Bytes that one model may have in all."""


class HubReceipt(Frozen):
    """What a pull leaves beside a hub model's files."""

    name: str
    revision: str
    licence: str
    sha256: str
    """Over the files' own (`models.weights.fingerprint`)."""
    files: tuple[StoredFile, ...]


@dataclass(frozen=True)
class HubOffer:
    """What the hub says of a model before it is pulled."""

    name: str
    revision: str
    licence: str
    size: int
    """Bytes of the files that would be pulled."""


@dataclass(frozen=True)
class HubModel:
    """A model that is asked for by name, and where it would lie."""

    name: str
    """As the user gave it, with the prefix."""
    folder: Path
    local: bool
    """True where the name is a folder of the user's own."""

    @classmethod
    def named(cls, name: str, cache: Path) -> HubModel:
        """The model of that name. Raises `UserInputError` where it is neither id nor folder."""
        asked = name.removeprefix(PREFIX)
        if asked.startswith(("/", "./", "../", "~")):
            return cls(name, Path(asked).expanduser(), local=True)
        if _ID.fullmatch(asked):
            return cls(name, cache / "models" / "hub" / asked.replace("/", "--"), local=False)
        raise UserInputError(
            "A Hugging Face model is named hf:ORG/NAME, or hf:/FOLDER (hf:./FOLDER) for one on "
            "this machine."
        )

    @property
    def shown(self) -> str:
        """The name that may be kept in a draft: a folder's own name, not where it lies."""
        return f"{PREFIX}{self.folder.name}" if self.local else self.name

    def receipt(self) -> HubReceipt | None:
        """What was pulled; `None` where nothing was, or it is incomplete."""
        try:
            receipt = HubReceipt.model_validate_json((self.folder / RECEIPT).read_bytes())
            whole = all((self.folder / f.path).stat().st_size == f.size for f in receipt.files)
        except (OSError, ValidationError):
            return None
        return receipt if whole else None

    def lack(self) -> str:
        """What is not here, in a sentence; empty where the model can be loaded."""
        if self.local:
            problem = unusable(self.folder)
            return f"The model's folder {problem}." if problem else ""
        if self.receipt() is None:
            return f"Not pulled. Run 'readingroom models pull {self.name}'."
        return ""

    def located(self) -> Path:
        """The folder to load from. Raises `WeightsError` where it is not there."""
        if lack := self.lack():
            raise WeightsError(f"The model '{self.shown}' cannot be loaded. {lack}")
        return self.folder


def pulled(cache: Path) -> tuple[HubReceipt, ...]:
    """What was pulled of the hub and is whole, by name."""
    folders = sorted((cache / "models" / "hub").glob("[!.]*"))
    found = (HubModel(folder.name, folder, local=False).receipt() for folder in folders)
    return tuple(receipt for receipt in found if receipt is not None)


def unusable(folder: Path) -> str:
    """Why a folder is no model that may be loaded; empty where it is one."""
    if not (folder / "config.json").is_file():
        return "has no config.json"
    if not any(folder.glob("*.safetensors")):
        return "holds no safetensors file (weights of another kind are not loaded)"
    return ""


def ask(model: HubModel) -> HubOffer:
    """What the hub offers under that name: the recorded commit, else the newest.

    Raises `WeightsError` where the hub cannot be asked (no network, HF_HUB_OFFLINE, no such model).
    """
    from fnmatch import fnmatch

    from huggingface_hub import HfApi

    home = model.folder.parent.parent
    first = recorded(home, model.name)
    try:
        info = HfApi().model_info(
            model.name.removeprefix(PREFIX),
            revision=(first.revision or None) if first else None,
            files_metadata=True,
        )
    except Exception as error:  # the client raises errors of several libraries
        raise _unreachable(model, error) from error
    wanted = [
        sibling
        for sibling in info.siblings or ()
        if any(fnmatch(sibling.rfilename, pattern) for pattern in _WANTED)
    ]
    if not info.sha or not _COMMIT.fullmatch(info.sha):
        raise WeightsError(f"The hub names no commit of '{model.name}', so it is not pulled.")
    if not any(sibling.rfilename.endswith(".safetensors") for sibling in wanted):
        raise WeightsError(
            f"'{model.name}' is not published as safetensors, and weights of another kind are not "
            "loaded. Convert it where it is trusted and give the folder as hf:/FOLDER."
        )
    card = info.card_data
    return HubOffer(
        name=model.name,
        revision=info.sha,
        licence=str(getattr(card, "license", None) or "not stated"),
        size=sum(sibling.size or 0 for sibling in wanted),
    )


def pull(model: HubModel, offer: HubOffer) -> HubReceipt:
    """Fetch what was offered; an interrupted pull goes on where it stopped.

    Raises `WeightsError` where the download fails or its checksum is not the one recorded first.
    """
    from huggingface_hub import snapshot_download

    if offer.size > _LARGEST:
        raise WeightsError(f"'{model.name}' is larger than {_LARGEST >> 30} GiB; it is not pulled.")
    partial = model.folder.parent / f".partial-{model.folder.name}-{offer.revision}"
    try:
        snapshot_download(
            model.name.removeprefix(PREFIX),
            revision=offer.revision,
            allow_patterns=list(_WANTED),
            local_dir=partial,
        )
    except Exception as error:  # the client raises errors of several libraries
        raise _unreachable(model, error) from error
    return _settle(model, partial, offer.revision, offer.licence)


def take(model: HubModel, source: Path) -> HubReceipt:
    """Take a model from a folder instead of the hub, under the same checks. Raises `WeightsError`.

    The folder's README may state the licence; nobody vouches for the commit.
    """
    source = source.expanduser()
    if problem := unusable(source):
        raise WeightsError(f"The folder given for '{model.name}' {problem}.")
    home = model.folder.parent
    home.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=home, prefix=".partial-"))
    try:
        for pattern in _WANTED:
            for file in source.glob(pattern):
                shutil.copyfile(file, partial / file.name)
        return _settle(model, partial, "", "not stated")
    except OSError as error:
        raise WeightsError(
            f"'{model.name}' could not be copied into the cache folder ({type(error).__name__})."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _settle(model: HubModel, partial: Path, revision: str, licence: str) -> HubReceipt:
    """Check a complete folder against the record and put it in place in one rename."""
    from models.weights import fingerprint

    shutil.rmtree(partial / ".cache", ignore_errors=True)
    if problem := unusable(partial):
        raise WeightsError(f"What was pulled of '{model.name}' {problem}.")
    stored = tuple(
        StoredFile(
            path=file.relative_to(partial).as_posix(),
            size=file.stat().st_size,
            sha256=file_sha256(file),
        )
        for file in sorted(partial.rglob("*"))
        if file.is_file() and file.name != RECEIPT
    )
    digest = fingerprint(tuple((file.path, file.sha256) for file in stored))
    home = model.folder.parent.parent
    first = recorded(home, model.name)
    if first is not None and first.sha256 != digest:
        shutil.rmtree(partial, ignore_errors=True)
        raise WeightsError(
            f"The files of '{model.name}' are not those recorded when it was first pulled, so they "
            "are not used. To trust the new ones, remove its entry from models/first-use.json in "
            "the cache."
        )
    receipt = HubReceipt(
        name=model.name, revision=revision, licence=licence, sha256=digest, files=stored
    )
    (partial / RECEIPT).write_text(receipt.model_dump_json(indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(model.folder, ignore_errors=True)
    partial.rename(model.folder)
    if first is None:
        record(home, model.name, FirstUse(sha256=digest, source="hub", revision=revision))
    return receipt


def _unreachable(model: HubModel, error: Exception) -> WeightsError:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        why = "HF_HUB_OFFLINE is set, so the hub is not asked"
    else:
        why = f"the hub gave no answer ({type(error).__name__})"
    return WeightsError(
        f"'{model.name}' could not be pulled: {why}. Without a network, download its files "
        "elsewhere and give their folder with --from."
    )
