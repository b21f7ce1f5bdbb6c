"""The index of similar prior reports: open it once, search it from any thread."""

from __future__ import annotations

from pathlib import Path

from findings.claims import Claim, Frozen
from findings.errors import IndexUnavailableError
from findings.labeler import label_report
from findings.vocabulary import Language
from retrieval.corpora.report import clean, sentences
from retrieval.encoder import Encoder
from retrieval.manifest import (
    BUILD_ADVICE,
    LanguageManifest,
    current_build,
    damaged_files,
    read_manifest,
)
from retrieval.partition import Partition
from retrieval.profile import layout_version
from retrieval.query import Hit, Query, neighbours
from retrieval.rendering import phrases
from retrieval.sources import find_encoder

__all__ = ["Hit", "IndexInfo", "Query", "ReportIndex", "neighbours"]


class IndexInfo(Frozen):
    """What an index holds and what built it."""

    languages: tuple[LanguageManifest, ...]

    @property
    def version(self) -> str:
        """Names the content: the same for the same files."""
        return "+".join(
            f"{one.language.value}-{one.files['reports.sqlite'].sha256[:8]}"
            for one in self.languages
        )

    def summary(self) -> str:
        """One line for each language, for a person."""
        lines = []
        for one in self.languages:
            corpora = ", ".join(f"{c.name} {c.version}" for c in one.corpora)
            lines.append(
                f"{one.language.value}: {one.reports:,} reports ({one.entries:,} distinct) of "
                f"{corpora}; {one.text_vectors:,} text vectors, {one.profile_vectors:,} profiles; "
                f"{one.size / 1e6:.0f} MB; encoder {one.encoder}; vocabulary {one.profile_layout}"
            )
        return "\n".join(lines)


class ReportIndex:
    """Prior reports of one or more languages. Read-only; safe to share between threads."""

    def __init__(self, partitions: dict[Language, Partition], builds: dict[Language, Path]) -> None:
        self._partitions = partitions
        self._builds = builds

    @classmethod
    def open(
        cls, folder: Path, cache: Path | None = None, encoder: Encoder | None = None
    ) -> ReportIndex:
        """Open the index in `folder`, memory-mapped.

        The encoder is that of `cache`, where pulled weights lie, unless one is given; without any,
        only sentences that the index holds can be searched for.

        Raises `IndexUnavailableError` where there is no index of any language, or a damaged or
        stale one.
        """
        encoder = encoder or (None if cache is None else find_encoder(cache))
        partitions: dict[Language, Partition] = {}
        builds: dict[Language, Path] = {}
        for language in Language:
            if not (folder / language.value).is_dir():
                continue
            build = current_build(folder / language.value)
            manifest = read_manifest(
                build, layout_version(), None if encoder is None else encoder.version
            )
            partitions[language] = Partition(build, manifest, encoder)
            builds[language] = build
        if not partitions:
            raise IndexUnavailableError(f"The index of prior reports is absent. {BUILD_ADVICE}")
        return cls(partitions, builds)

    def info(self) -> IndexInfo:
        """What the index holds."""
        return IndexInfo(languages=tuple(p.manifest for p in self._partitions.values()))

    def damaged(self) -> tuple[str, ...]:
        """Files whose checksum is not the recorded one, as ``language/name``."""
        return tuple(
            f"{language.value}/{name}"
            for language, partition in self._partitions.items()
            for name in damaged_files(self._builds[language], partition.manifest)
        )

    def partition(self, language: Language) -> Partition:
        """The index of one language. Raises `IndexUnavailableError` where it was not built."""
        if language not in self._partitions:
            raise IndexUnavailableError(
                f"The index holds no reports in language '{language.value}'. {BUILD_ADVICE}"
            )
        return self._partitions[language]

    def search(self, query: Query) -> tuple[Hit, ...]:
        """The most similar reports, best first, at least `query.floor` similar, at most `query.k`.

        A text is compared by the labeler's claims (or `query.claims`, where given) and by its
        sentences; across languages the phrases of the claims take the sentences' place.

        Raises `IndexUnavailableError` where reports of the language asked for are not there, and
        `WeightsError` where the text needs the sentence encoder and it is absent.
        """
        wanted = tuple(self._partitions) if query.language is None else (query.language,)
        text = clean(query.text or "")
        claims: tuple[Claim, ...] = query.claims or (
            label_report(text, query.language_of_text) if text else ()
        )
        hits: list[Hit] = []
        for language in wanted:
            partition = self.partition(language)
            own_words = partition.manifest.form == "prose" and language is query.language_of_text
            looked_for = sentences(text) if own_words else ()
            hits.extend(
                partition.search(query, looked_for or phrases(claims, Language.ENGLISH), claims)
            )
        if len(wanted) > 1:
            hits.sort(key=lambda hit: (-hit.similarity, hit.report_id))
        return tuple(hits[: query.k])
