"""The sentence encoder with its real weights, where they were pulled, and without them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.settings import default_cache_dir
from findings.errors import WeightsError
from retrieval.encoder import MiniLmEncoder
from retrieval.sources import find_encoder


@pytest.fixture(scope="module")
def encoder() -> MiniLmEncoder:
    found = find_encoder(default_cache_dir(), threads=1)
    if found is None:
        pytest.skip("the encoder was not pulled: readingroom models pull all-minilm-l6-v2-int8")
    return found


def test_like_sentences_lie_together(encoder: MiniLmEncoder) -> None:
    left, same, other = encoder.encode(
        [
            "Small left pleural effusion.",
            "There is a small amount of fluid in the left pleural space.",
            "The patient has a cardiac pacemaker.",
        ]
    )
    assert left @ same > 0.7 > left @ other
    assert np.allclose(np.linalg.norm([left, same, other], axis=1), 1.0, atol=1e-5)


def test_a_vector_hardly_depends_on_its_batch(encoder: MiniLmEncoder) -> None:
    """Padding is masked out; 8-bit activations are scaled by batch, hence the tolerance."""
    texts = ["Clear lungs.", "No pneumothorax.", "Degenerative changes of the thoracic spine."]
    together = encoder.encode(texts)
    for row, text in zip(together, texts, strict=True):
        assert row @ encoder.encode([text])[0] > 0.99


def test_nothing_and_too_much_are_encoded(encoder: MiniLmEncoder) -> None:
    assert encoder.encode([]).shape == (0, 384)
    assert np.isfinite(encoder.encode(["word " * 5000, ""])).all()


def test_absent_weights_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="models pull all-minilm-l6-v2-int8"):
        MiniLmEncoder(tmp_path / "model.onnx")


def test_damaged_weights_say_what_to_do(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(b"not a network")
    with pytest.raises(WeightsError, match="damaged"):
        MiniLmEncoder(model).encode(["Clear lungs."])
