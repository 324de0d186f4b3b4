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

from lora_marketing.bases.load import LoadedBase, load_base
from lora_marketing.errors import AdapterRefused
from lora_marketing.writing.batch import Request, Written
from lora_marketing.writing.sampling import RowSampler, Sampling
from lora_marketing.writing.writer import Writer

from .making import KINDS, base_folder, peft_model, prompts, save_adapters, section, state

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
@pytest.mark.parametrize("model_type", ["llama", "qwen2", "gemma3"])
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
    assert [row.stopped for row in written] == [len(text) < 30 for text in expected]
    assert len(set(expected)) >= (3 if model_type == "qwen2" else 6)


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
    alone: list[Written] = []
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
    assert state(writer.base) == before
    ids = torch.tensor([requests[0].prompt])
    with torch.inference_mode():  # the model itself is the bare base between calls
        bare = writer.base.model(input_ids=ids).logits
        writer.close()
        assert torch.equal(writer.base.model(input_ids=ids).logits, bare)
    reopened = Writer(writer.base)
    assert reopened.write([requests[3]]) == [texts[3]]


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
    llama: LoadedBase, folders: dict[str, Path]
) -> None:
    lengths = [30, 2, 17, 9, 25, 4, 11]
    seen: list[int] = []
    writer = Writer(llama, max_rows=3)
    hook = llama.model.register_forward_hook(
        lambda _module, _inputs, outputs: seen.append(outputs.logits.shape[0])
    )
    try:
        writer.load_folder("plain", folders["plain"])
        requests = [
            Request(prompt, "plain" if at % 2 else None, Sampling(at, 0, 1, 4))
            for at, prompt in enumerate(prompts(llama, lengths))
        ]
        written = writer.write(requests)
        assert max(seen) <= 3
        assert len({row.tokens for row in written}) == len(lengths)
        assert written == [writer.write([request])[0] for request in requests]
        assert writer.write([]) == []
    finally:
        hook.remove()
        writer.close()


def test_no_forward_for_no_tokens_and_none_after_the_last_one(writer: Writer) -> None:
    prompt = prompts(writer.base, [8])[0]
    count = 0

    def counted(*_: object) -> None:
        nonlocal count
        count += 1

    hook = writer.base.model.register_forward_hook(counted)
    try:
        assert writer.write([Request(prompt, "dora", Sampling(max_new_tokens=0))]) == [Written((), False)]
        assert count == 0
        (row,) = writer.write([Request(prompt, "dora", Sampling(max_new_tokens=1))])
    finally:
        hook.remove()
    assert (len(row.tokens), row.stopped) == (1, False)
    assert count <= 2  # what rows share, and what is their own


def test_stop_at_the_first_token_is_an_empty_text_that_stopped(writer: Writer) -> None:
    prompt = prompts(writer.base, [8])[0]
    greedy = Sampling(0, 0, 1, 5)
    (row,) = writer.write([Request(prompt, "plain", greedy)])
    stops = replace(writer.base, stop_ids=frozenset({row.tokens[0]}))
    writer.base = stops
    assert writer.write([Request(prompt, "plain", greedy)]) == [Written((), True)]


def test_close_gives_the_very_base_back_and_forgets_the_adapters(
    llama: LoadedBase, folders: dict[str, Path]
) -> None:
    modules, before = [id(module) for module in llama.model.modules()], state(llama)
    writer = Writer(llama)
    writer.load_folder("dora", folders["dora"])
    writer.load_folder("plain", folders["plain"])
    assert state(llama) != before
    writer.close()
    writer.close()
    assert [id(module) for module in llama.model.modules()] == modules
    assert state(llama) == before
    # the bare base must not answer in a brand's name
    with pytest.raises(AdapterRefused, match="adapter is not loaded"):
        writer.write([Request([30, 31], "dora", Sampling())])


def test_a_second_writer_on_the_same_base_is_refused(writer: Writer, folders: dict[str, Path]) -> None:
    request = Request(prompts(writer.base, [8])[0], "rslora", Sampling(0, 0, 1, 6))
    before, texts = state(writer.base), writer.write([request])
    other = Writer(writer.base)
    with pytest.raises(RuntimeError, match="close it first"):
        other.load_folder("rslora", folders["plain"])
    with pytest.raises(AdapterRefused, match="adapter is not loaded"):
        other.write([request])
    other.close()
    assert state(writer.base) == before
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
    got: dict[tuple[int, int], list[Written]] = {}

    def work(at: int) -> None:
        for turn in range(4):
            got[at, turn] = writer.write(asked[at])

    threads = [Thread(target=work, args=(at,)) for at in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {(at, turn): expected[at] for at in range(len(asked)) for turn in range(4)}
