"""What answers at a server's address, and what it serves."""

from __future__ import annotations

from typing import Final

from findings.claims import Frozen

_MOST_MODELS: Final = 100


class Health(Frozen):
    """One look at an address."""

    address: str
    healthy: bool
    models: tuple[str, ...] = ()
    """The names that clients may ask for: the model's first, then its adapters'."""
    trouble: str = ""
    """Why not, in a few words."""

    @property
    def summary(self) -> str:
        """In one line."""
        if not self.healthy:
            return f"does not answer ({self.trouble})"
        return f"serves {', '.join(self.models)}" if self.models else "answers, and serves nothing"


def look(address: str, key: str = "none", seconds: float = 5.0) -> Health:
    """Ask the OpenAI-compatible server at `address` (…/v1) what it serves. Never raises."""
    import httpx

    try:
        answer = httpx.get(
            f"{address.rstrip('/')}/models",
            headers={"Authorization": f"Bearer {key}"},
            timeout=seconds,
        )
        answer.raise_for_status()
        listed = answer.json()["data"][:_MOST_MODELS]
        names = tuple(str(one["id"])[:200] for one in listed)
    except httpx.HTTPStatusError as error:
        trouble = f"HTTP {error.response.status_code}"
        return Health(address=address, healthy=False, trouble=trouble)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Health(address=address, healthy=False, trouble=type(error).__name__)
    except (ValueError, KeyError, TypeError):
        trouble = "what answers there is no language model server"
        return Health(address=address, healthy=False, trouble=trouble)
    return Health(address=address, healthy=True, models=names)
