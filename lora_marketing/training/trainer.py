"""SFTTrainer with prefix trees, crash-safe checkpoints and no telemetry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from peft import PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import Trainer
from trl import SFTConfig, SFTTrainer

from lora_marketing.common.errors import Problem, TrainingError
from lora_marketing.engine.transformers_api import learning_rate, on_device, write_checkpoint
from lora_marketing.engine.trl_api import add_train_tokens, logged
from lora_marketing.recipe import Recipe, variant_named
from lora_marketing.training.attention import use_tree_attention
from lora_marketing.training.checkpoints import CheckpointVault
from lora_marketing.training.collate import TreeCollator

TREE_INPUTS = ("input_ids", "position_ids", "attention_mask", "trunk", "bins", "unbin")
"""What a TreeCollator makes for the model; the rest is for the loss."""


class CooperativeRun(Protocol):
    """A run among others: its micro-batches are computed together with theirs."""

    def backward(self, trainer: BrandTrainer, inputs: dict[str, Any], count: Tensor | int | None) -> Tensor:
        """Add the gradients of one micro-batch to the trainer's LoRA weights and return its loss."""


class CrashSafeTrainer(Trainer):
    """What every method's trainer has in common, to be put before TRL's trainer of the method.

    Checkpoints that are whole or absent, LoRA weights in float32 on every base, also on resume, the
    optimizer of the recipe's variant, and no telemetry.
    """

    model: Any  # a PeftModel, of which transformers knows less
    optimizer: torch.optim.Optimizer | None

    def __init__(self, *, vault: CheckpointVault, recipe: Recipe, **arguments: Any) -> None:
        self._vault = vault
        self._recipe = recipe
        self._staging: Path | None = None
        given = arguments["model"]
        start = _trained(given) if isinstance(given, PeftModel) else {}
        super().__init__(**arguments)
        _train_in_float32(self.model, start)

    def _send_telemetry(self) -> None:
        """Send nothing."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write nothing: the published version gets its own card."""

    def _require_finite(self, loss: Tensor, rows: str) -> None:
        """Stop before a NaN reaches the weights.

        Raises:
            TrainingError: the loss is NaN or infinite; `rows` is the key to look at.
        """
        if not torch.isfinite(loss):
            raise TrainingError(
                Problem(
                    f"the loss became {loss.item()} at step {self.state.global_step + 1}",
                    got=f"learning rate {learning_rate(self):.2e}",
                    fix=f"lower train.learning_rate, or look for odd rows in {rows}; the last good"
                    " checkpoint is kept and nothing was published",
                )
            )

    def create_optimizer(self, model: nn.Module | None = None) -> Any:
        """The recipe's optimizer, as its variant wants it."""
        own = variant_named(self._recipe.lora.variant).optimizer
        if own and self.optimizer is None:
            kind, keywords = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer = own(self.model, kind, keywords, self._recipe)
        return super().create_optimizer(model)

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._staging) if self._staging else super()._get_output_dir(trial)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Write one checkpoint that is whole or absent, then drop those no longer needed."""
        with self._vault.staged(self.state.global_step) as staging:
            self._staging = staging
            try:
                write_checkpoint(self, model, trial)
            finally:
                self._staging = None
        self._vault.prune(keep_newest=2, best_step=self.state.best_global_step)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Copy the adapter's weights into the existing parameters, which keep their dtype."""
        load_weights(model or self.model, Path(resume_from_checkpoint))


def _trained(model: nn.Module) -> dict[str, Tensor]:
    """Copies of all weights that have a gradient, by name."""
    named = model.named_parameters()
    return {name: weight.detach().clone() for name, weight in named if weight.requires_grad}


def _train_in_float32(model: nn.Module, start: Mapping[str, Tensor]) -> None:
    """Give the trained weights float32 again, and the values of `start` where it has them.

    TRL rounds them to bfloat16 on a quantized base; most steps are then smaller than half the distance
    to A's next number and are rounded away. What is computed with them keeps the compute dtype.
    """
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            weight.data = start.get(name, weight.data).float()


class BrandTrainer(CrashSafeTrainer, SFTTrainer):  # type: ignore[misc]
    """One brand's training run on its texts.

    Differs from SFTTrainer also in the loss on a prefix tree, an evaluation loss that is the mean
    over tokens, and micro-batches that a fleet computes with those of other brands.
    """

    args: SFTConfig

    def __init__(self, *, cooperative: CooperativeRun | None = None, **arguments: Any) -> None:
        self._cooperative = cooperative
        self._eval_loss_sum = 0.0
        self._eval_targets = 0
        if isinstance(arguments.get("data_collator"), TreeCollator):
            use_tree_attention(arguments["model"])
        super().__init__(**arguments)

    # -- loss ---------------------------------------------------------------------------------

    loss_is_scaled_for_ga = True  # by the count that get_batch_samples gives to every micro-batch

    def get_batch_samples(self, *arguments: Any, **keywords: Any) -> tuple[list[dict[str, Any]], Any]:
        """The micro-batches of one optimizer step, and how many completion tokens they have in all.

        Trainer does not count in trees nor for architectures that take no loss arguments (Gemma 3
        with eyes); the tokens of a micro-batch with short answers would then weigh more.
        """
        samples, _ = super().get_batch_samples(*arguments, **keywords)
        return samples, sum(_targets(sample).ne(-100).sum() for sample in samples)

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Mean negative log-likelihood per completion token of the whole optimizer step."""
        if "loss_sources" not in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        outputs = model(
            logits_to_keep=inputs["loss_sources"].unique(),
            use_cache=False,
            **{name: inputs[name] for name in TREE_INPUTS},
        )
        loss = self.tree_loss(outputs.logits[0], inputs, num_items_in_batch)
        return (loss, outputs) if return_outputs else loss

    def tree_loss(self, logits: Tensor, inputs: Mapping[str, Any], count: Tensor | int | None) -> Tensor:
        """Loss of one tree from `logits` (sources, vocabulary), one row per distinct loss source.

        The sum over completion tokens is divided by `count`, or by their number if it is None.
        """
        where, targets = inputs["loss_sources"].unique(return_inverse=True)[1], inputs["shift_labels"]
        logits = logits.float()
        total = (logits.logsumexp(dim=-1)[where] - logits[where, targets]).sum()
        mode = "train" if self.model.training else "eval"
        correct = (logits.detach().argmax(dim=-1)[where] == targets).float().mean().item()
        figures = logged(self, mode)
        figures["mean_token_accuracy"].append(correct)
        figures["num_tokens"] = [add_train_tokens(self, int(inputs["row_tokens"]) if mode == "train" else 0)]
        return total / (targets.numel() if count is None else count)

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """One micro-batch forward and backward.

        Raises:
            TrainingError: the loss is NaN or infinite.
        """
        if self._cooperative is None:
            loss: Tensor = super().training_step(model, inputs, num_items_in_batch)
        else:
            model.train()
            loss = self._cooperative.backward(self, on_device(self, inputs), num_items_in_batch)
        self._require_finite(loss, "data.train")
        return loss

    # -- evaluation ---------------------------------------------------------------------------

    def prediction_step(
        self, model: nn.Module, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: Any = None
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Loss of one batch, also summed per token for the exact mean."""
        loss, logits, labels = super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        if loss is not None:
            count = int(_targets(inputs).ne(-100).sum())
            self._eval_loss_sum += loss.item() * count
            self._eval_targets += count
        return loss, logits, labels

    def evaluation_loop(self, *arguments: Any, **keywords: Any) -> Any:
        """Evaluate, with the loss as the mean over completion tokens instead of over batches."""
        self._eval_loss_sum, self._eval_targets = 0.0, 0
        output = super().evaluation_loop(*arguments, **keywords)
        prefix = keywords.get("metric_key_prefix", "eval")
        if output.metrics is not None and self._eval_targets:
            output.metrics[f"{prefix}_loss"] = self._eval_loss_sum / self._eval_targets
        return output


def _targets(inputs: dict[str, Any]) -> Tensor:
    targets: Tensor = inputs["labels"][..., 1:] if "labels" in inputs else inputs["shift_labels"]
    return targets


def load_weights(model: nn.Module, folder: Path) -> None:
    """Copy adapter weights from a checkpoint folder into a PEFT model, dtypes unchanged."""
    put_weights(model, load_file(folder / "adapter_model.safetensors"), folder)


def put_weights(model: nn.Module, tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Copy an adapter's tensors, which were read from `folder`, into a PEFT model, dtypes unchanged.

    Raises:
        TrainingError: the model has no place for some of them.
    """
    result = set_peft_model_state_dict(model, dict(tensors))
    unexpected: Sequence[str] = result.unexpected_keys
    if unexpected:
        names = ", ".join(unexpected[:3])
        raise TrainingError(Problem("the checkpoint does not fit the model", str(folder), got=names))
