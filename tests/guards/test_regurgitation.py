"""Regurgitation: training texts are found, the brand's own facts may be repeated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lora_marketing.guards.regurgitation import find
from lora_marketing.text.known_texts import KnownTexts
from tests.guards.making import case

TEXT = "Our bars float because we whip air into them by hand every single morning."
HAN = "我们每天清晨亲手把空气打进皂液里所以它会浮在水面上。"


def found(text: str, **own: Any) -> list[tuple[str, str]]:
    asked = replace(case(**own), known=KnownTexts.of([TEXT, HAN]))
    return [(one.rule, one.severity) for one in find(text, asked)]


def test_runs_are_looked_at_and_whole_texts_written_again() -> None:
    assert found(TEXT) == found(HAN) == [("regurgitation.whole", "fix")]
    assert found(f"New: {TEXT}") == found(f"新品。{HAN}") == [("regurgitation.run", "review")]
    assert found("Our bars float.") == found("它会浮在水面上。") == []


def test_the_brands_own_words_may_be_repeated() -> None:
    assert found(f"New: {TEXT}", facts=[TEXT]) == []
    assert found(f"新品。{HAN}", guide=HAN) == []


def test_without_training_texts_nothing_is_said() -> None:
    assert list(find(TEXT, case())) == []
