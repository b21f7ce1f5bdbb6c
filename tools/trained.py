"""Networks that training left in a folder, in the shipped ones' place: `trained:/FOLDER`.

So the published networks at their own size (CliniQure's SE-ResNet50 and Faster R-CNN, R2GenCMN on
a ResNet-101), once trained, play their roles by configuration.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from findings.errors import SettingsError
from tools.classifier import ClassifierExpert
from tools.contract import Expert, ExpertOptions, Role
from tools.crude_report import CrudeReportExpert
from tools.detector import DetectorExpert
from tools.embedded import NetworkExpert

PREFIX: Final = "trained:"
_EXPERTS: Final[dict[Role, type[NetworkExpert[Any]]]] = {
    Role.CLASSIFIER: ClassifierExpert,
    Role.DETECTOR: DetectorExpert,
    Role.CRUDE_REPORT: CrudeReportExpert,
}


def trained_expert(role: Role, name: str, cache: Path, options: ExpertOptions) -> Expert:
    """The role's expert over the weights of a folder. Raises `SettingsError` where none is named.

    The folder is the one called `weights` that training left.
    """
    folder = Path(name.removeprefix(PREFIX)).expanduser()
    if not name.startswith(PREFIX) or not folder.is_absolute():
        raise SettingsError(
            f"A trained {role.value} is named {PREFIX}/FOLDER, with the full path of the folder "
            f"'weights' that 'readingroom train {role.value}' left."
        )
    expert = _EXPERTS[role](cache)
    expert.home = folder
    return expert
