"""E2E NLG meanings, and a transparent aligner: which of a meaning's slots a text says, by wordings.

It knows the usual wordings of volunteers, not all of them: its own slot error on human references
is printed beside every figure that it makes.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import combining, normalize

Meaning = Mapping[str, str]
"""Slot to value, in the challenge's own words: `{"name": "Cotto", "eatType": "coffee shop"}`."""

PLACEHOLDERS = {"name": "X", "near": "Y"}
"""What stands for proper names in delexicalised meanings and texts."""
_PLACED = {sign: slot for slot, sign in PLACEHOLDERS.items()}

_TO_BE = (
    r"(?:is|are|was|being|has|have|it|be|of|as|at|a|an|the|in|on|very|quite|rather|fairly|only|that|which)"
)
_JUDGED = r"(?:rat\w*|reviews?|scores?|recommend\w*|feedback)"
_BY = r"(?:customer|customers|consumer|user|public|overall|5|out|star|quality|and)"


def _rated(words: str) -> str:
    """`words` said of a rating: `highly rated`, `a high customer rating`, `ratings are quite high`."""
    before = rf"\b(?:{words})(?: {_BY}){{0,3}} {_JUDGED}\b"
    after = rf"\b{_JUDGED}(?: by customers)?(?: {_TO_BE}){{0,4}} (?:{words})\b(?! (?:end )?pric)"
    return f"{before}|{after}"


def _priced(words: str) -> str:
    """`words` said of prices: `high prices`, `a high price range`, `its prices are rather high`."""
    before = rf"\b(?:{words})(?: to \w+| end)? (?:pric\w*|cost\w*|range)\b"
    what = r"(?: (?:range\w*|point|menu|food|meals))?"
    after = rf"\b(?:pric|cost)\w*{what}(?: {_TO_BE}){{0,4}} (?:{words})\b(?! (?:customer|rat))"
    return f"{before}|{after}"


def _stars(digit: str, word: str) -> str:
    number = rf"\b(?:{digit}|{word})"
    of_five = r"(?:out of|/|of|over) ?(?:a (?:possible )?)?(?:5|five)\b"
    return rf"{number}(?: stars?)? ?{of_five}|{number} stars?\b"


_POUND = r"(?:£|gbp|pounds?)? ?"
_LESS = r"(?:less tha?e?n|lower than|under|below|cheaper than|up to|within|no more than|beneath|sub)"
_MORE = r"(?:more tha?e?n|over|above|higher than|upwards? of|at least|exceed\w*|greater than|from|starting)"
_UNFIT = (
    r"(?:a|an|very|really|particularly|suitable|suited|for|the|good|recommended|appropriate|place|to|bring|your|"
    r"is|at|all|considered|allow|allowed|allowing|welcome|welcoming|ideal|intended|meant|aimed|be|open|cater|"
    r"catered|catering|as|being|in|any|great|fit|designed|permit|permitted|accommodate|offer|described|classed|with)"
)
_NOT = r"(?:not|no|non|never|nor|isnt|doesnt|dont|arent|cannot|cant|wont|without|un|unsuitable|avoid)"
_KIN = r"(?:famil\w+|kids?\b|child\w*)"

WORDINGS: Mapping[str, Mapping[str, re.Pattern[str]]] = {
    slot: {value: re.compile(pattern) for value, pattern in values.items()}
    for slot, values in {
        "food": {
            "English": r"\benglish|\bbritish\b",
            "French": r"\bfrench\b",
            "Italian": r"\bitalian|\bpasta\b|\bpizza",
            "Japanese": r"\bjapan|\bsushi\b",
            "Indian": r"\bindian\b|\bcurr(?:y|ies)\b",
            "Chinese": r"\bchinese\b",
            "Fast food": r"\bfast food|\bburgers?\b",
        },
        "eatType": {
            "pub": r"\bpubs?\b|\bpublic house|\bbar\b",
            "coffee shop": r"\bcoffee(?: \w+)?\b|\bcafes?\b",
            "restaurant": r"\brestaurants?\b|\beater(?:y|ies)\b|\bdin(?:er|ing)\b|\bbistro\b",
        },
        "area": {
            "riverside": r"\briver",
            "city centre": r"\b(?:city|town) (?:centre|center|central)|\bcent(?:re|er|ral)\b|"
            r"\b(?:heart|middle) of (?:the )?(?:city|town)|\bdowntown\b|\bin the (?:inner )?city\b",
        },
        "priceRange": {
            "cheap": r"\bcheap|\binexpensive|\baffordabl|\bbudget\b|\beconomical|\b(?:low|lower) cost|"
            + _priced("low(?:er)?"),
            "moderate": r"\bmoderate(?:ly)?\b(?!(?: customer)? rat)|\breasonabl|"
            r"\bmid(?:dle)? ?(?:range|pric)|" + _priced("average|medium|fair|decent"),
            "high": r"\bexpensive|\bpric(?:e?y)\b|\bhigh(?:er)? end\b|\bcostly|\bupscale|\bupmarket|"
            + _priced("high(?:er|ly)?"),
            "less than £20": rf"\b{_LESS} {_POUND}20\b",
            "£20-25": r"\b20 ?(?:£|pounds?)? ?(?:to|and|through)? ?(?:£|gbp)? ?25\b",
            "more than £30": rf"\b{_MORE} {_POUND}30\b|£ ?30 ?(?:\+|plus|and (?:up|over|above)|or more)",
        },
        "customer rating": {
            "low": _rated("low(?:er|ly)?|poor(?:ly)?|bad(?:ly)?|not (?:well|good|highly)"),
            "average": _rated("average|moderate(?:ly)?|decent(?:ly)?|mediocre|ok(?:ay)?|medium|fair(?:ly)?"),
            "high": _rated(
                "high(?:er|ly|est)?|well|good|great|excellent|top|positive(?:ly)?|fantastic|outstanding"
            ),
            "1 out of 5": _stars("1", "one"),
            "3 out of 5": _stars("3", "three"),
            "5 out of 5": _stars("5", "five"),
        },
        "familyFriendly": {
            "no": rf"\b{_NOT}(?: {_UNFIT}){{0,6}} {_KIN}|{_KIN} unfriendly|\badults?(?: only)?\b|"
            rf"\b{_KIN}(?: and \w+)?(?: (?:is|are|may|should|friendly))* not\b",
            "yes": _KIN,
        },
    }.items()
}
"""For each slot and value, the wordings that say it. Texts are folded first; `no` is read before `yes`."""

ALSO = {
    ("priceRange", "less than £20"): "cheap",
    ("priceRange", "£20-25"): "moderate",
    ("priceRange", "more than £30"): "high",
    ("customer rating", "1 out of 5"): "low",
    ("customer rating", "3 out of 5"): "average",
    ("customer rating", "5 out of 5"): "high",
}
"""A figure may be said in the word for it; a word must not become a figure."""


@dataclass(frozen=True)
class SlotErrors:
    """Slots of one meaning that its text does not say, says wrongly, or adds."""

    missing: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    hallucinated: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """How many slots are not right."""
        return len(self.missing) + len(self.wrong) + len(self.hallucinated)


def read_meanings(path: Path) -> dict[str, list[str]]:
    """Every meaning of an E2E file, as written there, with all its references in their order."""
    found: dict[str, list[str]] = {}
    with path.open(encoding="utf-8-sig", newline="") as lines:
        for row in csv.DictReader(lines):
            found.setdefault(row["mr"], []).append(" ".join(row["ref"].split()))
    return found


def parse_meaning(text: str) -> dict[str, str]:
    """`name[Cotto], eatType[pub]` as slots and values."""
    return {slot.strip(): value for slot, value in re.findall(r"([\w ]+)\[([^\]]*)\]", text)}


def slot_errors(meaning: Meaning, text: str, places: Collection[str]) -> SlotErrors:
    """Compare a text with its meaning. `places` are names that a text might invent as neighbours.

    `restaurant` is what volunteers call every venue, so it is never an invention.
    """
    found = _said(meaning, text, places)
    missing = [slot for slot in meaning if not found[slot]]
    wrong = [
        slot for slot, value in meaning.items() if found[slot] and not found[slot] & _accepted(slot, value)
    ]
    added = [slot for slot, said in found.items() if slot not in meaning and said - {"restaurant"}]
    return SlotErrors(tuple(missing), tuple(wrong), tuple(added))


def _accepted(slot: str, value: str) -> set[str]:
    return {value, ALSO.get((slot, value), value)}


def _said(meaning: Meaning, text: str, places: Collection[str]) -> dict[str, set[str]]:
    """The values that `text` says of each slot. Names are taken out first: `Raja Indian Cuisine`."""
    left = folded(text)
    found: dict[str, set[str]] = {}
    for slot in sorted(PLACEHOLDERS, key=lambda slot: -len(meaning.get(slot, ""))):
        if slot in meaning:
            left, count = _name_pattern(meaning[slot]).subn(" ", left)
            found[slot] = {meaning[slot]} if count else set()
    strangers = {place for place in places if _name_pattern(place).search(left)}
    found["near"] = found.get("near") or strangers
    for place in strangers:
        left = _name_pattern(place).sub(" ", left)
    for slot, values in WORDINGS.items():
        found[slot] = {value for value, pattern in values.items() if pattern.search(left)}
    if "no" in found["familyFriendly"]:
        found["familyFriendly"] = {"no"}
    return found


def folded(text: str) -> str:
    """Small letters without accents; hyphens, dashes, colons and apostrophes do not matter."""
    plain = "".join(letter for letter in normalize("NFKD", text.casefold()) if not combining(letter))
    return " ".join(re.sub(r"[-\u2010-\u2015]", " ", re.sub("[':\u2018\u2019]", "", plain)).split())


def _name_pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(folded(name))}\b")


# -- proper names ------------------------------------------------------------------------------


def delexicalised(meaning: Meaning, text: str) -> str | None:
    """`text` with placeholders for the meaning's names; None if one is not there as it is written."""
    if re.search(r"\b[XY]\b", text) or meaning["name"] == meaning.get("near"):
        return None
    for slot in sorted(PLACEHOLDERS, key=lambda slot: -len(meaning.get(slot, ""))):
        if slot in meaning:
            text, count = re.subn(
                rf"\b{re.escape(meaning[slot])}(?!\w)", PLACEHOLDERS[slot], text, flags=re.I
            )
            if not count:
                return None
    return text


def relexicalised(meaning: Meaning, text: str) -> str:
    """`text` with the meaning's names for their placeholders."""
    return re.sub(r"\b[XY]\b", lambda found: meaning.get(_PLACED[found[0]], found[0]), text)


def template(meaning: Meaning) -> str:
    """One fixed sentence frame per slot: the baseline that needs no model."""
    return " ".join(" ".join(_frames(meaning)).replace(" .", ".").replace(" ,", ",").split())


def _frames(meaning: Meaning) -> Iterator[str]:
    price, rating = meaning.get("priceRange", ""), meaning.get("customer rating", "")
    kind = {"yes": "family friendly ", "no": ""}.get(meaning.get("familyFriendly", ""), "")
    food = f"{meaning['food']} " if "food" in meaning else ""
    yield f"{meaning['name']} is a {kind}{food}{meaning.get('eatType', 'restaurant')}"
    if "area" in meaning:
        yield f"in the {meaning['area']} area" if meaning["area"] == "riverside" else "in the city centre"
    if "near" in meaning:
        yield f"near {meaning['near']}"
    yield "."
    if price and rating:
        yield f"It has a {rating} customer rating and a price range of {price} ."
    elif price or rating:
        yield f"It has a price range of {price} ." if price else f"It has a {rating} customer rating ."
    if meaning.get("familyFriendly") == "no":
        yield "It is not family friendly ."


def slot_error_rate(
    meanings: Sequence[Meaning], texts: Sequence[str], places: Collection[str]
) -> dict[str, float]:
    """Shares of all slots: `ser` = (missing + wrong + hallucinated) / slots."""
    errors = [slot_errors(*pair, places) for pair in zip(meanings, texts, strict=True)]
    slots = sum(map(len, meanings))
    missing, wrong, added = (
        sum(len(getattr(error, kind)) for error in errors) / slots
        for kind in ("missing", "wrong", "hallucinated")
    )
    return {
        "ser": missing + wrong + added,
        "missing": missing,
        "wrong": wrong,
        "hallucinated": added,
        "texts_without_error": sum(not error.count for error in errors) / len(errors),
    }
