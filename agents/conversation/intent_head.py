"""What a question most likely asks, from its meaning: for wordings that no pattern knows.

A linear head on the sentence encoder that the retrieval uses, fitted by ridge regression to the
questions of the tests. English only, as the encoder is; without the encoder the patterns are alone.
Train it again with `python -m agents.conversation.intent_head --questions FILE --encoder FILE`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agents.conversation.router import Intent, IntentGuess
from findings.errors import WeightsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from retrieval.encoder import MiniLmEncoder

HEAD_FILE: Final = "intent_head.safetensors"
_RIDGE: Final = 0.5
_WEIGHT, _NAMES = "weight", "intents"


class IntentHead:
    """Guesses intents; the encoder is loaded with the first question."""

    def __init__(self, encoder: MiniLmEncoder) -> None:
        self._encoder = encoder

    def __call__(self, text: str) -> IntentGuess | None:
        """The likeliest intent and its score, about 1 where sure; `None` without usable weights."""
        weight, intents = _head()
        try:
            row = _with_one(self._encoder.encode([text]))
        except WeightsError:
            return None
        scores = (row @ weight)[0]
        best = int(scores.argmax())
        return IntentGuess(intent=intents[best], score=float(scores[best]))


def intent_head(cache_dir: Path) -> IntentHead | None:
    """The head, where the sentence encoder has been pulled."""
    from models.weights import locate
    from retrieval.encoder import ARTEFACT

    try:
        return IntentHead(_encoder(locate(ARTEFACT, cache_dir)))
    except WeightsError:
        return None


@cache
def _encoder(file: Path) -> MiniLmEncoder:
    """The encoder of a file; it loads itself once, when first asked."""
    from retrieval.encoder import MiniLmEncoder

    return MiniLmEncoder(file, threads=1)


@cache
def _head() -> tuple[NDArray[np.float32], tuple[Intent, ...]]:
    """The weights (385 × intents, the last row a bias), and what their columns stand for."""
    from safetensors import safe_open

    packed = resources.as_file(resources.files("agents").joinpath("data", HEAD_FILE))
    with packed as file, safe_open(file, framework="numpy") as stored:
        weight = stored.get_tensor(_WEIGHT).astype("float32")
        names = json.loads(stored.metadata()[_NAMES])
    return weight, tuple(Intent(name) for name in names)


def _with_one(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    return np.concatenate([vectors, np.ones((len(vectors), 1), np.float32)], axis=1)


def fit(vectors: NDArray[np.float32], asked: Sequence[Intent]) -> NDArray[np.float32]:
    """Ridge regression from vectors (n × 384) to one column for each of `Intent`, in order."""
    import numpy as np

    rows = _with_one(vectors).astype(np.float64)
    wanted = np.array([[float(intent is own) for own in Intent] for intent in asked])
    gram = rows.T @ rows + _RIDGE * np.eye(rows.shape[1])
    solved: NDArray[np.float32] = np.linalg.solve(gram, rows.T @ wanted).astype(np.float32)
    return solved


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit the head and write it into the package's data."""
    from safetensors.numpy import save_file

    from retrieval.encoder import MiniLmEncoder

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=Path, required=True, help="JSON lines of questions")
    parser.add_argument("--encoder", type=Path, required=True, help="the encoder's ONNX file")
    parser.add_argument("--out", type=Path, default=Path("agents/data") / HEAD_FILE)
    given = parser.parse_args(arguments)
    cases = [json.loads(line) for line in given.questions.read_text("utf-8").splitlines()]
    # What leans on the question before says too little by itself.
    whole = [case for case in cases if "before" not in case]
    vectors = MiniLmEncoder(given.encoder).encode([case["question"] for case in whole])
    weight = fit(vectors, [Intent(case["intent"]) for case in whole])
    names = json.dumps([intent.value for intent in Intent])
    save_file({_WEIGHT: weight.astype("float16")}, given.out, metadata={_NAMES: names})
    print(f"{len(whole)} questions, {len(Intent)} intents: {given.out}")


if __name__ == "__main__":
    main()
