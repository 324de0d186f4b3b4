from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lora_marketing.common.errors import AdapterRefused
from lora_marketing.registry import AdapterSpec, check_adapter, check_values
from lora_marketing.registry.adapter_check import PIECE, read_adapter_file
from lora_marketing.registry.files import FileHashes
from lora_marketing.registry.lora_config import FIXED, MAX_RANK
from tests.registry.making import (
    CONFIG,
    RANK,
    SHAPES,
    Array,
    key,
    lora_tensors,
    raw_safetensors,
    write_adapter,
)

Q0 = "model.layers.0.self_attn.q_proj"
K0 = "model.layers.0.self_attn.k_proj"
SPEC = AdapterSpec(
    rank=RANK,
    alpha=4.0,
    scaling=2.0,
    use_rslora=False,
    use_dora=False,
    target_modules=("o_proj", "q_proj"),
    modules=tuple(sorted(module for module in SHAPES if not module.endswith("k_proj"))),
)


def published_hashes(folder: Path) -> FileHashes:
    config, weights = (folder / name for name in ("adapter_config.json", "adapter_model.safetensors"))
    return FileHashes(*(sha256(path.read_bytes()).hexdigest() for path in (config, weights)))


def refused(folder: Path) -> str:
    """What both doors say: the one that reads no values, and the one that adapters are loaded through."""
    with pytest.raises(AdapterRefused) as caught:
        check_adapter(folder, SHAPES)
    with pytest.raises(AdapterRefused) as loading:
        read_adapter_file(folder, SHAPES)
    assert list(loading.value.problems) == list(caught.value.problems) != []
    return str(caught.value)


def not_finite(folder: Path, names: Sequence[str]) -> None:
    """Both doors name exactly these tensors."""
    where = str(folder / "adapter_model.safetensors")
    for check in (lambda: check_values(folder), lambda: read_adapter_file(folder, SHAPES)):
        with pytest.raises(AdapterRefused) as caught:
            check()
        (problem,) = caught.value.problems
        assert (problem.what, problem.where) == ("holds NaN or infinity", where)
        assert problem.got == ", ".join(map(repr, names))


def test_a_lora_adapter_passes(tmp_path: Path) -> None:
    assert check_adapter(write_adapter(tmp_path), SHAPES) == SPEC
    check_values(tmp_path)


def test_a_dora_adapter_passes(tmp_path: Path) -> None:
    write_adapter(tmp_path, CONFIG | {"use_dora": True}, lora_tensors(dora=True))
    assert check_adapter(tmp_path, SHAPES).use_dora


def test_rslora_scales_by_the_root_of_the_rank(tmp_path: Path) -> None:
    write_adapter(tmp_path, CONFIG | {"use_rslora": True})
    assert check_adapter(tmp_path, SHAPES).scaling == pytest.approx(4 / math.sqrt(2))


def test_full_module_names_are_targets_too(tmp_path: Path) -> None:
    config = CONFIG | {"target_modules": ["q_proj", *(m for m in SHAPES if m.endswith("o_proj"))]}
    assert check_adapter(write_adapter(tmp_path, config), SHAPES).modules == SPEC.modules


@pytest.mark.parametrize("rank", [1, MAX_RANK])
def test_the_least_and_the_largest_rank_pass(tmp_path: Path, rank: int) -> None:
    write_adapter(tmp_path, CONFIG | {"r": rank}, lora_tensors(rank))
    assert check_adapter(tmp_path, SHAPES).rank == rank


ALTERED: dict[str, list[object]] = {
    "peft_type": ["LOHA", "lora", None, 1],
    "task_type": ["SEQ_CLS", None],
    "r": [0, -1, 1025, 2.0, True, "2", None, 3],
    "lora_alpha": [0, -1, "4", True, None, 129, 1e9, 10**400],
    "lora_dropout": [1, 1.5, -0.1, None, "0"],
    "target_modules": [".*", "all-linear", [], None, [1], {"q_proj": 1}, ["q_proj"], ["q_proj", "v_proj"]],
    "init_lora_weights": ["pissa", "olora", "loftq", "gaussian", "eva", "corda", 1, None],
    "use_rslora": [1, "true", None],
    "use_dora": [True, 0, None],
    "inference_mode": ["yes"],
    "base_model_name_or_path": [["x"]],
    "layer_replication": [[[0, 1]]],
    "modules_to_save": [["lm_head"], []],
    "bias": ["all", "lora_only", None],
    "rank_pattern": [{"q_proj": 64}, None],
    "alpha_pattern": [{"q_proj": 64}],
    "exclude_modules": ["q_proj", ["q_proj"]],
    "layers_to_transform": [0, [0]],
    "layers_pattern": ["layers"],
    "megatron_config": [{}],
    "megatron_core": ["os"],
    "loftq_config": [{"loftq_bits": 4}],
    "trainable_token_indices": [[1]],
    "target_parameters": [["w"]],
    "lora_bias": [True, 0],
    "fan_in_fan_out": [True],
    "use_qalora": [True],
    "qalora_group_size": [32, 16.0],
    "use_bdlora": [{}],
    "eva_config": [{}],
    "corda_config": [{}],
    "arrow_config": [{}],
    "kasa_config": [{}],
    "velora_config": [{}],
    "lora_ga_config": [{}],
    "monteclora_config": [{}],
    "alora_invocation_tokens": [[1]],
    "ensure_weight_tying": [True],
    "auto_mapping": [{"parent_library": "os"}],
    "runtime_config": [None, {}],
    "a_key_of_peft_0.99": [None],
    "\x1b[2J": [None],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in ALTERED for value in ALTERED[name]])
def test_altered_configuration_is_refused(tmp_path: Path, name: str, value: object) -> None:
    said = refused(write_adapter(tmp_path, CONFIG | {name: value}))
    assert said.isascii()
    assert "\x1b" not in said
    if name not in {
        "r",
        "use_dora",
        "target_modules",
        "lora_alpha",
    }:  # a value may be fine, but not the tensors
        assert name.strip("\x1b") in said


def test_every_fixed_key_is_tried() -> None:
    assert FIXED.keys() <= ALTERED.keys()


@pytest.mark.parametrize("name", ["peft_type", "task_type", "r", "lora_alpha", "target_modules"])
def test_nothing_that_matters_is_left_to_a_default(tmp_path: Path, name: str) -> None:
    config = {other: value for other, value in CONFIG.items() if other != name}
    assert f"{name} is missing" in refused(write_adapter(tmp_path, config))


@pytest.mark.parametrize(("alpha", "rslora", "passes"), [(128, 0, 1), (129, 0, 0), (90, 1, 1), (91, 1, 0)])
def test_scaling_is_at_most_64(tmp_path: Path, alpha: int, rslora: int, passes: int) -> None:
    write_adapter(tmp_path, CONFIG | {"lora_alpha": alpha, "use_rslora": bool(rslora)})
    if passes:
        check_adapter(tmp_path, SHAPES)
    else:
        assert "scaling is too large" in refused(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"r": 2, "r": 2}', "given twice"),
        (b'{"lora_alpha": NaN}', "NaN"),
        (b"[]", "not a JSON object"),
        (b"\xff", "not strict JSON"),
        (b'"' + b"x" * 1_000_000 + b'"', "too large"),
        (b"[" * 10_000, "nested"),
        (b'{"rank_pattern": ' + b"[" * 900 + b"]" * 900 + b"}", "rank_pattern"),
    ],
)
def test_broken_configuration_is_refused(tmp_path: Path, text: bytes, said: str) -> None:
    write_adapter(tmp_path)
    (tmp_path / "adapter_config.json").write_bytes(text)
    assert said in refused(tmp_path)


def _with(name: str, shape: tuple[int, ...]) -> Callable[[dict[str, Array]], None]:
    def change(tensors: dict[str, Array]) -> None:
        tensors[name] = np.zeros(shape, "float32")

    return change


def _without(*names: str) -> Callable[[dict[str, Array]], None]:
    def change(tensors: dict[str, Array]) -> None:
        for name in names:
            del tensors[name]

    return change


A0, B0 = key(Q0, "lora_A.weight"), key(Q0, "lora_B.weight")
FOREIGN = "not LoRA of a linear module"
MISSING = "missing tensors"
SHAPE = "wrong shape"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_with("base_model.model.lm_head.weight", (8, 4)), FOREIGN),
        (_with("base_model.model.model.embed_tokens.weight", (8, 4)), FOREIGN),
        (_with("base_model.model.model.norm.weight", (4,)), FOREIGN),
        (_with(key(Q0, "base_layer.weight"), (6, 4)), FOREIGN),
        (_with(key(Q0, "base_layer.weight.absmax"), (6, 4)), FOREIGN),
        (_with(key(Q0, "lora_B.OTHER.weight"), (6, 2)), FOREIGN),
        (_with(key(Q0, "lora_B.bias"), (6,)), FOREIGN),
        (_with(key(Q0, "lora_A.default.weight"), (2, 4)), FOREIGN),
        (_with(key(Q0, "lora_magnitude_vector"), (6,)), FOREIGN),
        (_with(key(Q0, "lora_embedding_A"), (2, 4)), FOREIGN),
        (_with(f"{Q0}.lora_A.weight", (2, 4)), FOREIGN),
        (_with(f" {A0}", (2, 4)), FOREIGN),
        (_with(f"base_model.model.{A0}", (2, 4)), FOREIGN),
        (_with("base_model.model..lora_A.weight", (2, 4)), FOREIGN),
        (_with("base_model.model.lora_A.weight", (2, 4)), FOREIGN),
        (_with(A0.replace("lora_A", "LORA_A"), (2, 4)), FOREIGN),
        (_with(A0.replace("layers.0", "layers.7"), (2, 4)), FOREIGN),
        (_with(key(K0, "lora_A.weight"), (2, 4)), "target_modules does not name"),
        (_without(A0), MISSING),
        (_without(B0), MISSING),
        (_without(A0, B0), "targeted modules without tensors"),
        (_with(A0, (3, 4)), SHAPE),
        (_with(A0, (2, 5)), SHAPE),
        (_with(A0, (4, 2)), SHAPE),
        (_with(A0, (8,)), SHAPE),
        (_with(A0, (2, 4, 1)), SHAPE),
        (_with(B0, (5, 2)), SHAPE),
    ],
)
def test_altered_tensors_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Array]], None], said: str
) -> None:
    tensors = lora_tensors()
    change(tensors)
    assert said in refused(write_adapter(tmp_path, CONFIG, tensors))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without(key(Q0, "lora_magnitude_vector")), MISSING),
        (_with(key(Q0, "lora_magnitude_vector"), (4,)), SHAPE),
        (_with(key(Q0, "lora_magnitude_vector"), (6, 1)), SHAPE),
        (_with(key(Q0, "lora_magnitude_vector.weight"), (6,)), FOREIGN),
    ],
)
def test_altered_magnitudes_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Array]], None], said: str
) -> None:
    tensors = lora_tensors(dora=True)
    change(tensors)
    assert said in refused(write_adapter(tmp_path, CONFIG | {"use_dora": True}, tensors))


def test_an_empty_adapter_is_refused(tmp_path: Path) -> None:
    write_adapter(tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(raw_safetensors({}))
    assert "targeted modules without tensors" in refused(tmp_path)


def test_another_base_is_refused(tmp_path: Path) -> None:
    write_adapter(tmp_path)
    with pytest.raises(AdapterRefused, match="wrong shape"):
        check_adapter(
            tmp_path, {module: (rows * 2, columns * 2) for module, (rows, columns) in SHAPES.items()}
        )
    with pytest.raises(AdapterRefused, match="name no linear module"):
        check_adapter(tmp_path, {"transformer.h.0.attn.c_attn": (4, 4)})


def test_everything_is_told_at_once_and_briefly(tmp_path: Path) -> None:
    tensors = lora_tensors()
    del tensors[B0]
    tensors |= {f"base_model.model.x{index}": np.zeros(1, "float32") for index in range(50)}
    config = CONFIG | {"bias": "all", "modules_to_save": ["lm_head"], "lora_alpha": 1e9, "odd": 1}
    said = refused(write_adapter(tmp_path, config, tensors))
    for part in ["bias", "modules_to_save", "scaling", "'odd'", FOREIGN, MISSING, "and 47 more"]:
        assert part in said
    assert len(said) < 3_000


def test_both_files_missing_are_both_told(tmp_path: Path) -> None:
    said = refused(tmp_path)
    assert "adapter_config.json" in said
    assert "adapter_model.safetensors" in said


def test_links_are_refused(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "a")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / name).rename(tmp_path / name)
        (folder / name).symlink_to(tmp_path / name)
    assert refused(folder).count("symbolic link") == 2


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_found(tmp_path: Path, dtype: str, value: float) -> None:
    tensors = lora_tensors(dtype=dtype)
    check_values(write_adapter(tmp_path, tensors=tensors))
    tensors[B0][-1, -1] = value
    not_finite(write_adapter(tmp_path, tensors=tensors), [B0])


@pytest.mark.parametrize("dtypes", [("float32", "float16"), ("float16", "float32")])
@pytest.mark.parametrize("place", range(8))
def test_a_value_that_is_not_finite_is_found_wherever_it_stands(
    tmp_path: Path, dtypes: tuple[str, str], place: int
) -> None:
    """Neighbours of one dtype are looked at together: the first and the last number of every tensor count."""
    tensors = {name: array.astype(dtypes["lora_B" in name]) for name, array in lora_tensors().items()}
    name = sorted(tensors)[place]
    for corner in (0, -1):
        broken = {other: array.copy() for other, array in tensors.items()}
        broken[name].flat[corner] = math.inf
        not_finite(write_adapter(tmp_path, tensors=broken), [name])
    read_adapter_file(write_adapter(tmp_path, tensors=tensors), SHAPES)


def test_large_tensors_are_looked_through_to_their_end(tmp_path: Path) -> None:
    """They are read in pieces: numbers at the edges of pieces count, and one that is alone in the last."""
    first, rows = 4, 2 * PIECE + 1 - 4
    shapes, config = {Q0: (rows, first)}, CONFIG | {"target_modules": ["q_proj"], "r": 1}
    tensors = {A0: np.ones((1, first), "float32"), B0: np.ones((rows, 1), "float32")}
    read_adapter_file(write_adapter(tmp_path, config, tensors), shapes)
    for place in (PIECE - 1, PIECE, 2 * PIECE - 1, 2 * PIECE):
        tensors[B0][:] = 1
        tensors[B0].flat[place - first] = math.nan
        with pytest.raises(AdapterRefused, match="holds NaN or infinity"):
            read_adapter_file(write_adapter(tmp_path, config, tensors), shapes)


def test_what_is_loaded_is_what_was_checked(tmp_path: Path) -> None:
    """The same bytes, tensor by tensor, and nothing that happens to the file afterwards."""
    tensors = lora_tensors()
    for number, array in enumerate(tensors.values()):
        array[:] = number + np.arange(array.size, dtype="float32").reshape(array.shape)
    path = write_adapter(tmp_path, tensors=tensors) / "adapter_model.safetensors"
    before = path.read_bytes()
    accepted = read_adapter_file(tmp_path, SHAPES, published_hashes(tmp_path))
    path.write_bytes(b"\0" * len(before))
    assert bytes(accepted.raw) == before
    assert accepted.spec == SPEC
    assert accepted.tensors.keys() == tensors.keys()
    for name, info in accepted.tensors.items():
        stored = np.frombuffer(accepted.raw[info.start : info.end], "<f4").reshape(info.shape)
        assert (info.dtype, stored.tolist()) == ("F32", tensors[name].tolist())


def test_another_file_than_the_published_one_is_not_loaded(tmp_path: Path) -> None:
    path = write_adapter(tmp_path) / "adapter_model.safetensors"
    published = published_hashes(tmp_path)
    read_adapter_file(tmp_path, SHAPES, published)
    write_adapter(tmp_path, tensors={name: array + 1 for name, array in lora_tensors().items()})
    read_adapter_file(tmp_path, SHAPES)
    with pytest.raises(AdapterRefused, match="is not the file that was published") as caught:
        read_adapter_file(tmp_path, SHAPES, published)
    assert caught.value.problems[0].where == str(path)
    assert "adapters verify" in str(caught.value)


def test_an_adapter_of_nothing_is_no_adapter(tmp_path: Path) -> None:
    write_adapter(tmp_path, CONFIG | {"target_modules": []})
    (tmp_path / "adapter_model.safetensors").write_bytes(raw_safetensors({}))
    assert "target_modules is not allowed" in refused(tmp_path)


@pytest.mark.parametrize(
    ("bits", "finite"),
    [(0x7F80, False), (0xFF80, False), (0x7FC0, False), (0xFF81, False), (0x7F7F, True), (0x8000, True)],
)
@pytest.mark.parametrize("padding", ["", " "])  # data that begins on an odd byte is read as well
def test_bfloat16_is_read_by_its_bits(tmp_path: Path, bits: int, finite: bool, padding: str) -> None:
    header: dict[str, Any] = {"a": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}
    text = (str(header).replace("'", '"') + padding).encode()
    raw = raw_safetensors(text, np.array([0x3F80, bits, 0], "<u2").tobytes())
    (tmp_path / "adapter_model.safetensors").write_bytes(raw)
    if finite:
        check_values(tmp_path)
    else:
        with pytest.raises(AdapterRefused):
            check_values(tmp_path)
