from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.planning.batches import DRAWN, as_padded, as_tree, drawn, worst
from lora_marketing.tokens.prefix_tree import build_tree, lay_out
from lora_marketing.tokens.render import Rendered
from tests.making import property_test

token_rows = st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=12), min_size=1, max_size=9).map(
    lambda made: [Rendered(str(n), tuple(ids), 1 + n % (len(ids) - 1)) for n, ids in enumerate(made)]
)


@property_test
@given(token_rows)
def test_a_micro_batch_counts_what_the_tree_computes(rows: list[Rendered]) -> None:
    tree = build_tree([row.input_ids for row in rows], [row.labels for row in rows])
    found = as_tree(rows)
    assert (found.computed, found.row_tokens) == (len(tree.tokens), tree.row_tokens)
    assert found.sources == len(set(tree.sources))
    assert found.trunk + found.bins * found.length >= found.computed
    assert found.computed <= found.row_tokens <= as_padded(rows).computed


@property_test
@given(token_rows)
def test_bins_hold_every_later_token_once(rows: list[Rendered]) -> None:
    tree = build_tree([row.input_ids for row in rows], [row.labels for row in rows])
    layout = lay_out(tree)
    assert sorted(token for part in layout.bins for token in part) == list(
        range(layout.trunk, len(tree.tokens))
    )
    assert all(len(part) <= layout.length for part in layout.bins)


@property_test
@given(token_rows, st.integers(1, 5), st.integers(1, 30))
def test_drawn_groups_are_epochs(rows: list[Rendered], size: int, count: int) -> None:
    groups = list(drawn(rows, size, count, seed=3))
    assert len(groups) == min(count, DRAWN)
    per_epoch = -(-len(rows) // size)
    for start in range(0, len(groups) - per_epoch + 1, per_epoch):
        ids = [row.id for group in groups[start : start + per_epoch] for row in group]
        assert sorted(ids) == sorted(row.id for row in rows)


def test_the_worst_rows_come_first() -> None:
    short, long, talkative = (
        Rendered(name, tuple(range(length)), prompt)
        for name, length, prompt in [("short", 5, 4), ("long", 20, 19), ("talkative", 18, 2)]
    )
    assert [[row.id for row in group] for group in worst([short, long, talkative], 1, per_source=0)] == [
        ["long"],
        ["talkative"],
    ]
    assert worst([short, long, talkative], 1, per_source=1)[0] == [talkative]
    assert len(worst([short], 4, per_source=1)) == 1
