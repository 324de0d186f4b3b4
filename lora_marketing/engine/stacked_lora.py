"""Stacked LoRA: one linear layer with an adapter per slot, chosen per row of the batch.

Rows are grouped by adapter, so a layer costs two batched products whatever the number of adapters,
and each adapter's weights are read once per forward however many rows it writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

BARE = 0
"""The slot of the bare base: zeros in every layer."""


@dataclass(frozen=True)
class Groups:
    """The rows of one forward, grouped by slot.

    `slots` are the slots in use, in rising order, and `rank` the largest rank among their adapters.
    `members` (slots, most rows of one slot) are row numbers, a slot's first row where it has no more;
    `places` (rows,) says where in the flattened members each row is. Both are None where the rows
    already lie as the groups need them.
    """

    slots: tuple[int, ...]
    rank: int
    members: Tensor | None
    places: Tensor | None

    @classmethod
    def of(cls, rows: Sequence[int], ranks: Mapping[int, int], device: torch.device) -> Groups | None:
        """Group rows by their slots; None if all rows are the bare base's."""
        slots = tuple(sorted(set(rows)))
        if slots in ((), (BARE,)):
            return None
        found = [[row for row, slot in enumerate(rows) if slot == wanted] for wanted in slots]
        most = max(map(len, found))
        padded = [group + group[:1] * (most - len(group)) for group in found]
        rank = max(ranks.get(slot, 0) for slot in slots)
        if [row for group in padded for row in group] == list(range(len(rows))):
            return cls(slots, rank, None, None)
        places = {row: at * most + place for at, group in enumerate(found) for place, row in enumerate(group)}
        order = [places[row] for row in range(len(rows))]
        return cls(slots, rank, torch.tensor(padded, device=device), torch.tensor(order, device=device))

    def gather(self, x: Tensor) -> Tensor:
        """(rows, tokens, in) to (slots, rows of a slot x tokens, in)."""
        grouped = x if self.members is None else x[self.members]
        return grouped.reshape(len(self.slots), -1, x.shape[-1])

    def scatter(self, y: Tensor, tokens: int) -> Tensor:
        """(slots, rows of a slot x tokens, out) to (rows, tokens, out)."""
        rows = y.reshape(-1, tokens, y.shape[-1])
        return rows if self.places is None else rows[self.places]

    def row_slots(self, per_slot: Tensor, rows: int) -> Tensor:
        """(slots, out) of `slots` to (rows, 1, out)."""
        each = rows // len(self.slots) if self.members is None else self.members.shape[1]
        return self.scatter(per_slot.repeat_interleave(each, dim=0)[:, None], 1)


class BatchGroups:
    """The groups of the running forward, shared by all layers of one engine. None: the base alone."""

    def __init__(self) -> None:
        self.groups: Groups | None = None


class StackedLora(nn.Module):
    """A base linear layer and the low-rank updates of all adapters that have a slot.

    `a` (slots, rank, in), `b` (slots, out, rank) and `magnitude` (slots, out) are views that a
    SlotMemory gives and fills; None as long as no adapter has this layer, or none is DoRA.
    """

    def __init__(self, linear: nn.Linear, batch_groups: BatchGroups) -> None:
        super().__init__()
        self.linear = linear
        self.batch_groups = batch_groups
        self.a: Tensor | None = None
        self.b: Tensor | None = None
        self.magnitude: Tensor | None = None
        self._chosen: tuple[Groups, Tensor, Tensor] | None = None

    def empty(self) -> None:
        """No adapter sits on this layer any more."""
        self.a = self.b = self.magnitude = None
        self.changed()

    def changed(self) -> None:
        """Drop what was copied from the slots: they were filled anew."""
        if self._chosen is not None:
            self._chosen = None

    def forward(self, x: Tensor) -> Tensor:
        """(rows, tokens, in) to (rows, tokens, out), each row with its slot's adapter."""
        y: Tensor = self.linear(x)
        groups = self.batch_groups.groups
        if groups is None or self.a is None or self.b is None:
            return y
        a, b = self._weights(groups, self.a, self.b)
        down = torch.bmm(groups.gather(x).to(a.dtype), a)
        if groups.members is None and self.magnitude is None:
            grouped = y.reshape(len(b), -1, y.shape[-1]).to(b.dtype)
            return torch.baddbmm(grouped, down, b).reshape(y.shape).to(y.dtype)
        update = groups.scatter(torch.bmm(down, b), x.shape[1]).to(y.dtype)
        if self.magnitude is None:
            return y + update
        magnitude = self.magnitude[list(groups.slots)]
        return self._rescaled(y, update, groups.row_slots(magnitude, len(x)).to(y.dtype))

    def _weights(self, groups: Groups, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """A (groups, in, rank) and B (groups, rank, out): views of neighbouring slots, else a copy
        that is kept until other slots are in use."""
        if self._chosen is None or self._chosen[0] is not groups:
            first, last = groups.slots[0], groups.slots[-1]
            rank = min(groups.rank, a.shape[1])
            if last - first == len(groups.slots) - 1:
                chosen_a, chosen_b = a[first : last + 1, :rank].mT, b[first : last + 1, :, :rank].mT
            elif self._chosen is not None and self._chosen[0].slots == groups.slots:
                chosen_a, chosen_b = self._chosen[1:]
            else:
                index = torch.tensor(groups.slots, device=a.device)
                chosen_a, chosen_b = a[:, :rank][index].mT, b[..., :rank][index].mT
            self._chosen = groups, chosen_a, chosen_b
        return self._chosen[1:]

    def _rescaled(self, y: Tensor, update: Tensor, magnitude: Tensor) -> Tensor:
        """DoRA's `m / ||W'|| * (W x + B A x)`; the bias is not rescaled.

        Rows without DoRA have magnitude 1 and keep every bit: the bias is never taken off theirs.
        """
        bias = self.linear.bias
        if bias is None:
            return magnitude * (y + update)
        return y + update + (magnitude - 1) * (y - bias + update)


def install(model: nn.Module, names: Sequence[str], batch_groups: BatchGroups) -> dict[str, StackedLora]:
    """Put a StackedLora in the place of every named linear layer."""
    stacks = {}
    for name in names:
        linear = model.get_submodule(name)
        assert isinstance(linear, nn.Linear)
        stacks[name] = StackedLora(linear, batch_groups)
        model.set_submodule(name, stacks[name])
    return stacks
