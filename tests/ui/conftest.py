"""Lets the tests of the page import what they share (`page_browser`)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
