"""torchxrayvision's anatomy segmenter (PSPNet, ChestX-Det) as an expert: `xrv-pspnet`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from findings.errors import SettingsError
from findings.evidence import Evidence
from imaging.study import Study
from models.published.xrv import ANATOMY
from tools.contract import ExpertContext, ExpertOptions, Role
from tools.outline_evidence import outline_evidence
from tools.pulled import PulledExpert

if TYPE_CHECKING:
    from models.published.xrv_anatomy import XrvAnatomy

_CODE = "torchxrayvision"


def known_names() -> tuple[str, ...]:
    """The one published segmenter."""
    return (ANATOMY,)


class XrvSegmenterExpert(PulledExpert["XrvAnatomy"]):
    """Outlines twelve structures, left and right by where they lie on the display."""

    seconds = 3.0

    def __init__(self, role: Role, name: str, cache: Path, options: ExpertOptions) -> None:
        """Raises `SettingsError` for another name."""
        if name != ANATOMY:
            raise SettingsError(
                f"There is no torchxrayvision segmenter named '{name}'. There is {ANATOMY}."
            )
        super().__init__(role, name, cache, options)

    def lack(self) -> str:
        """The weights, or the code of the network."""
        from importlib.util import find_spec

        if find_spec(_CODE) is None:
            return (
                f"It needs the code of {_CODE}. "
                f"Install it with: pip install 'readingroom[{_CODE}]'."
            )
        return super().lack()

    def look(self, study: Study, context: ExpertContext) -> Iterator[Evidence]:
        """Masks of what is found, and the regions that they place."""
        outlines = self._model.get().outline(study.frontal.display)
        yield from outline_evidence(outlines, self.card)

    def load(self, file: Path) -> XrvAnatomy:
        """The network with its published weights."""
        from models.published.xrv_anatomy import XrvAnatomy

        return XrvAnatomy.load(file)
