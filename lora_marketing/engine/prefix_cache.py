"""Computed prompts, kept to be used again: a tree of tokens with their keys and values.

transformers' continuous batching and llama.cpp's server find such a cache by tokens alone, so one
brand may be continued from what another brand's adapter computed. Here every tree belongs to one
`Identity`, and a lookup names it. What is called tokens here is anything that tells tokens apart
(`Request.cache_key`): some carry whose they are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from torch import Tensor

KeysValues = Sequence[tuple[Tensor, Tensor]]
"""Keys and values of some tokens, (heads, tokens, dim) each, layer by layer."""


@dataclass(frozen=True)
class Identity:
    """Everything beside the tokens that decides what a prefix computes to.

    `base` is the fingerprint of weights, quantisation, tokenizer and chat template; `adapter` a
    version's digest, or None for the bare base, whose prefixes are shared within a `scope` only.
    """

    base: str
    dtype: str
    adapter: str | None
    scope: str


@dataclass
class _Node:
    """Some tokens that follow the parent's, with what was computed for them."""

    tokens: tuple[Hashable, ...]
    values: KeysValues
    parent: _Node | None
    identity: Identity
    used: int = 0
    children: dict[Hashable, _Node] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(keys.nbytes + values.nbytes for keys, values in self.values)


class PrefixCache:
    """Prefix trees within a limit of bytes; the least recently used leaves are dropped first."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._roots: dict[Identity, _Node] = {}
        self._clock = 0

    def find(self, identity: Identity, tokens: Sequence[Hashable]) -> list[KeysValues]:
        """Keys and values of the longest cached prefix of `tokens`, one entry per piece of the tree."""
        return [_head(node.values, count) for node, count in self._path(identity, tokens)]

    def known(self, identity: Identity, tokens: Sequence[Hashable]) -> int:
        """How many tokens the prefix has that `find` would return."""
        return sum(count for _, count in self._path(identity, tokens))

    def add(
        self, identity: Identity, tokens: Sequence[Hashable], read: Callable[[int, int], KeysValues]
    ) -> None:
        """Cache a prompt. `read(start, stop)` returns a copy of the keys and values of its new tokens."""
        path = self._path(identity, tokens)
        start = sum(count for _, count in path)
        if start == len(tokens) or not self.limit:
            return
        root = self._roots.setdefault(identity, _Node((), (), None, identity))
        parent, count = path[-1] if path else (root, 0)
        if count < len(parent.tokens):
            self._split(parent, count)
        leaf = _Node(tuple(tokens[start:]), read(start, len(tokens)), parent, identity, self._tick())
        parent.children[tokens[start]] = leaf
        self.bytes += leaf.bytes
        self._shrink()

    def forget(self, adapter: str) -> None:
        """Drop everything an adapter computed."""
        for identity in [known for known in self._roots if known.adapter == adapter]:
            self.bytes -= sum(node.bytes for node in _below(self._roots.pop(identity)))

    def _path(self, identity: Identity, tokens: Sequence[Hashable]) -> list[tuple[_Node, int]]:
        """The nodes along `tokens`, each with how many of its tokens agree; all but the last wholly."""
        path: list[tuple[_Node, int]] = []
        node, at = self._roots.get(identity), 0
        while node is not None and at < len(tokens):
            node = node.children.get(tokens[at])
            if node is not None:
                count = agreeing(node.tokens, tokens[at:])
                node.used = self._tick()
                path.append((node, count))
                at += count
                node = node if count == len(node.tokens) else None
        return path

    def _split(self, node: _Node, count: int) -> None:
        """Cut a node in two: it keeps its first `count` tokens, a new child gets the others."""
        rest = _Node(
            node.tokens[count:], _tail(node.values, count), node, node.identity, node.used, node.children
        )
        for child in rest.children.values():
            child.parent = rest
        node.tokens, node.values = node.tokens[:count], _copied(_head(node.values, count))
        node.children = {rest.tokens[0]: rest}

    def _shrink(self) -> None:
        """Drop leaves until everything fits."""
        while self.bytes > self.limit:
            leaves = (node for root in self._roots.values() for node in _below(root) if not node.children)
            self._remove(min(leaves, key=lambda node: node.used))

    def _remove(self, leaf: _Node) -> None:
        self.bytes -= leaf.bytes
        if leaf.parent is None:
            del self._roots[leaf.identity]
            return
        del leaf.parent.children[leaf.tokens[0]]
        if leaf.parent.parent is None and not leaf.parent.children:
            del self._roots[leaf.identity]

    def _tick(self) -> int:
        self._clock += 1
        return self._clock


def agreeing(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """How many tokens two sequences begin alike with."""
    for at, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return at
    return min(len(one), len(other))


def _below(root: _Node) -> Iterator[_Node]:
    """A node and all that grow from it."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        waiting += node.children.values()
        yield node


def _head(values: KeysValues, count: int) -> KeysValues:
    return [(keys[:, :count], vals[:, :count]) for keys, vals in values]


def _tail(values: KeysValues, count: int) -> KeysValues:
    return _copied([(keys[:, count:], vals[:, count:]) for keys, vals in values])


def _copied(values: KeysValues) -> KeysValues:
    # a slice would keep the whole alive, and the bytes of what was forgotten with it
    return [(keys.clone(), vals.clone()) for keys, vals in values]
