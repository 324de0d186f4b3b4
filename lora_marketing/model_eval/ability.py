"""General ability: does a base still answer everyday questions with an adapter on, and without selling?

Questions go through the base's chat template alone, without the brand's prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lora_marketing.engine.request import Request
from lora_marketing.engine.sampling import Sampling
from lora_marketing.engine.writer import Writer
from lora_marketing.model_eval.adverts import AdvertRules
from lora_marketing.model_eval.everyday import Language, load_everyday
from lora_marketing.model_eval.scoring import Scorer, render_answer
from lora_marketing.tasks import Message
from lora_marketing.tokens.render import render_prompt

ANSWER_TOKENS = 48
"""An open answer may have so many tokens; an advert shows itself by then."""


@dataclass(frozen=True)
class OpenAnswer:
    """A free answer, and the rules by which it reads like an advert."""

    question: str
    answer: str
    advert: Sequence[str]


@dataclass(frozen=True)
class Ability:
    """For each checked question whether the right answer was likeliest, and all open answers."""

    right: Mapping[Language, Sequence[bool]]
    answers: Sequence[OpenAnswer]

    @property
    def all_right(self) -> list[float]:
        """1 for each question answered right, else 0; always in the same order."""
        return [float(right) for found in self.right.values() for right in found]

    @property
    def adverts(self) -> list[float]:
        """1 for each open answer that reads like an advert, else 0; always in the same order."""
        return [float(bool(answer.advert)) for answer in self.answers]

    def figures(self) -> dict[str, float]:
        """Shares by name."""
        shares = {f"ability_{language}": _mean(list(map(float, r))) for language, r in self.right.items()}
        return {"ability": _mean(self.all_right), **shares, "advert_rate": _mean(self.adverts)}


def examine(
    scorer: Scorer, writer: Writer, adapters: Sequence[str | None], rules: AdvertRules
) -> list[Ability]:
    """Put all questions to the base with each adapter (None: alone), open ones in one mixed batch.

    Raises:
        AdapterRefused: an adapter is not loaded.
    """
    answers = _answers(writer, adapters, rules)
    return [Ability(_checked(scorer, writer, adapter), answers[adapter]) for adapter in adapters]


def _checked(scorer: Scorer, writer: Writer, adapter: str | None) -> dict[Language, list[bool]]:
    right_of: dict[Language, list[bool]] = {}
    for language, questions in load_everyday().checked.items():
        rows = [render_answer(q.ask, answer, writer.base) for q in questions for answer in q.answers]
        scores = iter(scorer.score(rows, adapter))
        right_of[language] = []
        for question in questions:
            right, *wrong = [next(scores).log_p for _ in question.answers]
            right_of[language].append(right > max(wrong))
    return right_of


def _answers(
    writer: Writer, adapters: Sequence[str | None], rules: AdvertRules
) -> dict[str | None, list[OpenAnswer]]:
    questions = [question for asked in load_everyday().open.values() for question in asked]
    greedy = Sampling(temperature=0.0, max_new_tokens=ANSWER_TOKENS)
    requests = [
        Request(render_prompt([_asked(question)], writer.base), adapter, greedy)
        for adapter in adapters
        for question in questions
    ]
    written = iter(writer.write(requests))
    answers: dict[str | None, list[OpenAnswer]] = {}
    for adapter in adapters:
        answers[adapter] = []
        for question in questions:
            text = next(written).text.strip()
            answers[adapter].append(OpenAnswer(question, text, rules.reasons(question, text)))
    return answers


def _asked(question: str) -> Message:
    return {"role": "user", "content": question}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
