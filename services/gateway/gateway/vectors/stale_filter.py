"""A search in rounds: chunks of versions that do not count (any more) are found like others, and left out.

Where they took places from chunks that count, the search is made again without them. While documents change,
what counts may change between two looks; then the round that saw most is what is returned.
"""

from collections.abc import Mapping, Sequence

from ..models import Passage

__all__ = ["Rounds"]


class Rounds:
    """What the rounds of one search have found so far.

    Attributes
    ----------
    best
        The passages of the round that saw most, best first; all of versions that count.
    stale
        Documents with a version of theirs that does not count: the next round leaves them out.
    """

    def __init__(self) -> None:
        self.best: list[Passage] = []
        self.stale: set[tuple[str, str]] = set()
        self._best_rank = (False, 0)

    @property
    def documents(self) -> set[str]:
        """Documents of which a version was left out: which one counts must be asked again."""
        return {document for document, _ in self.stale}

    def take(self, passages: Sequence[Passage], counting: Mapping[str, str], *, full: bool) -> bool:
        """Take in what a round has found, and tell whether another one would find nothing more.

        Parameters
        ----------
        counting
            Which version counts, by document.
        full
            Whether there were as many finds as were asked for, so that there may be more behind them.
        """
        live = [each for each in passages if counting.get(each.document_id) == each.version]
        dead = {(each.document_id, each.version) for each in passages}
        dead -= {(each.document_id, each.version) for each in live}
        seen = {each.document_id for each in live}
        # Documents that changed between two looks: not found in the version that counts by now.
        unseen = ({document for document, _ in dead} & counting.keys()) - seen
        revived = {each for each in self.stale if counting.get(each[0]) == each[1]}
        whole = not (unseen or revived)
        if (whole, len(live)) >= self._best_rank:
            self.best, self._best_rank = live, (whole, len(live))
        self.stale = (self.stale | dead) - revived
        return whole and not (dead and full)
