"""The E2E benchmark's aligner, delexicalisation and BLEU, against sentences read by a person."""

from __future__ import annotations

import csv
import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.making import ROOT, property_test

sys.path.append(str(ROOT / "benchmarks"))

from e2e_nlg import KEYS, VALIDATION_MEANINGS, bleu, brief_of, chosen, prepare, texts_of
from e2e_slots import (
    WORDINGS,
    SlotErrors,
    delexicalised,
    parse_meaning,
    relexicalised,
    slot_error_rate,
    slot_errors,
    template,
)

from lora_marketing.copy.record import Copy

PLACES = {"Burger King", "Café Rouge", "Ranch"}
WHOLE = {
    "name": "Cotto",
    "eatType": "coffee shop",
    "food": "English",
    "priceRange": "less than £20",
    "customer rating": "low",
    "area": "riverside",
    "familyFriendly": "no",
    "near": "Café Rouge",
}
SAID = (
    "Near Café Rouge on the river there is Cotto, a cheap British coffee shop that is poorly rated and"
    " not suitable for children."
)


def errors(meaning: dict[str, str], text: str) -> SlotErrors:
    return slot_errors({"name": "Cotto", **meaning}, f"Cotto {text}", PLACES)


def test_a_meaning_is_read_as_it_is_written() -> None:
    text = "name[The Vaults], eatType[pub], customer rating[5 out of 5], near[Café Adriatic]"
    assert parse_meaning(text) == {
        "name": "The Vaults",
        "eatType": "pub",
        "customer rating": "5 out of 5",
        "near": "Café Adriatic",
    }


def test_every_slot_is_found_in_a_volunteers_words() -> None:
    assert slot_errors(WHOLE, SAID, PLACES) == SlotErrors()


@pytest.mark.parametrize(
    ("slot", "old", "new"),
    [
        ("name", "Cotto", "it"),
        ("eatType", " coffee shop", " place"),
        ("food", "British ", ""),
        ("priceRange", "cheap ", ""),
        ("customer rating", "poorly rated", "loud"),
        ("area", " on the river", ""),
        ("familyFriendly", "suitable for children", "large"),
        ("near", "Near Café Rouge ", ""),
    ],
)
def test_a_slot_that_is_left_out_is_missing(slot: str, old: str, new: str) -> None:
    assert old in SAID
    assert slot_errors(WHOLE, SAID.replace(old, new), PLACES) == SlotErrors(missing=(slot,))


@pytest.mark.parametrize(
    ("slot", "old", "new"),
    [
        ("food", "British", "Chinese"),
        ("eatType", "coffee shop", "pub"),
        ("priceRange", "cheap", "moderately priced"),
        ("customer rating", "poorly rated", "rated 1 out of 5"),
        ("area", "on the river", "in the city centre"),
        ("familyFriendly", "not suitable for children", "kid friendly"),
        ("near", "Café Rouge", "Burger King"),
    ],
)
def test_another_value_is_wrong(slot: str, old: str, new: str) -> None:
    assert slot_errors(WHOLE, SAID.replace(old, new), PLACES) == SlotErrors(wrong=(slot,))


@pytest.mark.parametrize("slot", [slot for slot in WHOLE if slot != "name"])
def test_what_the_meaning_does_not_have_is_hallucinated(slot: str) -> None:
    less = {key: value for key, value in WHOLE.items() if key != slot}
    assert slot_errors(less, SAID, PLACES) == SlotErrors(hallucinated=(slot,))


@pytest.mark.parametrize(
    ("slot", "value", "text"),
    [
        ("customer rating", "high", "has a high customer rating and serves food"),
        ("customer rating", "high", "is highly rated"),
        ("customer rating", "high", "has ratings that are very high and welcomes all"),
        ("customer rating", "5 out of 5", "is a five star place"),
        ("customer rating", "5 out of 5", "has excellent reviews"),
        ("customer rating", "3 out of 5", "has an average customer rating"),
        ("priceRange", "high", "is in the high price range"),
        ("priceRange", "high", "has prices that are quite high"),
        ("priceRange", "moderate", "is moderately priced"),
        ("priceRange", "cheap", "is inexpensive"),
        ("priceRange", "£20-25", "costs between £20 and £25"),
        ("priceRange", "£20-25", "has a £20-25 price range"),
        ("priceRange", "more than £30", "costs over £30"),
        ("priceRange", "less than £20", "has food for under 20 pounds"),
        ("familyFriendly", "no", "isn't family-friendly"),
        ("familyFriendly", "no", "is a non-family-friendly place"),
        ("familyFriendly", "no", "is for adults only"),
        ("familyFriendly", "yes", "is not far and welcomes children"),
        ("area", "city centre", "is in the heart of the city"),
        ("food", "Fast food", "sells fast-food"),
    ],
)
def test_usual_wordings_say_one_slot_and_no_other(slot: str, value: str, text: str) -> None:
    assert errors({slot: value}, text) == SlotErrors()


@pytest.mark.parametrize(
    ("slot", "text"),
    [
        ("customer rating", "has high prices and a 3 out of 5 rating"),
        ("priceRange", "has a high customer rating, and costs £20-25"),
    ],
)
def test_high_belongs_to_what_it_is_said_of(slot: str, text: str) -> None:
    found = slot_errors({"name": "Cotto", slot: "high"}, f"Cotto {text}", PLACES)
    assert found.wrong == (slot,)


def test_a_word_does_not_stand_for_a_figure_that_was_not_given() -> None:
    assert errors({"customer rating": "high"}, "is rated 5 out of 5").wrong == ("customer rating",)
    assert errors({"priceRange": "cheap"}, "costs less than £20").wrong == ("priceRange",)


def test_names_do_not_speak_of_food_or_place() -> None:
    meaning = {"name": "Raja Indian Cuisine", "near": "Café Rouge"}
    assert slot_errors(meaning, "Raja Indian Cuisine is near Cafe Rouge.", PLACES) == SlotErrors()


def test_restaurant_is_no_invention() -> None:
    assert errors({}, "is a restaurant") == SlotErrors()
    assert errors({}, "is a pub").hallucinated == ("eatType",)


def test_the_rate_counts_slots() -> None:
    rate = slot_error_rate([WHOLE, WHOLE], [SAID, SAID.replace("British ", "")], PLACES)
    assert rate["ser"] == rate["missing"] == 1 / 16
    assert (rate["wrong"], rate["hallucinated"], rate["texts_without_error"]) == (0, 0, 0.5)


slots = {slot: st.sampled_from(sorted(values)) for slot, values in WORDINGS.items()}
meanings = st.fixed_dictionaries(
    {"name": st.sampled_from(["Cotto", "The Vaults"])},
    optional={**slots, "near": st.sampled_from(sorted(PLACES))},
)


@property_test
@given(meanings)
def test_the_template_says_every_meaning(meaning: dict[str, str]) -> None:
    assert slot_errors(meaning, template(meaning), PLACES) == SlotErrors()


@property_test
@given(meanings)
def test_names_go_and_come_back(meaning: dict[str, str]) -> None:
    text = template(meaning)
    hidden = delexicalised(meaning, text)
    assert hidden is not None
    assert meaning["name"] not in hidden
    assert meaning.get("near", meaning["name"]) not in hidden
    assert relexicalised(meaning, hidden) == text


def test_a_text_whose_names_cannot_be_found_is_not_delexicalised() -> None:
    meaning = {"name": "The Mill", "near": "Café Rouge"}
    assert delexicalised(meaning, "The Mill is near Café Rouge.") == "X is near Y."
    assert delexicalised(meaning, "The Mill's pub is near café rouge.") == "X's pub is near Y."
    assert delexicalised(meaning, "The Mills is near Café Rouge.") is None
    assert delexicalised(meaning, "The Mill is near Cafe Roug.") is None
    assert delexicalised(meaning, "The Mill X is near Café Rouge.") is None
    assert delexicalised({"name": "Ranch", "near": "Ranch"}, "Ranch is near Ranch.") is None


def test_the_prompt_hides_names_and_keeps_every_slot() -> None:
    brief = brief_of(WHOLE)
    assert (brief.product, brief.attributes["near"]) == ("X", "Y")
    assert list(brief.attributes) == list(KEYS.values())
    assert "Cotto" not in brief.model_dump_json()
    assert "Café Rouge" not in brief.model_dump_json()


def test_bleu_takes_as_many_references_as_there_are() -> None:
    references = [["Cotto is a pub near Ranch.", "There is a pub."], ["The Mill sells cheap food."]]
    assert bleu(["There is a pub.", "The Mill sells cheap food."], references)["bleu"] == 100
    lower = bleu(["there is a pub.", "The Mill sells cheap food."], references)
    assert lower["bleu"] < 100 == lower["bleu_lower_case"]


def test_the_text_with_fewest_errors_wins_then_the_greedy_one_then_the_most_usual() -> None:
    meaning, serves = {"name": "Cotto", "food": "French"}, "Cotto serves French food."
    drawn = ["French Cotto.", "Cotto has French food.", serves, "Cotto serves French food here."]
    assert chosen(meaning, ["Cotto is nice.", "Cotto is nice.", *drawn], PLACES) == serves
    assert chosen(meaning, ["Cotto is oddly French.", serves, serves], PLACES) == "Cotto is oddly French."


def test_texts_find_their_meaning_again() -> None:
    def copy(brief_meaning: dict[str, str], text: str) -> Copy:
        return Copy(
            text=text,
            brand="e2e",
            line="restaurants",
            adapter=None,
            digest=None,
            base="",
            seed=1,
            variant=0,
            prompt_sha256="",
            stopped=True,
            tokens=1,
            brief=brief_of(brief_meaning),
        )

    first, second = {"name": "Cotto", "food": "French"}, {"name": "Aromi", "near": "Ranch"}
    copies = [copy(first, "X is French."), copy(second, "X is near Y."), copy(second, "Near Y is X.")]
    third = {"name": "Strada"}
    assert texts_of([second, first, third], copies) == [
        ["Aromi is near Ranch.", "Near Ranch is Aromi."],
        ["Cotto is French."],
        [],
    ]


def _write_csv(folder: Path, meanings: int) -> None:
    """Four references each: one that all meanings share, two right ones, one that lacks the food."""
    with (folder / "train_sample.csv").open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["mr", "ref"])
        for number in range(meanings):
            name, near, very = f"Inn {number:02}", f"Ranch {number}", "very " * number
            for text in (
                f"{name} near {near} is French.",
                f"{name} near {near} is {very}French.",
                f"French  {name} is {very}near {near}.",
                f"{name} is {very}near {near}.",
            ):
                lines.writerow([f"name[{name}], food[French], near[{near}]", text])


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_prepare_keeps_right_references_and_the_rows_of_a_meaning_together(tmp_path: Path) -> None:
    _write_csv(tmp_path, VALIDATION_MEANINGS + 10)
    options = Namespace(data=tmp_path, work=tmp_path, rows=16)
    prepare(options)
    train, validation = _lines(tmp_path / "train.jsonl"), _lines(tmp_path / "validation.jsonl")
    texts = {row["text"] for row in train}
    assert len(texts) == len(train) == 16
    assert all({"French", "X", "Y"} <= set(text.strip(".").split()) for text in texts)
    assert not texts & {row["text"] for row in validation}, "what they share is held out"
    meanings = [row["id"].split("-")[0] for row in train]
    changes = sum(here != before for here, before in zip(meanings[1:], meanings, strict=False))
    assert changes + 1 == len(set(meanings)) == 10, "every meaning comes before a second reference of one"
    before = (tmp_path / "train.jsonl").stat().st_mtime_ns
    prepare(options)
    assert (tmp_path / "train.jsonl").stat().st_mtime_ns == before, "what is there is passed over"
