"""All commands in one list."""

from __future__ import annotations

import typer

from lora_marketing.cli import (
    abtest,
    adapters,
    doctor,
    evaluate,
    generate,
    plan,
    recipes,
    review,
    serve,
    train,
    tune,
)

app = typer.Typer(
    help="One LoRA adapter per brand on a 4-bit base: train, keep, switch and write.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(recipes.check)
app.command()(recipes.explain)
app.command()(plan.plan)
app.command()(train.train)
app.command()(tune.tune)
app.command()(generate.generate)
app.command()(evaluate.evaluate)
app.command()(evaluate.score)
app.command()(abtest.abtest)
app.command()(serve.serve)
app.command()(doctor.doctor)
app.add_typer(adapters.app, name="adapters")
app.add_typer(review.app, name="review")
app.add_typer(serve.keys, name="keys")
