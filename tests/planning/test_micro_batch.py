from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.common.errors import TrainingError
from lora_marketing.planning.memory import GIB
from lora_marketing.planning.micro_batch import choose, divisors, first_change, measure, pick, sizes, steps
from tests.making import property_test
from tests.planning.making import rows, setting

ROWS = rows(10, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("world")


@pytest.mark.thorough
@property_test
@given(batch=st.integers(1, 24), gib=st.floats(0.5, 12), more=st.floats(0, 8))
def test_the_choice_divides_the_batch_and_grows_with_memory(
    folder: Path, batch: int, gib: float, more: float
) -> None:
    one, other = (
        pick(setting(folder, free, f"train.batch_size={batch}", rows=ROWS)) for free in (gib, gib + more)
    )
    assert batch % one.micro_batch_size == batch % other.micro_batch_size == 0
    assert one.micro_batch_size <= other.micro_batch_size
    assert one.fits <= other.fits
    assert not one.fits or one.bound.needed <= gib * GIB


def test_plenty_of_memory_gives_the_whole_batch_whatever_else_is_free(folder: Path) -> None:
    assert {choose(setting(folder, free)).micro_batch_size for free in (32, 33.3, 500)} == {16}


def test_an_explicit_size_is_kept(folder: Path) -> None:
    assert sizes(setting(folder, 64, "train.micro_batch_size=2").recipe) == [2]
    assert choose(setting(folder, 64, "train.micro_batch_size=2")).micro_batch_size == 2
    assert sizes(setting(folder, 64, "train.micro_batch_size=32").recipe) == [16]


def test_divisors_come_largest_first() -> None:
    assert divisors(12) == [12, 6, 4, 3, 2, 1]


def test_what_does_not_fit_is_refused_with_the_change_that_would(folder: Path) -> None:
    whole = setting(folder, 64, "train.micro_batch_size=16")
    free = measure(whole, 16).bound.needed / GIB - 0.1
    with pytest.raises(TrainingError, match="does not fit in memory") as caught:
        choose(setting(folder, free, "train.micro_batch_size=16"))
    (problem,) = caught.value.problems
    assert problem.fix == "--set train.micro_batch_size=8"
    assert f"{free:.1f} GiB are free" in str(problem.allowed)


def test_the_ladder_goes_down_to_a_smaller_base(folder: Path) -> None:
    told = []
    for hundredths in range(360, 100, -10):
        tight = setting(folder, hundredths / 100, "train.micro_batch_size=16", rows=ROWS)
        change = first_change(tight)
        told.append(" ".join(name.split("=")[0] for name in change.sets) if change else "nothing")
    found = list(dict.fromkeys(told))
    assert found[:2] == [
        "train.micro_batch_size",
        "train.micro_batch_size train.activation_checkpointing",
    ]
    assert found[-1] == "nothing"


def test_the_budget_is_a_limit_of_its_own(folder: Path) -> None:
    with pytest.raises(TrainingError, match=r"budget.memory_gib is 0.25") as caught:
        choose(setting(folder, 64, "budget.memory_gib=0.25"))
    assert caught.value.problems[0].fix == "take a smaller base, or a machine with more memory"


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("train.activation_checkpointing=true", "activations"),
        ("lora.rank=8", "lora"),
        ("train.optimizer=adamw_8bit", "optimizer"),
        ("train.optimizer=sgd", "optimizer"),
    ],
)
def test_settings_that_save_memory(folder: Path, override: str, part: str) -> None:
    plain, less = (measure(setting(folder, 64, *some), 16).bound for some in ((), (override,)))
    assert getattr(less, part) < getattr(plain, part)


def test_steps_are_those_of_trainer(folder: Path) -> None:
    recipe = setting(folder, 64, "train.epochs=1.5").recipe
    assert [steps(recipe, count) for count in (1, 16, 17, 33)] == [2, 2, 3, 5]
