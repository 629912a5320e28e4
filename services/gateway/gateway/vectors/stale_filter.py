"""Filter that removes chunks of stale document versions from a search's results.

Qdrant also finds chunks of versions that are not committed (any more). If they displaced committed chunks,
the search is repeated without these versions. The committed version of a document may change between two
rounds. Then the result is the round with the most committed passages.
"""

from collections.abc import Mapping, Sequence

from ..models import Passage

__all__ = ["StaleFilter"]


class StaleFilter:
    """Results of the rounds of one search.

    Attributes
    ----------
    best
        Passages of the round with the most passages of committed versions, best first.
    stale
        Pairs of a document id and a stale version's id: the next round excludes these versions.
    """

    def __init__(self) -> None:
        self.best: list[Passage] = []
        self.stale: set[tuple[str, str]] = set()
        self._best_rank = (False, 0)

    @property
    def stale_documents(self) -> set[str]:
        """Ids of documents with a stale version: their committed version must be read again."""
        return {document for document, _ in self.stale}

    def absorb(self, passages: Sequence[Passage], committed: Mapping[str, str], *, is_full: bool) -> bool:
        """Add the results of a round; return True if a further round would find nothing more.

        Parameters
        ----------
        committed
            Committed version by document id.
        is_full
            True if the round found as many passages as were requested, so there may be more.
        """
        current = [
            passage for passage in passages if committed.get(passage.document_id) == passage.version_id
        ]
        stale = {(passage.document_id, passage.version_id) for passage in passages}
        stale -= {(passage.document_id, passage.version_id) for passage in current}
        current_documents = {passage.document_id for passage in current}
        # Documents whose committed version is not among the passages: they changed between two rounds.
        missing = ({document for document, _ in stale} & committed.keys()) - current_documents
        committed_again = {version for version in self.stale if committed.get(version[0]) == version[1]}
        is_consistent = not (missing or committed_again)
        if (is_consistent, len(current)) >= self._best_rank:
            self.best, self._best_rank = current, (is_consistent, len(current))
        self.stale = (self.stale | stale) - committed_again
        return is_consistent and not (stale and is_full)
