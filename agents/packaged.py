"""Tables and prompts that ship with the application, read as what they have to be."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from findings.errors import SettingsError

Shipped = TypeVar("Shipped", bound=BaseModel)


def read_packaged(package: str, name: str, kind: type[Shipped], called: str) -> Shipped:
    """The TOML file `name` beside the modules of `package`; `called` names it to people.

    Raises `SettingsError` where it is damaged.
    """
    text = resources.files(package).joinpath(name).read_text("utf-8")
    try:
        return kind.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise SettingsError(
            f"{called} is damaged ({type(error).__name__}). Reinstall the application."
        ) from error


def read_prompt(name: str, kind: type[Shipped], package: str = "agents.prompts") -> Shipped:
    """A prompt file. Raises `SettingsError` where it is damaged."""
    return read_packaged(package, name, kind, f"The prompt {name}")
