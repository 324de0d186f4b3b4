"""One text being written: its tokens, what its constraints say about them, and what may be shown."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

import torch
from torch import Tensor

from lora_marketing.common.errors import AdapterRefused, LoraMarketingError, Problem
from lora_marketing.engine.base import LoadedBase
from lora_marketing.engine.constraints import ConstraintVerdict
from lora_marketing.engine.request import Finish, Progress, Request, RowOutput
from lora_marketing.engine.sampling import RowSampler

MOST_RETURNS = 200
"""So often may a row take tokens back before it counts as stuck."""


class Row:
    """One text being written: each `choose` adds a token or takes some back, until `written` is set.

    The text depends on the request and on the logits given to `choose`, not on when progress is read.
    """

    def __init__(self, request: Request, base: LoadedBase) -> None:
        self.request = request
        self.tokens: list[int] = []
        self.written: RowOutput | None = None
        self.error: LoraMarketingError | None = None
        self._base = base
        self._sampler = RowSampler(request.sampling)
        self._text = ""
        """The text without a character at its end of which not all bytes are there (yet)."""
        self._ends = [0]
        """How long `_text` was after no token, after the first, and so on."""
        self._bans: dict[int, set[int]] = {}
        self._returns = 0
        self._settled = 0
        self._sent = 0
        if request.sampling.max_new_tokens <= 0:
            self.end("length")

    def next_input(self) -> tuple[int, int]:
        """The token to compute next and its position: the last one that stands.

        After tokens were taken back this token is computed again, over what followed it.
        """
        position = len(self.request.prompt) + len(self.tokens) - 1
        return (self.tokens or self.request.prompt)[-1], position

    def take_progress(self) -> Progress:
        """What is new since the last call. The texts of all calls together are `written.text`."""
        text, upto = self._text, self._settled
        if self.written is not None:
            text, upto = self.written.text, len(self.written.text)
        start, self._sent = self._sent, upto
        return Progress(text[start:upto], len(self.tokens), self.written, self.error)

    def choose(self, logits: Tensor) -> None:
        """Choose the next token by the (vocabulary,) logits that follow the last one that stands."""
        scores = logits.float().cpu()
        if not bool((scores < math.inf).all()):  # not true of NaN either
            self.end("failed", _not_finite(self.request))
            return
        scores = self._narrowed(scores)
        if not bool((scores > -math.inf).any()):
            self._return_from_dead_end()
            return
        token = self._sampler.choose(scores)
        if token in self._base.stop_ids:
            self._try_to_end("stop", self._text)
        else:
            self._add(token)
            self._look_at_the_new_token()
        if self.written is None:
            self._settle()

    def end(self, finish: Finish, error: LoraMarketingError | None = None) -> None:
        """End the row with the text it has, as where it was cancelled; `error` says what failed."""
        self.error = error
        self._end(finish, self._text)

    def give_up(self, error: LoraMarketingError) -> None:
        """End the row with what was shown of it, without asking its constraints: one may be what failed."""
        self.error = error
        self.written = RowOutput(tuple(self.tokens), self._text[: max(self._settled, self._sent)], "failed")

    def _narrowed(self, scores: Tensor) -> Tensor:
        if banned := self._bans.get(len(self.tokens)):
            scores = scores.index_fill(0, torch.tensor(sorted(banned)), -math.inf)
        for constraint in self.request.constraints:
            scores = constraint.narrow(self.tokens, scores)
        return scores

    def _whole(self) -> str:
        return self._base.decode(self.tokens)

    def _add(self, token: int) -> None:
        self.tokens.append(token)
        # bytes of one character can be spelled as several U+FFFD, and hide those before them, for a while
        self._text = max(self._text, self._whole().rstrip("\ufffd"), key=len)
        self._ends.append(len(self._text))

    def _look_at_the_new_token(self) -> None:
        stops = [at for stop in self.request.sampling.stop if stop and (at := self._text.find(stop)) >= 0]
        if stops:
            self._try_to_end("stop_string", self._text[: min(stops)])
        elif len(self.tokens) >= self.request.sampling.max_new_tokens:
            self._try_to_end("length", self._text)
        elif verdict := self._judge(self._text, ended=False):
            if verdict.finish:
                self._end(verdict.finish, self._text[: verdict.keep])
            elif verdict.keep < len(self._text):
                self._return_to(verdict.keep)

    def _judge(self, text: str, ended: bool) -> ConstraintVerdict | None:
        """The verdict that keeps least."""
        verdicts = (constraint.judge(text, ended) for constraint in self.request.constraints)
        return min(filter(None, verdicts), key=lambda verdict: verdict.keep, default=None)

    def _try_to_end(self, finish: Finish, text: str) -> None:
        """End with `text` if the constraints let it; the row goes on otherwise."""
        verdict = self._judge(text, ended=True)
        if verdict is None:
            self._end(finish, text)
        elif verdict.finish:
            self._end(verdict.finish, text[: verdict.keep])
        elif verdict.keep < len(text):
            self._return_to(verdict.keep)
        elif finish == "stop":
            self._take_back(len(self.tokens), self._base.stop_ids)
        elif finish == "stop_string":
            self._take_back(len(self.tokens) - 1, self.tokens[-1:])
        else:  # too short, but there are no more tokens to have
            self._end(finish, text)

    def _return_to(self, length: int) -> None:
        """Keep the tokens that spell the first `length` characters, and choose the next one anew."""
        end = self._ends[bisect_right(self._ends, length) - 1]
        keep = min(bisect_left(self._ends, end), len(self.tokens) - 1)
        self._take_back(keep, self.tokens[keep : keep + 1])

    def _return_from_dead_end(self) -> None:
        self._take_back(len(self.tokens) - 1, self.tokens[-1:])

    def _take_back(self, keep: int, banned: Iterable[int]) -> None:
        """Keep the first `keep` tokens and ban what stood after them there; or end if that cannot be."""
        self._returns += 1
        if keep < 0 or self._ends[keep] < self._settled or self._returns > MOST_RETURNS:
            self._end("stuck", self._text)
            return
        del self.tokens[keep:], self._ends[keep + 1 :]
        self._text = self._text[: self._ends[keep]]
        self._bans = {place: tokens for place, tokens in self._bans.items() if place <= keep}
        self._bans.setdefault(keep, set()).update(banned)

    def _end(self, finish: Finish, text: str) -> None:
        """End with as much of `text` as every constraint accepts, but no less than may be shown by now."""
        while (verdict := self._judge(text, ended=True)) and verdict.keep < len(text):
            text = text[: verdict.keep]
        if len(text) < self._settled:
            text = self._text[: self._settled]
        if len(text) < len(self._whole()):
            del self.tokens[bisect_left(self._ends, len(text)) :]
        self.written = RowOutput(tuple(self.tokens), text, finish)

    def _settle(self) -> None:
        """Find how much may be shown: whole tokens that all constraints and stop strings leave alone."""
        at, before = len(self._text), None
        while at != before:
            before = at
            upto = [constraint.settled(self._text, at) for constraint in self.request.constraints]
            at = min([*upto, at - self._begun_stop(at)])
            at = self._ends[bisect_right(self._ends, at) - 1]
        self._settled = max(self._settled, at)

    def _begun_stop(self, at: int) -> int:
        """How many characters before `at` may be the beginning of a stop string."""
        begun = (
            size
            for stop in self.request.sampling.stop
            for size in range(1, len(stop))
            if self._text.endswith(stop[:size], 0, at)
        )
        return max(begun, default=0)


def _not_finite(request: Request) -> AdapterRefused:
    got = "the base alone" if request.adapter is None else f"adapter {request.adapter}"
    fix = "train it again: its weights are too large to compute with"
    return AdapterRefused(
        Problem("logits are not finite", got=got, fix=None if request.adapter is None else fix)
    )
