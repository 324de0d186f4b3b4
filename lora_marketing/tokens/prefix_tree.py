"""Prefix trees: merges rows that begin with the same tokens, so that each shared token is computed once.

A batch of rows becomes one sequence of tree nodes in depth-first order. A token attends to its
own node and the nodes on the path to the root, its position counts along that path, and every
completion token is predicted from the token before it in its own row. Loss and gradients equal those of
the padded batch, because a causal model's state at a token depends on the tokens before it only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

TREE_MODEL_TYPES = frozenset({"llama", "qwen3", "gemma3", "gemma3_text", "mistral", "smollm3"})
"""Values of `model_type` whose loss and gradients on a tree are tested against the padded batch."""


@dataclass(frozen=True)
class PrefixTree:
    """Rows merged by their common prefixes.

    `tokens` (ids), `positions` and `nodes` (index of the token's node) have one entry per computed token,
    `parents` has one per node (-1 for a root). `sources[i]` is the index of the token whose output predicts
    the id `targets[i]`. `row_tokens` is the number of tokens before merging.
    """

    tokens: tuple[int, ...]
    positions: tuple[int, ...]
    nodes: tuple[int, ...]
    parents: tuple[int, ...]
    sources: tuple[int, ...]
    targets: tuple[int, ...]
    row_tokens: int

    @property
    def saved(self) -> float:
        """The share of the rows' tokens that merging saves, from 0 to 1."""
        return 1 - len(self.tokens) / self.row_tokens


def build_tree(rows: Sequence[Sequence[int]], labels: Sequence[Sequence[int]]) -> PrefixTree:
    """Merge `rows` by common prefixes.

    `labels` has the shape of `rows`, with -100 where a token carries no loss. Time is linear in the number of
    tokens.
    """
    children: list[dict[int, int]] = [{}]
    tokens: list[int] = [-1]
    paths = []
    for row in rows:
        at, path = 0, []
        for token in row:
            if token not in children[at]:
                children[at][token] = len(children)
                children.append({})
                tokens.append(token)
            at = children[at][token]
            path.append(at)
        paths.append(path)
    order, depth, node, parents = _depth_first(children)
    place = {trie: index for index, trie in enumerate(order)}
    pairs = [
        (place[path[i - 1]], label)
        for path, row_labels in zip(paths, labels, strict=True)
        for i, label in enumerate(row_labels)
        if label != -100 and i > 0
    ]
    return PrefixTree(
        tokens=tuple(tokens[trie] for trie in order),
        positions=tuple(depth),
        nodes=tuple(node),
        parents=tuple(parents),
        sources=tuple(source for source, _ in pairs),
        targets=tuple(target for _, target in pairs),
        row_tokens=sum(len(row) for row in rows),
    )


def _depth_first(children: Sequence[dict[int, int]]) -> tuple[list[int], list[int], list[int], list[int]]:
    """Depth-first order of the trie's entries, depth and node of each, and the parent of each node.

    A node is a run of tokens without a fork; its tokens attend to each other causally.
    """
    order: list[int] = []
    depths: list[int] = []
    nodes: list[int] = []
    parents: list[int] = []
    stack = [(child, 0, -1, True) for child in reversed(children[0].values())]
    while stack:
        trie, depth, node, forks = stack.pop()
        if forks:
            parents.append(node)
            node = len(parents) - 1
        order.append(trie)
        depths.append(depth)
        nodes.append(node)
        below = children[trie].values()
        stack.extend((child, depth + 1, node, len(below) > 1) for child in reversed(below))
    return order, depths, nodes, parents


@dataclass(frozen=True)
class Layout:
    """How a tree's tokens are grouped to compute attention.

    The first `trunk` tokens are shared by all rows. `bins` hold the indices of the others, as whole branches,
    at most `length` tokens in a bin.
    """

    trunk: int
    bins: tuple[tuple[int, ...], ...]
    length: int


def lay_out(tree: PrefixTree) -> Layout:
    """Pack the branches that grow from the trunk into bins.

    Each bin costs a copy of the trunk's keys and values, and branches that share a bin cost masked pairs of
    tokens: bins of a quarter of the trunk balance the two costs.
    """
    one_root = tree.parents.count(-1) == 1
    trunk = tree.nodes.count(0) if one_root else 0
    top = 0 if one_root else -1
    starts = [i for i in range(trunk, len(tree.tokens)) if _starts_branch(tree, i, top)]
    branches = [range(start, end) for start, end in pairwise([*starts, len(tree.tokens)])]
    length = max([trunk // 4, *map(len, branches)])
    packed: list[list[int]] = []
    for branch in sorted(branches, key=len, reverse=True):
        free_bin = next((tokens for tokens in packed if len(tokens) + len(branch) <= length), None)
        if free_bin is None:
            packed.append(free_bin := [])
        free_bin.extend(branch)
    return Layout(trunk, tuple(map(tuple, packed)), max(map(len, packed), default=0))


def _starts_branch(tree: PrefixTree, token: int, top: int) -> bool:
    node = tree.nodes[token]
    return tree.parents[node] == top and (token == 0 or tree.nodes[token - 1] != node)
