"""Computes the memory of a run in bytes, by component.

The formulas add up the tensors that autograd keeps in each layer. They were derived from
`saved_tensors_hooks` and the profiler's allocation events of real steps (transformers 5.23, trl 1.16,
peft 0.21, bitsandbytes 0.50, torch 2.13); tests compare them with what the installed versions keep.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from lora_marketing.planning.batches import PlannedBatch
from lora_marketing.planning.shape import ModelShape
from lora_marketing.recipe import Recipe, variant_named

GIB = 2**30
DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
BLOCK, OUTER_BLOCK = 64, 256
"""Weights per NF4 scale, and scales per scale of scales (QLoRA, arXiv:2305.14314, section 3)."""
INPUTS = {
    "q_proj": "attention",
    "k_proj": "attention",
    "v_proj": "attention",
    "o_proj": "heads",
    "gate_proj": "mlp",
    "up_proj": "mlp",
    "down_proj": "product",
}
"""The input of each linear layer; layers with the same input keep it in memory once."""

HEAD_TOKENS, HEAD_WORDS = 4096, 32768
"""Tokens and vocabulary entries of one tile of TRL 1.16's fused output head."""
PROCESS = round(0.6 * GIB)
"""Bytes of the process on the CPU: Python, torch, transformers, TRL and bitsandbytes with their buffers."""
LOADED = 1.6
"""Memory on the CPU that loading a base leaves behind (mapped file, fragmented heap), as a multiple of its
bfloat16 weights file."""
HEAP = 0.19
"""Share by which glibc's heap grows beyond the allocated bytes on the CPU.

PROCESS, LOADED and HEAP were fitted to the peaks of two worst steps, each in a fresh process
(`benchmarks/plan.py`: ember, ember-4, ember-checkpointing with SmolLM2-135M, and the same with a tiny random
base; glibc 2.36, one thread). Fragmentation depends on the order of all allocations, so only a share can be
predicted.
"""
CONTEXT = round(0.6 * GIB)
"""Bytes of a CUDA context with its kernels; a usual size, not measured by this project."""
FRAGMENTED = 0.08
"""Share of a GPU's allocations that torch's allocator reserves on top; a usual size, not measured here."""

DeviceKind = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Workload:
    """The sizes that decide a run's memory: its largest training and evaluation micro-batches and generation.

    After training, `texts` are generated in one batch; `text_tokens` is the length of the longest prompt and
    answer together.
    """

    training: PlannedBatch
    evaluation: PlannedBatch
    texts: int
    text_tokens: int


@dataclass(frozen=True)
class MemoryPlan:
    """The memory of one run in bytes, by component.

    A training step holds everything from `nf4` to `activations` at once, and the larger of `logits` and
    `workspace`. `evaluation` and `generation` are the totals of those phases. `overhead` is the process on
    the CPU, or the context and the allocator's reserve on a GPU, which torch does not count.
    """

    nf4: int
    unquantized: int
    lora: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    workspace: int
    evaluation: int
    generation: int
    overhead: int
    kind: DeviceKind

    @property
    def training(self) -> int:
        """Bytes of a training step, without overhead."""
        state = self.nf4 + self.unquantized + self.lora + self.gradients + self.optimizer
        return state + self.activations + max(self.logits, self.workspace)

    @property
    def busiest(self) -> int:
        """Bytes of the largest of the three phases, without overhead."""
        return max(self.training, self.evaluation, self.generation)

    @property
    def peak(self) -> int:
        """Bytes that the run will report as its peak: of the process on a CPU, of torch on a GPU."""
        return self.busiest + (self.overhead if self.kind == "cpu" else 0)

    @property
    def needed(self) -> int:
        """Bytes that must be free before the run."""
        return self.busiest + self.overhead


def memory(shape: ModelShape, recipe: Recipe, work: Workload, kind: DeviceKind) -> MemoryPlan:
    """Compute the memory of a run by component."""
    width = DTYPE_BYTES[recipe.base.compute_dtype]
    nf4, unquantized = weights(shape, recipe)
    parameters = lora_parameters(shape, recipe)
    lora = parameters * LORA_WIDTH
    optimizer = parameters * optimizer_bytes(recipe)
    kept, workspace = activations(shape, recipe, work.training)
    resident = nf4 + unquantized + lora
    largest = _largest_weight(shape, width)
    head = logits(shape, recipe, work.evaluation, backward=False)
    passing = work.evaluation.computed * 4 * (shape.intermediate + shape.hidden) * width
    plan = MemoryPlan(
        nf4=nf4,
        unquantized=unquantized,
        lora=lora,
        gradients=lora,
        optimizer=optimizer,
        activations=kept,
        logits=logits(shape, recipe, work.training, backward=True),
        workspace=workspace,
        evaluation=resident + lora + optimizer + largest + max(head, passing),
        generation=resident + lora + largest + _writing(shape, work, width),
        overhead=0,
        kind=kind,
    )
    return _with_overhead(plan, shape)


def weights(shape: ModelShape, recipe: Recipe) -> tuple[int, int]:
    """Bytes of the NF4 weights with their scales, and of the weights that are not quantized."""
    width = DTYPE_BYTES[recipe.base.compute_dtype]
    if recipe.base.quantization == "none":
        return 0, (shape.quantized + shape.kept) * width
    scales = shape.quantized / BLOCK
    per_scale = 1 + 4 / OUTER_BLOCK if recipe.base.double_quantization else 4
    return round(shape.quantized / 2 + scales * per_scale), shape.kept * width


def adapted(shape: ModelShape, recipe: Recipe) -> dict[str, tuple[int, int]]:
    """The linear layers of one decoder layer that get a LoRA, with their (out, in) features."""
    wanted = recipe.lora.target_modules
    return {name: size for name, size in shape.linear.items() if wanted == "all-linear" or name in wanted}


def lora_parameters(shape: ModelShape, recipe: Recipe) -> int:
    """Number of trained parameters: A and B of all adapted layers, and what the LoRA variant adds."""
    more = variant_named(recipe.lora.variant).memory.trained
    return shape.layers * sum(
        recipe.lora.rank * (rows + columns) + more * rows for rows, columns in adapted(shape, recipe).values()
    )


LORA_WIDTH = DTYPE_BYTES["float32"]
"""Bytes of a LoRA parameter, of its gradient and of each optimizer moment, whatever the base."""


def optimizer_bytes(recipe: Recipe) -> int:
    """Bytes of optimizer state per trained parameter; unknown optimizers count as Adam."""
    name = recipe.train.optimizer
    if name in ("sgd", "adafactor"):  # adafactor keeps rows and columns only
        return 0
    moments = 1 if "lion" in name or name in ("rmsprop", "adagrad") else 2
    return moments * (1 if "8bit" in name else LORA_WIDTH)


def activations(shape: ModelShape, recipe: Recipe, batch: PlannedBatch) -> tuple[int, int]:
    """Bytes that a micro-batch keeps for its backward, and temporary bytes of one layer's backward."""
    width, layer = DTYPE_BYTES[recipe.base.compute_dtype], layer_activations(shape, recipe, batch)
    passing = batch.computed * 3 * (shape.intermediate + shape.hidden) * width + _largest_weight(shape, width)
    once = batch.computed * (4 * shape.hidden + 4)
    if width < LORA_WIDTH:  # autocast keeps a cast copy of every LoRA weight during the step
        once += lora_parameters(shape, recipe) * width
    if recipe.train.activation_checkpointing:
        return shape.layers * batch.computed * shape.hidden * width + once, layer + passing
    return shape.layers * layer + once, passing


def layer_activations(shape: ModelShape, recipe: Recipe, batch: PlannedBatch) -> int:
    """Bytes that one layer keeps: float32 norms, LoRA inputs, three MLP activations, attention."""
    width, on = DTYPE_BYTES[recipe.base.compute_dtype], adapted(shape, recipe)
    norms = shape.norms * (4 * shape.hidden + 4)
    if shape.head_norms:
        norms += (shape.heads + shape.kv_heads) * (4 * shape.head_dim + 4)
    if width == LORA_WIDTH and not recipe.lora.dropout:
        inputs = sum({INPUTS[name]: columns for name, (_, columns) in on.items()}.values()) * width
    else:  # each LoRA keeps its own cast or dropped-out copy of its input
        copy = width + bool(recipe.lora.dropout)
        inputs = sum(columns * copy for _, columns in on.values())
    inner = len(on) * recipe.lora.rank * width
    kept = variant_named(recipe.lora.variant).memory.kept
    inner += sum(kept * rows for rows, _ in on.values()) * width
    per_token = norms + inputs + inner + 3 * shape.intermediate * width
    return batch.computed * per_token + _attention(shape, batch, width)


def _attention(shape: ModelShape, batch: PlannedBatch, width: int) -> int:
    """Bytes that attention keeps: queries, keys, values and outputs of trunk and bins, and the bins' mask."""
    query, keys = shape.heads * shape.head_dim, batch.trunk + batch.length
    in_trunk = 3 * batch.computed * query + batch.trunk * query if batch.trunk else 0
    in_bins = batch.bins * (2 * batch.length * query + 2 * keys * query + batch.length * keys)
    sums = 4 * shape.heads * (batch.trunk + batch.bins * batch.length)
    return (in_trunk + in_bins) * width + sums


def logits(shape: ModelShape, recipe: Recipe, batch: PlannedBatch, *, backward: bool) -> int:
    """Bytes of the output head: float32 logits and one copy, or five times the logits with the backward.

    Padded batches use TRL's fused head, which works in tiles: one in the compute dtype, five in float32.
    """
    if recipe.train.packing == "prefix_tree":
        return batch.sources * shape.vocabulary * 4 * (5 if backward else 2)
    width = DTYPE_BYTES[recipe.base.compute_dtype]
    tile = HEAD_WORDS * width + 5 * 4 * min(HEAD_WORDS, shape.vocabulary)
    return min(HEAD_TOKENS, batch.sources) * tile


def _largest_weight(shape: ModelShape, width: int) -> int:
    """Bytes of the largest linear layer, dequantized."""
    return max(rows * columns for rows, columns in shape.linear.values()) * width


def _writing(shape: ModelShape, work: Workload, width: int) -> int:
    """Bytes of generation: the KV cache of all texts (one layer's twice), and logits of one token each."""
    tokens = work.texts * work.text_tokens
    layer = 2 * tokens * shape.kv_heads * shape.head_dim * width
    widened = 2 * tokens * shape.heads * shape.head_dim * width
    return (shape.layers + 1) * layer + widened + work.texts * shape.vocabulary * 8


def _with_overhead(plan: MemoryPlan, shape: ModelShape) -> MemoryPlan:
    if plan.kind == "cuda":
        return replace(plan, overhead=CONTEXT + round(FRAGMENTED * plan.busiest))
    loaded = LOADED * 2 * (shape.quantized + shape.kept)
    return replace(plan, overhead=PROCESS + round(loaded + HEAP * plan.busiest))
