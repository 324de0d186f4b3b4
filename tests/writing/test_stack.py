"""The stack against PEFT itself: the same numbers, for every variant, side by side in one batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lora_marketing.bases.load import LoadedBase, load_base
from lora_marketing.writing.adapters import LayerLora, read_adapter
from lora_marketing.writing.stack import Rows, StackedLora, install, remove

from .making import KINDS, base_folder, peft_model, prompts, save_adapters, section, state


@torch.inference_mode()
def logits(model: nn.Module, ids: Tensor) -> Tensor:
    result: Tensor = model(input_ids=ids).logits.float()
    return result


def stacked(base: LoadedBase, folders: dict[str, Path]) -> tuple[Rows, dict[str, StackedLora]]:
    """Every adapter in its slot: 1, 2, 3 in the order of `folders`."""
    rows, adapters = Rows(), [read_adapter(folder, base) for folder in folders.values()]
    names = sorted({name for adapter in adapters for name in adapter})
    stacks = install(base.model, names, rows)
    for name, stack in stacks.items():
        stack.fill([adapter.get(name) for adapter in adapters])
    return rows, stacks


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

    rows, stacks = stacked(base, folders)
    rows.slots = slots
    mixed = logits(base.model, ids)
    torch.testing.assert_close(mixed, expected, rtol=1e-4, atol=1e-5)
    for row in (0, 2, 3):  # these adapters say something
        assert (expected[row] - bare[row]).abs().max() > 0.5
    # not one bit of a base row moves because others have adapters, DoRA on a layer with a bias included
    assert torch.equal(mixed[slots == 0], bare[slots == 0])
    rows.slots = None
    assert torch.equal(logits(base.model, ids), bare)

    remove(base.model, stacks)
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

    rows, stacks = stacked(base, folders)
    assert {stack.a.dtype for stack in stacks.values() if stack.a is not None} == {torch.bfloat16}
    rows.slots = torch.arange(4)
    mixed = logits(base.model, ids)
    for row in range(1, 4):
        ours, theirs = ((near[row] - truth[row]).norm() / truth[row].norm() for near in (mixed, peft))
        assert ours < 1.2 * theirs
        assert ours < 0.15
    assert torch.equal(mixed[0], bare[0])


def test_padding_to_the_largest_rank_changes_no_bit_of_an_update() -> None:
    random = torch.Generator().manual_seed(0)

    def layer(rank: int) -> LayerLora:
        return LayerLora(torch.randn(rank, 8, generator=random), torch.randn(6, rank, generator=random), None)

    small, large, x = layer(2), layer(16), torch.randn(1, 5, 8, generator=random)
    rows = Rows()
    stack = StackedLora(nn.Linear(8, 6), rows)
    rows.slots = torch.tensor([1])
    stack.fill([small])
    alone = stack(x)
    stack.fill([small, None, large])
    torch.testing.assert_close(stack(x), alone, rtol=1e-6, atol=1e-6)
    rows.slots = torch.tensor([2])
    assert torch.equal(stack(x), stack.linear(x))
    stack.fill([None, None])
    assert stack.a is None
    assert torch.equal(stack(x), stack.linear(x))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_one_layer_is_the_formula(name: str, bias: bool) -> None:
    """y = m/||W + BA|| * (W + BA) x + bias, written out with dense matrices in float64."""
    torch.manual_seed(4)
    linear, x = nn.Linear(8, 6, bias=bias), torch.randn(3, 5, 8)
    a, b = torch.randn(4, 8), torch.randn(6, 4)
    magnitude = torch.rand(6) + 0.5 if name == "dora" else None
    rows = Rows()
    stack = StackedLora(linear, rows)
    stack.fill([LayerLora(torch.randn(2, 8), torch.randn(6, 2), torch.rand(6)), LayerLora(a, b, magnitude)])
    rows.slots = torch.tensor([2, 0, 2])
    weight: Any = linear.weight.double() + b.double() @ a.double()
    if magnitude is not None:
        weight = magnitude.double()[:, None] * weight
    expected = x.double() @ weight.mT + (linear.bias.double() if bias else 0)
    got = stack(x)
    torch.testing.assert_close(got[[0, 2]].double(), expected[[0, 2]], rtol=1e-5, atol=1e-5)
    assert torch.equal(got[1], linear(x)[1])
