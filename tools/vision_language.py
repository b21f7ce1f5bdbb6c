"""The vision-language reader: a large model that reads the image itself. None is installed."""

from __future__ import annotations

from tools.contract import Role
from tools.not_installed import NotInstalledExpert


class VisionLanguageExpert(NotInstalledExpert):
    """Will return `CrudeSentence` evidence from a model behind an OpenAI-compatible endpoint."""

    role = Role.VISION_LANGUAGE
    name = "vision-language-reader"
