"""The stack against PEFT itself: the same numbers, for every variant, side by side in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lora_marketing.engine.adapter_weights import LayerLora, read_adapter, stack_dtype
from lora_marketing.engine.base import LoadedBase, load_base
from lora_marketing.engine.slot_memory import SlotMemory
from lora_marketing.engine.stacked_lora import BatchGroups, Groups, StackedLora, install
from tests.closeness import close
from tests.engine.making import base_folder, peft_model, prompts, save_adapters, section, state


@torch.inference_mode()
def logits(model: nn.Module, ids: Tensor) -> Tensor:
    result: Tensor = model(input_ids=ids).logits.float()
    return result


def set_groups(batch_groups: BatchGroups, slots: Sequence[int], rank: int = 99) -> None:
    batch_groups.groups = Groups.of(slots, dict.fromkeys(slots, rank), torch.device("cpu"))


def stacked(base: LoadedBase, folders: dict[str, Path]) -> tuple[nn.Module, BatchGroups]:
    """A model with every adapter in its slot: 1, 2, 3 in the order of `folders`."""
    batch_groups, model = BatchGroups(), base.with_modules_of_its_own().model
    memory = SlotMemory(install(model, list(base.linear_shapes), batch_groups), 4, stack_dtype(base))
    for slot, folder in enumerate(folders.values(), start=1):
        memory.fill(slot, read_adapter(folder, base))
    return model, batch_groups


@pytest.mark.parametrize("model_type", ["llama", "qwen2", "gemma3"])
def test_a_mixed_batch_has_the_logits_of_peft(tmp_path: Path, model_type: str) -> None:
    base = load_base(section(base_folder(model_type, tmp_path / "base")))
    folders = save_adapters(base, tmp_path)
    before, modules = state(base), [id(module) for module in base.model.modules()]
    ids = torch.tensor(prompts(base, [24] * 6))
    bare = logits(base.model, ids)
    slots = torch.tensor([1, 0, 2, 3, 0, 1])
    expected = bare.clone()
    for slot, folder in enumerate(folders.values(), start=1):
        expected[slots == slot] = logits(peft_model(base, folder), ids[slots == slot])

    model, batch_groups = stacked(base, folders)
    set_groups(batch_groups, slots.tolist())
    mixed = logits(model, ids)
    close(mixed, expected)
    for row in (0, 2, 3):  # these adapters say something
        assert (expected[row] - bare[row]).abs().max() > 0.5
    # not one bit of a base row moves because others have adapters, DoRA on a layer with a bias included
    assert torch.equal(mixed[slots == 0], bare[slots == 0])
    for chosen in ([1, 3, 3, 1, 1, 1], [2] * 6, [0, 1, 1, 2, 2, 3], [3, 0, 0, 0, 0, 0]):
        set_groups(batch_groups, chosen)
        some = logits(model, ids)
        for row, slot in enumerate(chosen):
            one = (
                bare[row]
                if slot == 0
                else logits(peft_model(base, [*folders.values()][slot - 1]), ids[row, None])[0]
            )
            close(some[row], one)
    batch_groups.groups = None
    assert torch.equal(logits(model, ids), bare)
    assert [id(module) for module in base.model.modules()] == modules
    assert state(base) == before


def test_on_nf4_in_bfloat16_no_farther_from_the_truth_than_peft(tmp_path: Path) -> None:
    folder = base_folder("llama", tmp_path / "base")
    base = load_base(section(folder, "nf4", "bfloat16"))
    exact = load_base(section(folder, "nf4", "float32"))
    folders = save_adapters(exact, tmp_path)
    ids = torch.tensor(prompts(base, [24] * 4))
    bare = logits(base.model, ids)
    truth, peft = bare.clone(), bare.clone()
    for slot, adapter in enumerate(folders.values(), start=1):
        truth[slot] = logits(peft_model(exact, adapter), ids[slot, None])[0]
        peft[slot] = logits(peft_model(base, adapter), ids[slot, None])[0]

    model, batch_groups = stacked(base, folders)
    stacks = [module for module in model.modules() if isinstance(module, StackedLora)]
    assert {stack.a.dtype for stack in stacks if stack.a is not None} == {torch.float32}
    set_groups(batch_groups, range(4))
    mixed = logits(model, ids)
    for row in range(1, 4):
        ours, theirs = ((near[row] - truth[row]).norm() / truth[row].norm() for near in (mixed, peft))
        assert ours < 1.1 * theirs
        assert ours < 0.15
    assert torch.equal(mixed[0], bare[0])


def some_layer(rank: int, seed: int, magnitude: bool = False) -> LayerLora:
    random = torch.Generator().manual_seed(seed)
    a, b = torch.randn(rank, 8, generator=random), torch.randn(6, rank, generator=random)
    return LayerLora(a, b, 0.5, torch.rand(6, generator=random) + 0.5 if magnitude else None)


def dense(linear: nn.Linear, layer: LayerLora | None, x: Tensor) -> Tensor:
    """y = m/||W + BA|| * (W + BA) x + bias, written out with dense matrices in float64."""
    weight = linear.weight.detach().double()
    if layer is not None:
        weight = weight + layer.scaling * layer.b.double() @ layer.a.double()
        if layer.magnitude is not None:
            weight = layer.magnitude.double()[:, None] * weight
    bias = 0 if linear.bias is None else linear.bias.detach().double()
    return x.double() @ weight.mT + bias


class Dirty(SlotMemory):
    """Memory is NaN before it is written to, as it may be."""

    def _empty(self, slots: int, width: int) -> Tensor:
        return torch.full((slots, width), torch.nan)


class Growing(Dirty):
    """Takes memory as it needs it, as on a GPU."""

    def _wanted(self, least: int) -> int:
        return min(self._slots, 1 << (least - 1).bit_length())


class Tight(Dirty):
    """Has never enough, so it gives up what nobody needs each time."""

    def __init__(self, stacks: dict[str, StackedLora], slots: int, dtype: torch.dtype) -> None:
        super().__init__(stacks, slots, dtype, allowed=1)


@pytest.mark.thorough
@settings(max_examples=80, deadline=None)
@given(data=st.data(), bias=st.booleans(), kind=st.sampled_from([Dirty, Growing, Tight]))
def test_every_row_is_the_formula_whatever_was_put_into_the_slots(
    data: st.DataObject, bias: bool, kind: type[SlotMemory]
) -> None:
    """Slots are filled and filled again, ranks grow and shrink, layers come late."""
    torch.manual_seed(4)
    batch_groups = BatchGroups()
    stacks = {name: StackedLora(nn.Linear(8, 6, bias=bias), batch_groups) for name in ("first", "second")}
    memory = kind(stacks, 5, torch.float32)
    held: dict[int, dict[str, LayerLora]] = {}
    for _ in range(data.draw(st.integers(1, 8))):
        slot = data.draw(st.integers(1, 4))
        held.pop(slot, None)
        for gone in data.draw(st.sets(st.sampled_from([*held]))) if held else ():
            memory.clear(gone)
            del held[gone]
        rank = data.draw(st.integers(1, 5))
        kinds = st.builds(some_layer, st.just(rank), st.integers(0, 99), st.booleans())
        layers = data.draw(st.dictionaries(st.sampled_from([*stacks]), kinds))
        with torch.inference_mode():
            memory.fill(slot, layers)
        held[slot] = layers
        rows = data.draw(st.lists(st.sampled_from([0, *held]), min_size=1, max_size=7))
        ranks = {at: max((len(one.a) for one in held[at].values()), default=0) for at in held}
        x = torch.randn(len(rows), data.draw(st.integers(1, 3)), 8)
        batch_groups.groups = Groups.of(rows, ranks, torch.device("cpu"))
        for name, stack in stacks.items():
            with torch.inference_mode():
                got, bare = stack(x), stack.linear(x)
            for row, at in enumerate(rows):
                expected = dense(stack.linear, held.get(at, {}).get(name), x[row])
                close(got[row].double(), expected)
                if at == 0:
                    assert torch.equal(got[row], bare[row])
