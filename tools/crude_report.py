"""The crude-report generator: a first report that is read for claims. None is installed."""

from __future__ import annotations

from tools.contract import Role
from tools.not_installed import NotInstalledExpert


class CrudeReportExpert(NotInstalledExpert):
    """Will return `CrudeSentence` evidence: each sentence with the claims read in it."""

    role = Role.CRUDE_REPORT
    name = "crude-report-generator"
