"""What other libraries say stays off the screen, unless a user wants to see it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lora_marketing.cli.quiet import LIBRARIES
from tests.making import ROOT, write_world
from tests.serving.making import publish

CHATTER = """
import logging, sys, warnings
from lora_marketing.cli.quiet import quiet_upstream
from lora_marketing.common.console import note
import optuna

quiet_upstream()
import accelerate, bitsandbytes, datasets, peft, torch, transformers, trl
from accelerate.logging import get_logger as accelerate_logger

accelerate.PartialState()
for category in (FutureWarning, DeprecationWarning, PendingDeprecationWarning, UserWarning, RuntimeWarning):
    for module in ("torch.nn.modules.module", "functools", "lora_marketing.training.train", "peft.x"):
        warnings.warn_explicit(f"{category.__name__} in {module}", category, module + ".py", 1, module)
warnings.filterwarnings("always")  # as a library may do when it is imported
warnings.warn("a late filter", stacklevel=2)
for name in sys.argv[1:]:
    logging.getLogger(name).warning("%s itself warns", name)
    logging.getLogger(name + ".some.module").warning("%s below warns", name)
logging.getLogger("some_kernel").warning("nobody configured me")
accelerate_logger("accelerate.utils").warning("accelerate adapts")
transformers.utils.logging.get_logger("transformers.trainer").warning_once("transformers once")
torch.nn.Linear(2, 2).register_full_backward_hook(lambda *_: None)
note("the kit's own words")
"""
SPY = """
import logging, sys
class Spy:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "bitsandbytes", "transformers", "datasets"):
            quiet = logging.getLogger("bitsandbytes").level == logging.ERROR
            assert quiet, f"{name} is imported before quiet_upstream"
sys.meta_path.insert(0, Spy())
sys.argv = ["lora-marketing", *sys.argv[1:]]
from lora_marketing.cli import main
try:
    main()
finally:
    print("torch" in sys.modules)
"""


def run(script: str, *arguments: str, folder: Path = ROOT, **changes: str) -> tuple[str, str]:
    """What a process says on stdout and on stderr."""
    environment = {name: value for name, value in os.environ.items() if name != "LORA_MARKETING_VERBOSE"}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "", **changes}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment,
    )
    return done.stdout, done.stderr


@pytest.mark.thorough  # it has to import torch
def test_nothing_but_the_kits_own_words_reaches_the_screen() -> None:
    assert run(CHATTER, *LIBRARIES) == ("", "the kit's own words\n")


@pytest.mark.thorough  # it has to import torch
def test_a_user_who_wants_to_see_it_sees_it_all() -> None:
    out, said = run(CHATTER, *LIBRARIES, LORA_MARKETING_VERBOSE="1")
    assert out == ""
    for module in ("torch.nn.modules.module", "functools", "lora_marketing.training.train", "peft.x"):
        for category in ("Future", "Deprecation", "PendingDeprecation", "User", "Runtime"):
            assert f"{category}Warning in {module}\n" in said
    for name in LIBRARIES:
        assert f"{name} itself warns" in said
        assert f"{name} below warns" in said
    for words in ("nobody configured me", "accelerate adapts", "transformers once", "a late filter"):
        assert words in said


@pytest.mark.thorough  # each process has to import torch
@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "recipe.yaml", "--set", "base.id=./gone"],
        ["serve", "--no-keys", "--base-id", "./gone"],
    ],
    ids=lambda given: given[0],
)
def test_a_command_is_quiet_before_it_loads_torch(arguments: list[str], tmp_path: Path) -> None:
    write_world(tmp_path)
    publish(tmp_path / "adapters", "tidal/soap")
    out, said = run(SPY, *arguments, folder=tmp_path)
    assert out.splitlines()[-1:] == ["True"], said
    assert "error: the base is not there" in said, said
