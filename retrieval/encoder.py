"""The sentence encoder: all-MiniLM-L6-v2 (Wang et al., NeurIPS 2020) through ONNX Runtime.

English only. Texts are cut at 128 word pieces; the vector is the mean of the last layer over the
text's word pieces, scaled to length one, as the model was trained (sentence-transformers).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from findings.errors import WeightsError

TOKENIZER_FILE: Final = Path(__file__).parent / "data" / "minilm_tokenizer.json"
ARTEFACT: Final = "all-minilm-l6-v2-int8"
"""The name under which the weights manifest lists the model file."""

_LONGEST: Final = 128
_BATCH: Final = 16


class Encoder(Protocol):
    """Anything that turns English sentences into vectors of length one."""

    @property
    def version(self) -> str:
        """Name and fingerprint; vectors of different versions do not compare."""
        ...

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape ``(len(texts), dimension)``."""
        ...


class MiniLmEncoder:
    """all-MiniLM-L6-v2 from an ONNX file. The weights load on first use; thread-safe."""

    dimension: Final = 384

    def __init__(self, model: Path, *, threads: int = 0, tokenizer: Path = TOKENIZER_FILE) -> None:
        """`threads` 0: as many as there are cores. Raises `WeightsError` if `model` is absent."""
        if not model.is_file():
            raise WeightsError(
                "The sentence encoder's weights are absent. "
                f"Run 'readingroom models pull {ARTEFACT}'."
            )
        self._model = model
        self._tokenizer_file = tokenizer
        self._threads = threads
        self._lock = threading.Lock()
        self._session: Any = None
        self._tokenizer: Any = None
        self._version = ""

    @property
    def version(self) -> str:
        """Name and SHA-256 prefix of the model file."""
        if not self._version:
            with self._model.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            self._version = f"{ARTEFACT}-{digest[:12]}"
        return self._version

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape ``(len(texts), 384)``, each of length one.

        Raises `WeightsError` where the model file cannot be used.
        """
        self._load()
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        # Texts of like length share a batch, so that little is spent on padding.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            vectors[rows] = self._encode_batch([texts[row] for row in rows])
        return vectors

    def _encode_batch(self, texts: list[str]) -> NDArray[np.float32]:
        encodings = self._tokenizer.encode_batch(texts)
        ids = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(None, inputs)[0]
        weights = mask[:, :, None].astype(np.float32)
        pooled = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
        norms = np.linalg.norm(pooled, axis=1, keepdims=True)
        vectors: NDArray[np.float32] = (pooled / np.maximum(norms, 1e-9)).astype(np.float32)
        return vectors

    def _load(self) -> None:
        if self._session is not None:
            return
        with self._lock:
            if self._session is not None:
                return
            import onnxruntime
            from tokenizers import Tokenizer

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self._threads
            options.log_severity_level = 3
            # Threads that wait give the core back: other experts run beside the search.
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            try:
                tokenizer = Tokenizer.from_file(str(self._tokenizer_file))
                session = onnxruntime.InferenceSession(
                    str(self._model), options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:
                raise WeightsError(
                    "The sentence encoder's weights cannot be loaded; the file is damaged. "
                    f"Run 'readingroom models pull {ARTEFACT}'."
                ) from error
            tokenizer.enable_truncation(_LONGEST)
            tokenizer.enable_padding()
            self._tokenizer = tokenizer
            self._session = session
