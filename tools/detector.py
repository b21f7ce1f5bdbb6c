"""The detector: findings with boxes. No detector is installed."""

from __future__ import annotations

from tools.contract import Role
from tools.not_installed import NotInstalledExpert


class DetectorExpert(NotInstalledExpert):
    """Will return `Detection` evidence: one box per finding, in display pixels."""

    role = Role.DETECTOR
    name = "finding-detector"
