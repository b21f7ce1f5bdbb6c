"""What every training preset of a report model says."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from findings.errors import SettingsError
from findings.vocabulary import Language
from models.reports.contract import Decoding, ReportModelName
from models.training.catalogue import preset_path, read_table
from models.training.presets import Preset, PresetSettings
from models.training.roles import Role


class Backbones(PresetSettings):
    """The pre-trained parts by name: see `models.language.loading` and `models.reports.vision`."""

    language: str = Field(
        default="embedded",
        description="'embedded', a folder, a hub id (hf:ORG/NAME), or a file: address",
    )
    language_dtype: Literal["float32", "bfloat16"] = "float32"
    vision: str = Field(
        default="embedded", description="'embedded' is the trunk that the experts share"
    )
    language_sha256: str = Field(default="", description="required of it; archives need one")
    vision_sha256: str = Field(default="", description="required of it; archives need one")


class CaseSettings(PresetSettings):
    """What is trained on, and how its reports are made."""

    language: Language = Language.ENGLISH
    kind: Literal["weak", "written"] = Field(
        default="weak",
        description="weak: reports composed for the labels of a folder like the shared data; "
        "written: the reports of a data set that has them",
    )
    folders: tuple[str, ...] = Field(default=("nih",), min_length=1)
    wordings: int = Field(default=1, gt=0, description="most wordings of one claim, weak only")
    most_words: int = Field(default=40, gt=0, description="of a weak report")
    balance: float = Field(
        default=0.7, ge=0, le=1, description="0: as they come; 1: every finding as often"
    )
    most_cases: int = Field(
        default=0, ge=0, description="studies to train on, rare findings kept; 0: all"
    )
    most_validation: int = Field(default=0, ge=0, description="cases validated on; 0: all")


class ReportPreset(Preset):
    """One training run of a report model; each paper's adds its ``shape`` and its ``switches``.

    A switch is a contribution of the paper that can be left out; ``ROWS`` beside a paper's preset
    names the rows of its ablation table by what they switch.
    """

    model: ReportModelName
    backbones: Backbones = Backbones()
    cases: CaseSettings = CaseSettings()
    decoding: Decoding = Decoding()


def model_of(preset: str) -> ReportModelName:
    """The model that a preset of the role ``report`` is for.

    Raises:
        SettingsError: there is no such preset, or it names no report model.
    """
    path = preset_path(Role.REPORT, preset)
    named = read_table(path).get("model")
    try:
        return ReportModelName(str(named))
    except ValueError as error:
        known = ", ".join(ReportModelName)
        raise SettingsError(
            f"the preset {path.name} says model = {named!r}: use one of {known}"
        ) from error
