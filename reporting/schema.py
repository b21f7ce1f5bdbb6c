"""The JSON Schema of `draft.json`, generated from the model and published with the package."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from reporting.draft import DRAFT_SCHEMA, Draft

SCHEMA_FILE = "draft.schema.json"


def generate_schema() -> dict[str, Any]:
    """The schema of `Draft` as it is now (JSON Schema draft 2020-12)."""
    schema = Draft.model_json_schema(by_alias=True, mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{DRAFT_SCHEMA.replace('/', ':')}",
        **schema,
        "required": ["schema", *schema["required"]],
    }


def schema_text() -> str:
    """The generated schema as the published file holds it."""
    return json.dumps(generate_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@cache
def published_schema() -> dict[str, Any]:
    """The schema that ships with the package (`reporting/data/draft.schema.json`)."""
    text = resources.files("reporting").joinpath("data", SCHEMA_FILE).read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def main() -> None:
    """Write the schema to standard output: `python -m reporting.schema > FILE`."""
    print(schema_text(), end="")


if __name__ == "__main__":
    main()
