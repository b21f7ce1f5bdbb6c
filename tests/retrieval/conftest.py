"""A small corpus, a small encoder, and the index built of both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from findings.vocabulary import Language
from retrieval.build import Corpus, build_index
from retrieval.corpora.padchest import read_labels
from retrieval.corpora.report import CorpusReport, ReportView, fold, patient_key
from retrieval.index import ReportIndex
from retrieval.rendering import describe_claims

ENGLISH = (
    ("Large left pleural effusion. No pneumothorax.", "A", (ReportView.PA,)),
    ("Small right pleural effusion. Mild cardiomegaly.", "B", (ReportView.AP,)),
    ("The heart is enlarged. The lungs are clear.", "C", (ReportView.PA, ReportView.LATERAL)),
    ("The heart and lungs are normal. No pneumothorax.", "D", (ReportView.PA,)),
    ("the heart and lungs are normal; no pneumothorax", "E", (ReportView.LATERAL,)),
    ("Right upper lobe consolidation, consistent with pneumonia.", "F", (ReportView.AP,)),
    ("Endotracheal tube in place. Left basal atelectasis.", "G", (ReportView.AP,)),
    ("Right apical pneumothorax.", "H", (ReportView.PA,)),
    ("Calcified granuloma in the left upper lobe.", "I", (ReportView.PA,)),
    ("Left rib fracture. No pneumothorax.", "J", (ReportView.PA,)),
)
SPANISH = (
    ("[['pleural effusion', 'loc left']]", "K"),
    ("[['cardiomegaly'], ['pleural effusion', 'loc right']]", "L"),
    ("[['normal'], ['normal']]", "M"),
    ("['normal']", "N"),
    ("[['pneumonia', 'loc right upper lobe']]", "O"),
)


class WordEncoder:
    """A bag of hashed words, so that tests need no weights; equal words, equal vectors."""

    dimension = 64

    def __init__(self, version: str = "words-1") -> None:
        self.version = version
        self.encoded = 0

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.encoded += len(texts)
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in fold(text).split():
                seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
                row += np.random.default_rng(seed).normal(size=self.dimension)
            row /= np.linalg.norm(row)
        return vectors


def english_reports() -> Iterator[CorpusReport]:
    for number, (text, patient, views) in enumerate(ENGLISH):
        yield CorpusReport(
            report_id=f"en-{number}",
            source="small",
            language=Language.ENGLISH,
            text=text,
            display=text,
            views=views,
            patient=patient_key("small", patient),
        )


def spanish_reports() -> Iterator[CorpusReport]:
    for number, (labels, patient) in enumerate(SPANISH):
        claims = read_labels(labels)
        yield CorpusReport(
            report_id=f"es-{number}",
            source="smalles",
            language=Language.SPANISH,
            text="",
            display=describe_claims(claims, Language.SPANISH),
            views=(ReportView.PA,),
            claims=claims,
            patient=patient_key("smalles", patient),
        )


def corpora() -> dict[Language, tuple[Corpus, ...]]:
    return {
        Language.ENGLISH: (Corpus("small", "1", english_reports()),),
        Language.SPANISH: (Corpus("smalles", "1", spanish_reports()),),
    }


@pytest.fixture(scope="session")
def index_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    build_index(folder, corpora(), WordEncoder())
    return folder


@pytest.fixture
def reports(index_folder: Path) -> ReportIndex:
    return ReportIndex.open(index_folder, encoder=WordEncoder())


@pytest.fixture(scope="session")
def small_corpora() -> Callable[[], dict[Language, tuple[Corpus, ...]]]:
    """Makes the corpora anew, since readers are read once."""
    return corpora


@pytest.fixture(scope="session")
def word_encoder() -> type[WordEncoder]:
    """The class, so that a test may count or vary."""
    return WordEncoder
