"""The house rules: imports run down only, and modules stay short."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT: dict[str, frozenset[str]] = {
    "findings": frozenset(),
    "imaging": frozenset({"findings"}),
    "models": frozenset({"imaging", "findings"}),
    "retrieval": frozenset({"findings"}),
    "reporting": frozenset({"imaging", "findings"}),
    "tools": frozenset({"models", "imaging", "findings"}),
    "agents": frozenset({"tools", "retrieval", "reporting", "models", "imaging", "findings"}),
    "evaluation": frozenset(
        {"agents", "tools", "retrieval", "reporting", "models", "imaging", "findings"}
    ),
    "ui": frozenset(
        {
            "agents",
            "tools",
            "retrieval",
            "reporting",
            "models",
            "imaging",
            "findings",
            "evaluation",
        }
    ),
}
LONGEST_MODULE = 420
MODULES = [path for package in MAY_IMPORT for path in sorted((ROOT / package).rglob("*.py"))]


def imported_packages(path: Path) -> set[str]:
    """Top-level names that a module imports, wherever in the file it does so."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_down_only(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    ours = imported_packages(path) & set(MAY_IMPORT)
    assert ours <= MAY_IMPORT[package] | {package}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_has_one_subject(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "its first line must say what the module is about"
    assert len(text.splitlines()) <= LONGEST_MODULE
