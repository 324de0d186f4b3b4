"""The Writer: PEFT's own texts, whatever else is in the batch, and nothing left behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lora_marketing.common.errors import AdapterRefused
from lora_marketing.engine.base import LoadedBase, load_base
from lora_marketing.engine.request import Request, RowOutput
from lora_marketing.engine.row_cache import InputChunk
from lora_marketing.engine.sampling import RowSampler, Sampling
from lora_marketing.engine.writer import Writer
from tests.engine.making import (
    KINDS,
    base_folder,
    peft_model,
    prompts,
    save_adapters,
    section,
    state,
    whole_characters,
)

VOICES = (*KINDS, None)


def often_stopping(base: LoadedBase) -> LoadedBase:
    """The base with so many stop tokens that rows leave a batch at all times."""
    return replace(base, stop_ids=base.stop_ids | frozenset(range(20, len(base.tokenizer), 16)))


def peft_text(base: LoadedBase, folder: Path | None, prompt: Sequence[int], most: int) -> tuple[int, ...]:
    model: Any = peft_model(base, folder) if folder else base.model
    ids = torch.tensor([list(prompt)])
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            do_sample=False,
            max_new_tokens=most,
            eos_token_id=sorted(base.stop_ids),
            pad_token_id=base.tokenizer.pad_token_id,
        )[0, len(prompt) :].tolist()
    return tuple(out[:-1] if out[-1] in base.stop_ids else out)


# gemma3: a vision tower beside the decoder, and a window of 64 tokens that prompts and texts outgrow
@pytest.mark.parametrize("model_type", [pytest.param("llama", marks=pytest.mark.thorough), "qwen2", "gemma3"])
def test_greedy_texts_are_those_of_peft_in_one_mixed_batch(tmp_path: Path, model_type: str) -> None:
    base = often_stopping(load_base(section(base_folder(model_type, tmp_path / "base"))))
    folders = save_adapters(base, tmp_path)
    voices = [*folders, None] * 2
    asked = prompts(base, [90, 50, 64, 3, 7, 65, 12, 100])
    asked[4:7] = [asked[at][:40] + asked[at + 4] for at in range(3)]  # as a brand's rows share their guide
    expected = [
        peft_text(base, folders.get(voice or ""), prompt, 30)
        for voice, prompt in zip(voices, asked, strict=True)
    ]
    stopped = [len(text) < 30 for text in expected]
    expected = [whole_characters(base, text) for text in expected]
    writer = Writer(base)
    try:
        for name, folder in folders.items():
            writer.load_folder(name, folder)
        written = writer.write(
            [Request(p, v, Sampling(0, 0, 1, 30)) for p, v in zip(asked, voices, strict=True)]
        )
    finally:
        writer.close()
    assert [row.tokens for row in written] == expected
    assert [row.stopped for row in written] == stopped
    assert len(set(expected)) >= (3 if model_type == "qwen2" else 5)


def some_requests(base: LoadedBase) -> st.SearchStrategy[list[Request]]:
    chosen = prompts(base, [5, 9, 33, 34])
    chosen.append(chosen[2] + chosen[0])
    chosen.append(chosen[2] + chosen[1])
    sampling = st.builds(
        Sampling,
        seed=st.integers(0, 2**63 - 1),
        temperature=st.sampled_from([0.0, 0.7, 1.5]),
        top_p=st.sampled_from([0.5, 0.9, 1.0]),
        max_new_tokens=st.sampled_from([0, 1, 2, 7, 12]),
    )
    one = st.builds(Request, st.sampled_from(chosen), st.sampled_from(VOICES), sampling)
    return st.lists(one, min_size=1, max_size=9)


@pytest.mark.thorough  # of the engine the same is always asked, in test_engine.py
@settings(
    deadline=None,
    max_examples=12,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_text_is_the_same_alone_and_in_any_batch(
    llama: LoadedBase, folders: dict[str, Path], data: st.DataObject
) -> None:
    base = often_stopping(llama)
    requests = data.draw(some_requests(base))
    order = data.draw(st.permutations(range(len(requests))))
    alone: list[RowOutput] = []
    for request in requests:
        only = Writer(base)
        if request.adapter:
            only.load_folder(request.adapter, folders[request.adapter])
        alone += only.write([request])
        only.close()
    writer = Writer(base, max_rows=data.draw(st.sampled_from([1, 2, 3, 32])))
    try:
        for name in data.draw(st.permutations(sorted(folders))):
            writer.load_folder(name, folders[name])
        assert writer.write(requests) == alone
        assert writer.write([requests[at] for at in order]) == [alone[at] for at in order]
    finally:
        writer.close()
    for request, row in zip(requests, alone, strict=True):
        assert len(row.tokens) <= request.sampling.max_new_tokens
        assert not base.stop_ids.intersection(row.tokens)


def test_an_exception_in_mid_generation_leaves_no_trace(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [
        Request(prompt, voice, Sampling(3, 1.0, 1.0, 8))
        for prompt, voice in zip(prompts(writer.base, [5, 9, 30, 11]), VOICES, strict=True)
    ]
    before, texts = state(writer.base), writer.write(requests)
    calls = 0

    def failing(self: RowSampler, logits: torch.Tensor) -> int:
        nonlocal calls
        calls += 1
        if calls == 14:
            raise KeyboardInterrupt
        return int(logits.argmax())

    with monkeypatch.context() as patched:
        patched.setattr(RowSampler, "choose", failing)
        with pytest.raises(KeyboardInterrupt):
            writer.write(requests)
    assert calls == 14
    assert state(writer.base) == before
    assert writer.write(requests[::-1]) == texts[::-1]


def test_after_an_exception_the_same_writer_writes_the_same(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [Request(prompts(writer.base, [6])[0], voice, Sampling(3, 1.0, 1.0, 8)) for voice in VOICES]
    texts = writer.write(requests)
    with monkeypatch.context() as patched:
        patched.setattr(RowSampler, "choose", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            writer.write(requests[:2])
    assert writer.write(requests) == texts


def test_a_batch_never_holds_more_rows_than_allowed_and_answers_in_order(
    llama: LoadedBase, folders: dict[str, Path], forwards: list[list[InputChunk]]
) -> None:
    lengths = [30, 2, 17, 9, 25, 4, 11]
    writer = Writer(llama, max_rows=3)
    writer.load_folder("plain", folders["plain"])
    requests = [
        Request(prompt, "plain" if at % 2 else None, Sampling(at, 0, 1, 4 + 3 * at))
        for at, prompt in enumerate(prompts(llama, lengths))
    ]
    written = writer.write(requests)
    assert max(map(len, forwards)) == 3
    # as one row ends, the next begins: no more forwards than three rows at a time need
    assert {row.finish for row in written} == {"length"}
    assert sum(len(chunks) for chunks in forwards) == sum(one.sampling.max_new_tokens for one in requests)
    assert len({row.tokens for row in written}) == len(lengths)
    assert written == [writer.write([request])[0] for request in requests]
    assert writer.write([]) == []


def test_no_forward_for_no_tokens_and_none_after_the_last_one(
    writer: Writer, forwards: list[list[InputChunk]]
) -> None:
    prompt = prompts(writer.base, [8])[0]
    assert writer.write([Request(prompt, "dora", Sampling(max_new_tokens=0))]) == [
        RowOutput((), "", "length")
    ]
    assert forwards == []
    (row,) = writer.write([Request(prompt, "dora", Sampling(max_new_tokens=1))])
    assert row.finish == "length"
    assert forwards == [[InputChunk(prompt, 0)]]


def test_what_rows_share_is_computed_once_also_in_later_calls(
    writer: Writer, forwards: list[list[InputChunk]]
) -> None:
    guide, *briefs = prompts(writer.base, [60, 5, 7, 9])
    requests = [Request(guide + brief, "plain", Sampling(at, 0, 1, 2)) for at, brief in enumerate(briefs)]
    first = writer.write([*requests, requests[0]])  # and two variants of one brief
    computed = [len(chunk.tokens) for chunks in forwards for chunk in chunks if len(chunk.tokens) > 1]
    assert sorted(computed) == [7, 9, 65]
    assert first[3] == first[0]
    forwards.clear()
    assert writer.write(requests) == first[:3]
    assert all(len(chunk.tokens) == 1 for chunks in forwards for chunk in chunks)
    other = replace(requests[0], adapter="rslora")
    forwards.clear()
    writer.write([other])
    assert forwards[0] == [InputChunk(other.prompt, 0)], "another adapter shares nothing"


def test_stop_at_the_first_token_is_an_empty_text_that_stopped(
    writer: Writer, folders: dict[str, Path]
) -> None:
    prompt = prompts(writer.base, [8])[0]
    greedy = Sampling(0, 0, 1, 5)
    (row,) = writer.write([Request(prompt, "plain", greedy)])
    stops = replace(writer.base, stop_ids=frozenset({row.tokens[0]}))
    stopping = Writer(stops)
    stopping.load_folder("plain", folders["plain"])
    assert stopping.write([Request(prompt, "plain", greedy)]) == [RowOutput((), "", "stop")]


def test_the_base_is_not_touched_and_close_forgets_the_adapters(
    llama: LoadedBase, folders: dict[str, Path]
) -> None:
    modules, before = [id(module) for module in llama.model.modules()], state(llama)
    writer = Writer(llama)
    writer.load_folder("dora", folders["dora"])
    writer.load_folder("plain", folders["plain"])
    writer.write([Request([30, 31], name, Sampling()) for name in ("dora", "plain", None)])
    assert [id(module) for module in llama.model.modules()] == modules
    assert state(llama) == before
    writer.close()
    writer.close()
    # the bare base must not answer in a brand's name
    with pytest.raises(AdapterRefused, match="adapter is not loaded"):
        writer.write([Request([30, 31], "dora", Sampling())])


def test_two_writers_on_one_base_know_nothing_of_each_other(writer: Writer, folders: dict[str, Path]) -> None:
    request = Request(prompts(writer.base, [8])[0], "rslora", Sampling(0, 0, 1, 6))
    texts = writer.write([request])
    other = Writer(writer.base)
    other.load_folder("rslora", folders["plain"])
    assert other.write([request]) == writer.write([replace(request, adapter="plain")]) != texts
    assert writer.write([request]) == texts


def test_threads_that_share_a_writer_get_their_own_texts(writer: Writer) -> None:
    asked = [
        [
            Request(prompt, voice, Sampling(at, 1.0, 1.0, 10))
            for prompt in prompts(writer.base, [4, 9][: 1 + at % 2], seed=at)
        ]
        for at, voice in enumerate(VOICES)
    ]
    expected = [writer.write(requests) for requests in asked]
    got: dict[tuple[int, int], list[RowOutput]] = {}

    def work(at: int) -> None:
        for turn in range(4):
            got[at, turn] = writer.write(asked[at])

    threads = [Thread(target=work, args=(at,)) for at in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {(at, turn): expected[at] for at in range(len(asked)) for turn in range(4)}
