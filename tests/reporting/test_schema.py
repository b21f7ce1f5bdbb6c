"""The published schema is the model's, and real drafts validate against it."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources

import jsonschema
import pytest

from findings.vocabulary import Language
from imaging.study import StudyImage
from reporting.draft import Draft
from reporting.files import draft_json
from reporting.ledger import Ledger
from reporting.schema import SCHEMA_FILE, published_schema, schema_text


def test_published_schema_is_current() -> None:
    published = resources.files("reporting").joinpath("data", SCHEMA_FILE).read_text("utf-8")
    assert published == schema_text(), "run: python -m reporting.schema > reporting/data/" + (
        SCHEMA_FILE
    )


def test_schema_is_itself_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(published_schema())


@pytest.mark.parametrize("language", Language)
def test_drafts_validate(
    rich_ledger: Ledger,
    make_draft: Callable[..., Draft],
    make_film: Callable[[int, int], StudyImage],
    language: Language,
) -> None:
    draft = make_draft(rich_ledger, make_film(64, 64), language)
    document = json.loads(draft_json(draft))
    jsonschema.Draft202012Validator(published_schema()).validate(document)
    assert Draft.model_validate_json(draft_json(draft)) == draft


@pytest.mark.parametrize("key", ["schema", "status", "gate", "study_key"])
def test_documents_that_lack_a_part_do_not_validate(
    normal_ledger: Ledger,
    make_draft: Callable[..., Draft],
    make_film: Callable[[int, int], StudyImage],
    key: str,
) -> None:
    document = json.loads(draft_json(make_draft(normal_ledger, make_film(64, 64))))
    del document[key]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(published_schema()).validate(document)
