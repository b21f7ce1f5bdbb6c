"""A request that cannot be served now, with the sentence to tell."""

from __future__ import annotations

from starlette.exceptions import HTTPException

NOT_FOUND = 404
CONFLICT = 409


class Refusal(HTTPException):
    """An HTTP status with one or two sentences that may be shown to the caller."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status_code=status, detail=text)
