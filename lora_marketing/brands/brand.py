"""A client's voice, one request for copy, and the texts that teach it: plain YAML and JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from unicodedata import combining

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, StringConstraints, ValidationInfo
from pydantic_core import PydanticCustomError

from lora_marketing.brands.claims import Claim, Claims, Market
from lora_marketing.common.documents import Document, Frozen, place_of, read_document, validated
from lora_marketing.common.errors import Problem, RecipeError
from lora_marketing.common.printable import unprintable
from lora_marketing.text.normalise import as_written
from lora_marketing.text.spelling import folded, folded_term, joins, places, unfolded, within_word

AS_KEPT = {"as_kept": True}
"""Context for reading what was kept: nobody can take a letter out of it any more."""


def _printable(text: str, info: ValidationInfo) -> str:
    return _without_control(text, info, one_line=False)


def _one_line(text: str, info: ValidationInfo) -> str:
    return _without_control(text, info, one_line=True)


def _without_control(text: str, info: ValidationInfo, *, one_line: bool) -> str:
    if info.context != AS_KEPT and (letter := unprintable(text, one_line=one_line)):
        kind = "a name in one line" if one_line else "text"
        raise PydanticCustomError(
            "unprintable",
            "{kind} without control characters: take out {letter}",
            {"kind": kind, "letter": letter},
        )
    return text


def _of_lines(text: object) -> object:
    """Some programs end lines by U+2028 and U+2029; in a text they are line breaks like any other."""
    return text.replace("\u2028", "\n").replace("\u2029", "\n") if isinstance(text, str) else text


Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Prose = Annotated[str, AfterValidator(_printable)]
"""What somebody wrote; it may have several lines."""
Name = Annotated[str, AfterValidator(_one_line)]
"""What something is called, in one line."""
Text = Annotated[
    str,
    StringConstraints(min_length=1, strip_whitespace=True),
    AfterValidator(as_written),
    AfterValidator(_printable),
]
"""The same as `Prose`, but not empty, and in one spelling: composed letters, \\n for a line end."""
RowText = Annotated[Text, BeforeValidator(_of_lines)]
"""A text that is learnt from."""
PUBLISHED = "candidate"
"""The alias that every publish moves."""
TRADITIONAL = ("zh-TW", "zh-HK", "zh-MO", "zh-Hant")
"""Locales that write Chinese in traditional characters, and quote with 「」."""


class Brand(Frozen):
    """A client's voice and policy. One object for prompts, data checks, evaluation and guards.

    `markets` say whose law holds, `claims` what may be claimed there (in a profile also the name of a
    claims file beside it), `links` the domains that a text may point to, `severities` how grave
    findings of a rule are for this brand, `gated_aliases` which aliases only a version that passes the
    gate may get.
    """

    schema_version: Annotated[int, Field(alias="schema", ge=1, le=1)]
    name: Slug
    display_name: Annotated[Text, AfterValidator(_one_line)]
    locale: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z]{2}|-[A-Z][a-z]{3})?$")]
    lines: Annotated[dict[Slug, Annotated[Text, AfterValidator(_one_line)]], Field(min_length=1)]
    guide: Text
    facts: list[Text] = []
    required_terms: list[Text] = []
    banned_terms: list[Text] = []
    competitors: list[Text] = []
    markets: list[Market] = []
    claims: list[Claim] = []
    links: list[Text] = []
    severities: dict[str, Literal["off", "fix", "review", "block"]] = {}
    gated_aliases: list[Slug] = []

    @property
    def language(self) -> str:
        """Two- or three-letter language of the locale: `en`, `zh`."""
        return self.locale.split("-")[0]

    def may_be_called(self, written: str) -> bool:
        """Whether `written`, its name in any letters, may stand in a text.

        A name like `Ember` is a word as well: `ember` and the `EMBER` of a line in capitals are right.
        A name that no word looks like (`SmartWater`, `Blue Bottle`) has one spelling, and capitals.
        Apostrophes may be straight or curly.
        """
        name = self.display_name
        right = {name, name.upper()}
        if name.isalpha() and name == name.capitalize():
            right.add(name.lower())
        return written.replace("’", "'") in {one.replace("’", "'") for one in right}

    def forbidden_in(self, text: str) -> list[str]:
        """Banned terms and competitor names that occur in `text`, whatever their case or typography.

        Latin terms match whole words only (`cure` is not in `secure`); Chinese has no word
        breaks, so Chinese terms match anywhere and Latin terms match between Chinese letters.
        """
        said = folded(text)
        return [term for term in self.forbidden_terms if any(places(folded_term(term), said))]

    @property
    def forbidden_terms(self) -> tuple[str, ...]:
        """What no text of this brand may say."""
        return (*self.banned_terms, *self.competitors)

    def first_forbidden(self, text: str, ended: bool) -> int | None:
        """Where in `text` the first forbidden term begins.

        Unless the text has `ended`, a term at its very end whose last word may still become another
        one (`cure`, `cured`) does not count.
        """
        said = folded(text)
        found = [
            place.start
            for term in map(folded_term, self.forbidden_terms)
            for place in places(term, said)
            if ended or place.end < len(said) or not joins(said[-1])
        ]
        return unfolded(text, min(found)) if found else None

    def safe_prefix_length(self, text: str) -> int:
        """How many first letters of `text` are in no forbidden term, whatever comes after the text.

        Holds for a text in which nothing forbidden is found yet.
        """
        said = folded(text)
        whole = len(said)
        while whole and combining(said[whole - 1]):  # further accents would be sorted in between
            whole -= 1
        begun = [
            whole - size
            for term in map(folded_term, self.forbidden_terms)
            for size in range(1, min(len(term), whole) + 1)
            if said.endswith(term[:size], 0, whole) and not within_word(said, whole - size)
        ]
        return unfolded(text, min(begun)) if begun else len(text)


class Brief(Frozen):
    """One request: what to write about, for whom, and where it will be published.

    It knows its `place`, which is no part of what it says: not dumped, compared or read from a file.
    """

    task: Name = "ad_copy"
    product: Annotated[Prose, StringConstraints(min_length=1, strip_whitespace=True)]
    channel: Name
    field: Name
    line: Slug | None = None
    audience: Prose = ""
    attributes: dict[Prose, Prose] = {}
    notes: Prose = ""
    _place: str = PrivateAttr("")

    @property
    def place(self) -> str:
        """Where it was read, as in `texts.jsonl:8`; empty for one that nobody read."""
        return self._place

    def placed(self, place: str) -> Self:
        """The same brief or row, read at `place`."""
        same = self.model_copy()
        same._place = place
        return same

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    @property
    def key(self) -> str:
        """The brief as one text: equal if and only if all fields are, attributes in their order included.

        A training row or pair has the key of its brief; its own id and texts do not count.
        """
        return self.model_dump_json(include=set(Brief.model_fields))


class Example(Brief):
    """A brief with the text that a person wrote for it: one training row."""

    id: Text
    text: RowText

    def brief(self) -> Brief:
        """The request without the answer."""
        return Brief(**{name: getattr(self, name) for name in Brief.model_fields}).placed(self.place)


def load_brand(path: Path) -> Brand:
    """Read a brand profile, and the claims file that it names.

    Raises:
        DocumentError, RecipeError: with every problem and its line.
    """
    document = read_document(path)
    brand = _with_claims(document, path)
    if PUBLISHED in brand.gated_aliases:
        raise RecipeError(
            Problem(
                f"gated_aliases may not name {PUBLISHED}",
                place_of(("gated_aliases",), document.places),
                got=", ".join(brand.gated_aliases),
                allowed="any other alias, such as prod",
                fix=f"take {PUBLISHED} out: every publish moves it, so that the gate has something to judge",
            )
        )
    return brand


def _with_claims(document: Document, path: Path) -> Brand:
    named = document.value.get("claims")
    if not isinstance(named, str):
        return validated(Brand, document.value, document.places)
    claims = read_document(path.parent / named)
    permitted = validated(Claims, claims.value, claims.places).claims
    brand = validated(Brand, {**document.value, "claims": []}, document.places)
    return brand.model_copy(update={"claims": permitted})
