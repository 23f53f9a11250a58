"""Circles in a graph: strongly connected components, without recursion."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def components(waits: Sequence[Sequence[int]]) -> list[int]:
    """Return each node's component; a node's number is never below those it waits for."""
    search = _Tarjan(waits)
    for root in range(len(waits)):
        if not search.order[root]:
            search.visit(root)
    return search.result


class _Tarjan:
    def __init__(self, waits: Sequence[Sequence[int]]) -> None:
        self.waits = waits
        self.order = [0] * len(waits)
        self.low = [0] * len(waits)
        self.result = [-1] * len(waits)
        self.path: list[int] = []
        self.clock = 0
        self.found = 0

    def visit(self, root: int) -> None:
        stack = [(root, 0)]
        while stack:
            node, at = stack.pop()
            if at == 0:
                self._enter(node)
            else:
                self.low[node] = min(self.low[node], self.low[self.waits[node][at - 1]])
            unseen = self._skip_seen(node, at)
            if unseen < len(self.waits[node]):
                stack += [(node, unseen + 1), (self.waits[node][unseen], 0)]
            elif self.low[node] == self.order[node]:
                self._close(node)

    def _enter(self, node: int) -> None:
        self.clock += 1
        self.order[node] = self.low[node] = self.clock
        self.path.append(node)

    def _skip_seen(self, node: int, at: int) -> int:
        """Return the position of the next neighbour that was not visited yet."""
        targets = self.waits[node]
        while at < len(targets) and self.order[targets[at]]:
            if self.result[targets[at]] < 0:
                self.low[node] = min(self.low[node], self.order[targets[at]])
            at += 1
        return at

    def _close(self, node: int) -> None:
        while self.result[node] < 0:
            self.result[self.path.pop()] = self.found
        self.found += 1
