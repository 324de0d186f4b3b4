"""The engine: rows come and go at any time, and each is written as if it were alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import Lfm2Config, Lfm2ForCausalLM

from lora_marketing.common.errors import AdapterRefused, RowFailed
from lora_marketing.engine.base import LoadedBase, load_base
from lora_marketing.engine.constraints import ConstraintVerdict
from lora_marketing.engine.engine import Engine, RowHandle
from lora_marketing.engine.fair_queue import WORTH_PAUSING
from lora_marketing.engine.request import Progress, Request, RowOutput
from lora_marketing.engine.row import Row
from lora_marketing.engine.row_cache import InputChunk
from lora_marketing.engine.sampling import Sampling
from tests.engine.making import KINDS, Kind, base_folder, prompts, save_adapter, section
from tests.engine.test_writer import often_stopping, peft_text

GREEDY = Sampling(0, 0.0, 1.0, 6)


class Recorder:
    """A listener that keeps all progress of a row."""

    def __init__(self) -> None:
        self.progress: list[Progress] = []

    def __call__(self, progress: Progress) -> None:
        assert not self.progress or self.progress[-1].written is None, "progress after its end"
        self.progress.append(progress)

    @property
    def written(self) -> RowOutput | None:
        return self.progress[-1].written if self.progress else None

    @property
    def text(self) -> str:
        return "".join(progress.text for progress in self.progress)


def run(engine: Engine, requests: Sequence[Request]) -> list[RowOutput]:
    recorders = [Recorder() for _ in requests]
    for request, recorder in zip(requests, recorders, strict=True):
        engine.submit(request, recorder)
    while engine.step():
        pass
    outputs = [recorder.written for recorder in recorders if recorder.written]
    assert [recorder.text for recorder in recorders] == [output.text for output in outputs]
    return outputs


def with_adapters(engine: Engine, folders: dict[str, Path]) -> Engine:
    for name, folder in folders.items():
        engine.load(name, folder)
    return engine


def some_request(base: LoadedBase, chance: Random) -> Request:
    guide, *briefs = prompts(base, [40, 3, 1, 20])
    sampling = Sampling(
        seed=chance.randrange(2**40),
        temperature=chance.choice([0.0, 1.0]),
        top_p=chance.choice([0.6, 1.0]),
        max_new_tokens=chance.randint(0, 9),
    )
    prompt = chance.choice([*briefs, *(guide + brief for brief in briefs)])
    return Request(prompt, chance.choice([*KINDS, None]), sampling, client=chance.choice("abc"))


@settings(
    deadline=None,
    max_examples=20,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 10**6))
def test_rows_that_come_and_go_are_written_as_if_alone(
    llama: LoadedBase, folders: dict[str, Path], seed: int
) -> None:
    """Random arrivals, cancellations, batch sizes, too few slots, a prefix cache that forgets; clients for
    whom others are paused, prompts that are computed in pieces."""
    base, chance = often_stopping(llama), Random(seed)
    requests = [some_request(base, chance) for _ in range(chance.randint(1, 10))]
    engine = Engine(
        base,
        max_rows=chance.choice([1, 2, 4, 32]),
        row_tokens=chance.choice([100, 65_536]),
        adapter_slots=chance.choice([1, 2, 3]),
        prefix_bytes=chance.choice([0, 20_000, 1 << 30]),
        host_bytes=chance.choice([0, 1 << 30]),
    )
    with_adapters(engine, folders)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("lora_marketing.engine.engine.PROMPT_TOKENS", chance.choice([5, 2048]))
        patched.setattr("lora_marketing.engine.fair_queue.SHARED_PROMPT_TOKENS", chance.choice([5, 2048]))
        patched.setattr("lora_marketing.engine.fair_queue.SLICE", chance.choice([3, 256]))
        recorders, given_up = come_and_go(engine, requests, chance)
    alone = with_adapters(Engine(base, max_rows=1, prefix_bytes=0), folders)
    for number, (request, found) in enumerate(zip(requests, recorders, strict=True)):
        (wanted,) = run(alone, [request])
        assert found.written is not None
        if number in given_up:
            assert found.written.finish == "cancelled"
            assert wanted.tokens[: len(found.written.tokens)] == found.written.tokens
        else:
            assert found.written == wanted
            assert found.text == wanted.text
    figures = engine.figures()
    assert (figures.rows_running, figures.rows_waiting) == (0, 0)
    assert figures.prefix_bytes <= figures.prefix_limit_bytes


def come_and_go(
    engine: Engine, requests: Sequence[Request], chance: Random
) -> tuple[list[Recorder], set[int]]:
    """What became of requests that came at any time, and which were cancelled."""
    waiting, recorders, handles = list(requests), [Recorder() for _ in requests], []
    given_up: set[int] = set()
    while True:
        for _ in range(chance.randint(0, 3)):
            if waiting:
                handles.append(engine.submit(waiting.pop(0), recorders[len(handles)]))
        if handles and chance.random() < 0.1:
            number = chance.randrange(len(handles))
            if recorders[number].written is None:
                handles[number].cancel()
                given_up.add(number)
        if not engine.step() and not waiting:
            return recorders, given_up


def test_first_come_first_served_and_a_long_row_waits_for_room(llama: LoadedBase) -> None:
    engine = Engine(llama, max_rows=2, row_tokens=80)
    order: list[str] = []

    def submit(name: str, prompt: int, new: int) -> RowHandle:
        def listen(progress: Progress) -> None:
            if progress.tokens == 1:
                order.append(name)

        tokens = prompts(llama, [prompt], seed=len(name) + prompt)[0]
        return engine.submit(Request(tokens, None, Sampling(0, 0.0, 1.0, new)), listen)

    for name, prompt, new in (("a", 10, 9), ("long", 60, 9), ("c", 9, 9), ("d", 8, 9)):
        submit(name, prompt, new)
    assert engine.step()
    assert order == ["a"], "69 tokens beside another row are more than 80 in two rows"
    assert engine.figures().rows_waiting == 3
    while engine.step():
        pass
    assert order == ["a", "long", "c", "d"]


def waits(engine: Engine, request: Request) -> int:
    """Steps until the first token of a row that comes now."""
    recorder, steps = Recorder(), 0
    engine.submit(request, recorder)
    while not recorder.progress:
        engine.step()
        steps += 1
    while recorder.written is None:
        engine.step()
    return steps


@pytest.mark.parametrize(("rows", "most"), [(2, 2 + WORTH_PAUSING), (8, 3)], ids=["few rows", "many rows"])
def test_whoever_asks_for_much_makes_nobody_wait(llama: LoadedBase, rows: int, most: int) -> None:
    """Many long rows behind long prompts, which take all the room that there is; and short ones."""
    engine = Engine(llama, max_rows=rows, row_tokens=rows * 400)
    greedy = [Recorder() for _ in range(5 * rows)]
    for number, recorder in enumerate(greedy):
        prompt = prompts(llama, [300], seed=number)[0]
        engine.submit(Request(prompt, None, Sampling(number, 1.0, 1.0, 8000), client="hog"), recorder)
    for _ in range(20):
        engine.step()
    assert engine.figures().rows_running >= rows // 2
    short = [Request(prompt, None, GREEDY, client="honest") for prompt in prompts(llama, [20] * 12)]
    assert max(waits(engine, request) for request in short) <= most
    before = sum(recorder.progress[-1].tokens for recorder in greedy if recorder.progress)
    for _ in range(5):
        engine.step()
    assert sum(recorder.progress[-1].tokens for recorder in greedy if recorder.progress) > before, (
        "the other goes on"
    )
    assert engine.figures().rows_paused


class Breaks:
    """A constraint that raises, in the method of this name, once a text has three characters."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.length = 0

    def narrow(self, tokens: Sequence[int], logits: torch.Tensor) -> torch.Tensor:
        self._look("narrow", self.length)
        return logits

    def judge(self, text: str, ended: bool) -> ConstraintVerdict | None:
        self.length = len(text)
        self._look("judge", len(text))
        return None

    def settled(self, text: str, at: int) -> int:
        self._look("settled", len(text))
        return at

    def _look(self, method: str, length: int) -> None:
        if method == self.method and length >= 3:
            raise KeyError("what a client wrote")


@pytest.mark.parametrize("method", ["narrow", "judge", "settled", "listen"])
def test_what_fails_in_a_row_ends_that_row_alone(llama: LoadedBase, method: str) -> None:
    engine = Engine(llama)
    asked = [
        Request(prompt, None, replace(GREEDY, max_new_tokens=20)) for prompt in prompts(llama, [9, 4, 7])
    ]
    wanted = run(engine, [asked[0], asked[2]])
    recorders = [Recorder() for _ in asked]

    def gone(progress: Progress) -> None:
        recorders[1](progress)
        raise RuntimeError("the loop is closed")

    broken = replace(asked[1], constraints=() if method == "listen" else (Breaks(method),))
    for request, listen in ((asked[0], recorders[0]), (broken, gone if method == "listen" else recorders[1])):
        engine.submit(request, listen)
    engine.submit(asked[2], recorders[2])
    while engine.step():
        pass
    assert [recorders[0].written, recorders[2].written] == wanted
    assert engine.figures().rows_running == 0
    if method != "listen":
        last = recorders[1].progress[-1]
        assert last.written is not None
        assert (last.written.finish, type(last.error)) == ("failed", RowFailed)
        assert isinstance(last.error.__cause__ if last.error else None, KeyError)
        assert "client wrote" not in str(last.error)
        assert recorders[1].text == last.written.text


def test_figures_count_what_was_computed_and_what_was_known(
    llama: LoadedBase, folders: dict[str, Path]
) -> None:
    engine = with_adapters(Engine(llama, prefix_bytes=1 << 30), folders)
    guide, one, other = prompts(llama, [50, 6, 20])
    run(engine, [Request(guide + one, "plain", GREEDY)])
    run(engine, [Request(guide + other, "plain", GREEDY), Request(guide + other, "plain", GREEDY)])
    figures = engine.figures()
    assert figures.prompt_tokens_computed == 56 + 20 + 1
    assert figures.prompt_tokens_reused == 50 + 69
    assert figures.tokens_written >= 3 * 6
    assert (figures.rows_finished, figures.adapter_loads, figures.adapters_resident) == (3, 1, 1)
    assert figures.adapter_load_seconds > 0


def test_slots_go_to_the_adapter_that_was_longest_unused(llama: LoadedBase, folders: dict[str, Path]) -> None:
    engine = with_adapters(Engine(llama, adapter_slots=2), folders)
    prompt = prompts(llama, [6])[0]
    for name in ("plain", "dora", "plain", "rslora", "plain"):
        run(engine, [Request(prompt, name, GREEDY)])
    assert engine.figures().adapter_loads == 3, "plain stayed"
    run(engine, [Request(prompt, "dora", GREEDY)])
    assert engine.figures().adapter_loads == 4


def test_an_adapter_that_is_deleted_while_it_writes(
    llama: LoadedBase, folders: dict[str, Path], tmp_path: Path
) -> None:
    """Its rows end as they began; later rows fail, and no other adapter answers for it."""
    wanted = run(with_adapters(Engine(llama), folders), [Request([30, 31, 32], "plain", GREEDY)])
    gone = Path(shutil.copytree(folders["plain"], tmp_path / "gone"))
    engine = Engine(llama, adapter_slots=1, host_bytes=0)
    engine.load("dora", folders["dora"])
    engine._slots.register("gone", gone)
    recorder = Recorder()
    engine.submit(Request([30, 31, 32], "gone", GREEDY), recorder)
    engine.step()
    shutil.rmtree(gone)
    with pytest.raises(AdapterRefused, match="being written with"):
        engine.load("gone", folders["dora"])
    while engine.step():
        pass
    assert recorder.written == wanted[0]
    run(engine, [Request([30], "dora", GREEDY)])  # takes the only slot
    late = Recorder()
    engine.submit(Request([30, 31, 32], "gone", GREEDY), late)
    engine.step()
    assert late.written == RowOutput((), "", "failed")
    assert isinstance(late.progress[-1].error, AdapterRefused)


def test_a_damaged_file_fails_its_own_rows_only(
    llama: LoadedBase, folders: dict[str, Path], tmp_path: Path
) -> None:
    bad = Path(shutil.copytree(folders["plain"], tmp_path / "bad"))
    weights = bad / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    engine = with_adapters(Engine(llama), folders)
    engine._slots.register("bad", bad)
    good = [Request([30, 31], name, GREEDY) for name in ("dora", None)]
    wanted = run(engine, good)
    found = run(engine, [good[0], Request([30, 31], "bad", GREEDY), good[1]])
    assert [found[0], found[2]] == wanted
    assert found[1].finish == "failed"


def test_an_adapter_that_overflows_empties_its_own_row_only(
    llama: LoadedBase, folders: dict[str, Path], tmp_path: Path
) -> None:
    """Finite weights, so the load gate lets it in; what it computes is NaN, and stays in its row."""
    wild = save_adapter(llama, Kind(("q_proj", "v_proj"), 4, 7, strength=1e38), tmp_path / "wild")
    engine = with_adapters(Engine(llama, max_rows=4), folders)
    engine.load("wild", wild)
    others = [
        Request(prompt, name, GREEDY) for prompt, name in zip(prompts(llama, [9, 4, 7]), KINDS, strict=True)
    ]
    wanted = run(engine, others)
    for _ in range(3):  # again and again, in the places that it left
        found = run(engine, [others[0], Request(others[0].prompt, "wild", GREEDY), *others[1:]])
        assert [found[0], *found[2:]] == wanted
        assert found[1] == RowOutput((), "", "failed")


@pytest.fixture
def stateful(tmp_path: Path) -> LoadedBase:
    """A base whose convolutions carry a state from token to token."""
    llama = load_base(section(base_folder("llama", tmp_path / "llama")))
    torch.manual_seed(5)
    sizes = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    kinds = ["conv", "full_attention", "conv"]
    ids = {"eos_token_id": llama.tokenizer.eos_token_id, "pad_token_id": 0, "bos_token_id": None}
    config = Lfm2Config(**sizes, **ids, layer_types=kinds, vocab_size=len(llama.tokenizer))
    model = Lfm2ForCausalLM(config)
    model.generation_config.eos_token_id = llama.tokenizer.eos_token_id
    shutil.copytree(tmp_path / "llama", tmp_path / "lfm2")
    model.save_pretrained(tmp_path / "lfm2")
    return load_base(section(tmp_path / "lfm2"))


def test_layers_with_a_state_are_written_row_by_row_and_as_peft_does(
    stateful: LoadedBase, tmp_path: Path
) -> None:
    folder = save_adapter(stateful, Kind(("q_proj", "w1", "out_proj"), 4, 1), tmp_path / "adapter")
    engine = Engine(stateful)
    engine.load("brand", folder)
    voices = ["brand", None, "brand", "brand"]
    prompt_ids = prompts(stateful, [9, 9, 30, 3])
    found = run(
        engine, [Request(p, v, Sampling(0, 0.0, 1.0, 12)) for p, v in zip(prompt_ids, voices, strict=True)]
    )
    wanted = [
        peft_text(stateful, folder if voice else None, p, 12)
        for p, voice in zip(prompt_ids, voices, strict=True)
    ]
    assert [row.tokens for row in found] == wanted
    assert len(set(wanted)) == 4


class Never:
    """A constraint that takes a token back wherever it stands."""

    def __init__(self, token: int, decode: Callable[[Sequence[int]], str]) -> None:
        self.letters = decode([token])

    def narrow(self, tokens: Sequence[int], logits: torch.Tensor) -> torch.Tensor:
        return logits

    def judge(self, text: str, ended: bool) -> ConstraintVerdict | None:
        at = text.find(self.letters)
        return None if at < 0 else ConstraintVerdict(at)

    def settled(self, text: str, at: int) -> int:
        return max(0, at - len(self.letters))


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["shared", "stateful"])
def test_a_row_that_takes_tokens_back_goes_on_as_if_they_had_never_been(
    llama: LoadedBase, stateful: LoadedBase, kind: str
) -> None:
    """Against a row whose logits are computed anew over all of its tokens, every time."""
    base = llama if kind == "shared" else stateful
    for number, prompt in enumerate(prompts(base, [9, 5, 12])):
        (free,) = run(Engine(base), [Request(prompt, None, Sampling(number, 1.0, 1.0, 30))])
        constraints = tuple(Never(token, base.decode) for token in free.tokens[3:30:6])
        request = Request(prompt, None, Sampling(number, 1.0, 1.0, 30), constraints)
        (found,) = run(Engine(base), [request])
        row, choices = Row(request, base), 0
        with torch.inference_mode():
            while row.written is None:
                row.choose(base.model(input_ids=torch.tensor([[*prompt, *row.tokens]])).logits[0, -1])
                choices += 1
        assert choices > len(row.written.tokens) + 1, "something was taken back"
        assert found == row.written != free


@pytest.mark.parametrize(
    ("shared", "computed"),
    [(0, [30, 1, 30, 1]), (20, [30, 1, 10, 1]), (29, [30, 1, 1, 1]), (30, [30, 1, 1, 1])],
)
def test_keys_of_one_adapter_share_what_is_the_brand_s_own(
    llama: LoadedBase,
    folders: dict[str, Path],
    forwards: list[list[InputChunk]],
    shared: int,
    computed: list[int],
) -> None:
    """Else one would learn from the time of an answer what the other had sent."""
    engine = Engine(llama)
    engine.load("plain", folders["plain"])
    request = Request(prompts(llama, [30])[0], "plain", replace(GREEDY, max_new_tokens=1), shared=shared)
    for scope in ("one key", "one key", "another", "another"):
        run(engine, [replace(request, scope=scope)])
    assert [len(chunk.tokens) for chunks in forwards for chunk in chunks] == computed


def test_rows_of_two_keys_that_arrive_together_do_not_wait_for_each_other(
    llama: LoadedBase, folders: dict[str, Path], forwards: list[list[InputChunk]]
) -> None:
    engine = Engine(llama)
    engine.load("plain", folders["plain"])
    request = Request(prompts(llama, [60])[0], "plain", replace(GREEDY, max_new_tokens=1))
    run(engine, [replace(request, scope=scope) for scope in ("one key", "another")])
    assert [[len(chunk.tokens) for chunk in chunks] for chunks in forwards] == [[60, 60]]


def test_the_bare_base_shares_prefixes_within_a_scope_only(
    llama: LoadedBase, forwards: list[list[InputChunk]]
) -> None:
    engine = Engine(llama)
    request = Request(prompts(llama, [30])[0], None, replace(GREEDY, max_new_tokens=1), scope="one key")
    for scope, computed in (("one key", 30), ("one key", 1), ("another key", 30)):
        forwards.clear()
        run(engine, [replace(request, scope=scope)])
        assert [len(chunk.tokens) for chunks in forwards for chunk in chunks] == [computed]
