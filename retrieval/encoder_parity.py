"""Compares the 8-bit encoder with the 32-bit weights: `python -m retrieval.encoder_parity`.

Both encode the same Open-i sentences on one thread. Printed are their cosine similarity, how many
of the ten nearest sentences they agree on, and the time that one sentence takes each.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from findings.errors import ReadingRoomError, WeightsError
from retrieval.corpora.openi import ARCHIVE, read_openi
from retrieval.corpora.report import sentences
from retrieval.sources import CORPORA, REFERENCE, find_corpora, find_encoder, find_reference

Encode = Callable[[Sequence[str]], NDArray[np.float32]]

_QUERY: Final = "Small left pleural effusion with basal atelectasis."
_REPEATS: Final = 100
_BATCH: Final = 16


def reference_encoder(folder: Path) -> Encode:
    """The published weights through transformers, with the same tokens and pooling."""
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModel

    torch.set_num_threads(1)
    model = AutoModel.from_pretrained(folder).eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(128)
    tokenizer.enable_padding()

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        parts = []
        for start in range(0, len(texts), _BATCH):
            batch = tokenizer.encode_batch(list(texts[start : start + _BATCH]))
            mask = torch.tensor([one.attention_mask for one in batch])
            with torch.inference_mode():
                hidden = model(
                    input_ids=torch.tensor([one.ids for one in batch]), attention_mask=mask
                ).last_hidden_state
            pooled = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
            parts.append(torch.nn.functional.normalize(pooled, dim=1).numpy())
        return np.concatenate(parts)

    return encode


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comparison; exit code 5 where weights or corpora were not pulled."""
    parser = argparse.ArgumentParser(prog="python -m retrieval.encoder_parity", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="where pulled weights lie")
    parser.add_argument("--sentences", type=int, default=1000)
    options = parser.parse_args(arguments)
    try:
        _compare(options.cache, options.sentences)
    except ReadingRoomError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _compare(cache: Path, count: int) -> None:
    corpora, folder = find_corpora(cache), find_reference(cache)
    small = find_encoder(cache, threads=1)
    if corpora is None or small is None or folder is None:
        raise WeightsError(
            "Weights or corpora are absent. "
            f"Run 'readingroom models pull' and 'readingroom models pull {REFERENCE} {CORPORA}'."
        )
    reports = read_openi(corpora / ARCHIVE)
    distinct = sorted({one for report in reports for one in sentences(report.text)})
    sample = sorted(random.Random(0).sample(distinct, min(count, len(distinct))), key=len)
    encoders: dict[str, Encode] = {"8-bit": small.encode, "32-bit": reference_encoder(folder)}
    vectors = {name: encode(sample) for name, encode in encoders.items()}
    cosines = (vectors["8-bit"] * vectors["32-bit"]).sum(axis=1)
    nearest = [np.argsort(-(v @ v.T), axis=1)[:, 1:11] for v in vectors.values()]
    agreed = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(*nearest, strict=True)])
    print(f"sentences {len(sample)}; cosine mean {cosines.mean():.4f}, least {cosines.min():.4f}")
    print(f"ten nearest sentences agreed on: {agreed:.3f}")
    for name, encode in encoders.items():
        times = []
        for _ in range(_REPEATS):
            start = time.perf_counter()
            encode([_QUERY])
            times.append(1000 * (time.perf_counter() - start))
        print(f"{name}: one sentence {np.median(times):.1f} ms (median of {_REPEATS})")


if __name__ == "__main__":
    sys.exit(main())
