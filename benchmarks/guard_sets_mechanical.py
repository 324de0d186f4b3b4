"""Labelled sets for the guards that follow mechanical rules: real texts, public lists, seeded disguises.

Disguises are made here from tables of their own; nothing is read from the guards.
"""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.labelled import LabelledSet, Row
from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.guards import Case

if TYPE_CHECKING:
    from opencc import OpenCC

GUARDS = ("terms", "profanity", "personal_data", "links", "language", "repetition")
TODAY = date(2026, 11, 1)
BANNED = (
    "miracle", "guaranteed", "cure", "perfect skin", "game-changer", "flawless", "revolutionary", "cheapest",
    "clinically proven", "risk free", "instant results", "bargain",
)  # fmt: skip
RIVALS = ("Fjordsuds", "Brightwater", "Pell & Marrow", "Solstice Home", "Kestrelware")
LATIN_ALIKE = str.maketrans("aceopxyijs", "асеорхуіјѕ")
GREEK_ALIKE = str.maketrans("ovapi", "ονapι")
LEET = str.maketrans("aeiost", "431057")
ACCENTS = str.maketrans("aeiou", "àéïôü")
BRANDS = {
    "aws": ("AWS", "en-US", ["amazon.com", "aws.com", "amazonaws.com"]),
    "google_apis": ("Google", "en-US", ["google.com", "googleapis.com"]),
    "mozilla_en": ("Mozilla", "en-US", ["mozilla.org", "firefox.com", "mozilla.ai"]),
    "mozilla_en_zh": ("Mozilla", "zh-CN", ["mozilla.org", "firefox.com", "mozilla.ai"]),
}
ENDINGS = ("com", "net", "org", "co.uk", "shop", "cn", "com.cn", "de", "io")
MECHANICAL = {"EMAIL", "PHONE", "IBAN", "SSN", "IP", "CARD", "CN_ID", "PASSWORD", "WECHAT", "PLATE", "DOB"}

Disguise = Callable[[str, random.Random], str]


def sets(data: Path) -> list[LabelledSet]:
    """Every labelled set of these guards.

    Args:
        data: the folder with the real data (`../shared/data`).
    """
    return [
        *published(data),
        *_terms(data),
        *_profanity(data / "safety"),
        *_personal(data / "safety"),
        *_links(),
        *_languages(data / "brand_voices"),
        *_repetitions(data / "brand_voices"),
    ]


def naughty(data: Path) -> list[Row]:
    """Strings that break programs: no guard may raise or be slow on one."""
    strings = json.loads((data / "safety" / "blns.json").read_text(encoding="utf-8"))
    case = _case(banned_terms=list(BANNED), competitors=list(RIVALS), links=["fjord.example"])
    return [Row(text, False, case) for text in strings]


def published(data: Path) -> Iterator[LabelledSet]:
    """Real published texts of four brands, for every guard: nothing is wrong with them."""
    for source, (_, locale, _) in BRANDS.items():
        rows = [Row(text, False, case) for text, case in _voices(data / "brand_voices", source)]
        for guard in GUARDS:
            yield LabelledSet(guard, f"published {source}", locale[:2], rows)


def _voices(folder: Path, source: str) -> Iterator[tuple[str, Case]]:
    name, locale, links = BRANDS[source]
    for line in (folder / f"{source}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        own = {"display_name": name, "locale": locale, "links": links}
        yield row["zh" if locale == "zh-CN" else "text"], _case({"product": row.get("product", name)}, **own)


def _case(brief: dict[str, Any] | None = None, **own: Any) -> Case:
    known = {"schema": 1, "name": "fjord", "display_name": "Fjord", "locale": "en-GB", "guide": "Be brief."}
    brand = Brand.model_validate({**known, "lines": {"soap": "Bars."}, **own})
    asked = {"product": "Bar", "channel": "sms", "field": "text"} | (brief or {})
    return Case(Brief.model_validate(asked), brand, True, TODAY)


def _full_width(word: str, _: random.Random) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in word)


def _between(mark: str) -> Disguise:
    return lambda word, _: mark.join(word)


def _somewhere(mark: str) -> Disguise:
    def disguise(word: str, chance: random.Random) -> str:
        inner = [at for at in range(1, len(word)) if word[at - 1 : at + 1].isalnum()]
        at = chance.choice(inner) if inner else len(word)
        return word[:at] + mark + word[at:]

    return disguise


def _swapped(table: dict[int, int | str]) -> Disguise:
    return lambda word, _: word.casefold().translate(table)


LATIN_DISGUISES: dict[str, Disguise] = {
    "plain": lambda word, _: word,
    "upper case": lambda word, _: word.upper(),
    "full width": _full_width,
    "soft hyphen": _somewhere("\u00ad"),
    "zero width": _somewhere("\u200b"),
    "Cyrillic": _swapped(LATIN_ALIKE),
    "Greek": _swapped(GREEK_ALIKE),
    "digits": _swapped(LEET),
    "accents": _swapped(ACCENTS),
    "dots": lambda word, _: ".".join(re.sub(r"\W", "", word)),
    "spaces": lambda word, _: " ".join(re.sub(r"\W", "", word)),
    "hyphen": _somewhere("-"),
}
INFLECTED = (
    "miracles", "miracle's", "cures", "cured", "curing", "game-changers", "bargains", "bargained",
    "bargaining",
    "Kestrelware's", "Fjordsuds'", "flawless's",
)  # fmt: skip
HAN_DISGUISES: dict[str, Disguise] = {
    "plain": lambda word, _: word,
    "spaces": _between(" "),
    "zero width": _between("\u200b"),
    "dots": _between("·"),
    "one sign": _somewhere("*"),
    "full width space": _somewhere("\u3000"),
    "traditional": lambda word, _: _traditional(word),
}


def _traditional(word: str) -> str:
    return _converter().convert(word)


@cache
def _converter() -> OpenCC:
    from opencc import OpenCC

    return OpenCC("s2hk")


def _put(word: str, into: Sequence[str], chance: random.Random) -> str:
    """`word` within a real text: between two of its words, or of its characters."""
    text = chance.choice(into)
    if " " in text:
        parts = text.split(" ")
        at = chance.randrange(len(parts) + 1)
        return " ".join([*parts[:at], word, *parts[at:]])
    return f"{text}{word}{chance.choice(into)}"


def _terms(data: Path) -> Iterator[LabelledSet]:
    chance = random.Random(5)
    english = [text for text, _ in _voices(data / "brand_voices", "mozilla_en") if len(text) < 160]
    chinese = [text for text, _ in _voices(data / "brand_voices", "mozilla_en_zh") if len(text) < 60]
    case = _case(banned_terms=list(BANNED), competitors=list(RIVALS))
    for how, disguise in LATIN_DISGUISES.items():
        rows = [
            _put(disguise(word, chance), english, chance) for word in (*BANNED, *RIVALS) for _ in range(5)
        ]
        yield LabelledSet("terms", f"disguised: {how}", "en", [Row(text, True, case) for text in rows])
    rows = [_put(word, english, chance) for word in INFLECTED for _ in range(5)]
    yield LabelledSet("terms", "inflected", "en", [Row(text, True, case) for text in rows])
    yield LabelledSet("terms", "published, with bans", "en", _let_pass(english, case))
    words = _law_terms(data / "safety")
    case = _case(banned_terms=words, locale="zh-CN")
    for how, disguise in HAN_DISGUISES.items():
        rows = [_put(disguise(word, chance), chinese, chance) for word in words for _ in range(2)]
        yield LabelledSet("terms", f"disguised: {how}", "zh", [Row(text, True, case) for text in rows])
    yield LabelledSet("terms", "published, with bans", "zh", _let_pass(chinese, case))


def _let_pass(texts: Sequence[str], case: Case) -> list[Row]:
    """Texts that say no banned word, inflected or not, as a plain search sees it."""
    words = "|".join(
        rf"\b{re.escape(word)}".replace(r"\ ", "[ -]") if word.isascii() else word
        for word in case.brand.forbidden_terms
    )
    return [Row(text, False, case) for text in texts if not re.search(words, text, re.IGNORECASE)]


def _law_terms(safety: Path) -> list[str]:
    with (safety / "adlaw_zh_terms.csv").open(encoding="utf-8") as file:
        found = [row["term"] for row in csv.DictReader(file)]
    return [term for term in found if re.fullmatch(r"[\u4e00-\u9fff]{2,6}", term)]


def _profanity(safety: Path) -> Iterator[LabelledSet]:
    chance = random.Random(7)
    for language, disguises in (("en", LATIN_DISGUISES), ("zh", HAN_DISGUISES)):
        words = (safety / f"profanity_{language}.txt").read_text(encoding="utf-8").splitlines()
        case = _case(locale="en-GB" if language == "en" else "zh-CN")
        for how, disguise in disguises.items():
            said = [disguise(word, chance) for word in words if word]
            frame = "A {}, they say." if language == "en" else "“{}”，他说。"
            rows = [Row(frame.format(word), True, case) for word in said]
            yield LabelledSet("profanity", f"LDNOOBW: {how}", language, rows)
        rows = [Row(word, True, case) for word in _other_list(language, set(words))]
        if rows:
            yield LabelledSet("profanity", "glin-profanity's own words", language, rows)


def _other_list(language: str, known: set[str]) -> list[str]:
    """What another maintained list has and this one lacks."""
    from glin_profanity.data.dictionary import DictionaryLoader

    found = DictionaryLoader().get_words({"en": "english", "zh": "chinese"}[language])
    return [word for word in found if word not in known]


def _personal(safety: Path) -> Iterator[LabelledSet]:
    for language in ("en", "zh"):
        case = _case(
            locale="en-US" if language == "en" else "zh-CN", markets=["US" if language == "en" else "CN"]
        )
        lines = (safety / "pii_synthetic.jsonl").read_text(encoding="utf-8").splitlines()
        found = [row for row in map(json.loads, lines) if row["lang"] == language]
        kinds = [{one["type"] for one in row["entities"]} for row in found]
        for source, wanted in (("patterns", True), ("names, addresses, health", False)):
            rows = [
                Row(row["text"], bool(kind), case)
                for row, kind in zip(found, kinds, strict=True)
                if bool(kind & MECHANICAL) == wanted or (wanted and not kind)
            ]
            rows = rows if wanted else [row for row in rows if row.wrong]
            yield LabelledSet("personal_data", f"pii_synthetic: {source}", language, rows)
        made = [Row(text, True, case) for text in _made_up(language, random.Random(11))]
        yield LabelledSet("personal_data", "made up by rule", language, made)
        yield LabelledSet(
            "personal_data",
            "numbers of goods",
            language,
            [Row(text, False, case) for text in _goods(random.Random(12))],
        )


def _made_up(language: str, chance: random.Random) -> Iterator[str]:
    """Numbers with right check digits, for nobody."""

    def digits(count: int) -> str:
        return "".join(chance.choice("0123456789") for _ in range(count))

    for _ in range(25):
        body = f"4{digits(14)}"
        card = next(body + tail for tail in "0123456789" if _luhn(body + tail))
        account = f"WEST{digits(14)}"
        check = 98 - int("".join(str(int(sign, 36)) for sign in f"{account}GB00")) % 97
        born = f"19{chance.randrange(60, 99)}0{chance.randrange(1, 9)}1{digits(1)}"
        person = f"{chance.choice(['110101', '440305'])}{born}{digits(3)}"
        weights = [2 ** (17 - at) % 11 for at in range(17)]
        sign = "10X98765432"[sum(int(one) * weight for one, weight in zip(person, weights, strict=True)) % 11]
        phone = (
            [f"202-456-{digits(4)}", f"(212) 736-{digits(4)}", f"+44 20 7946 {digits(4)}"]
            if language == "en"
            else [f"138{digits(8)}", f"010-6255{digits(4)}", f"+86 139 {digits(4)} {digits(4)}"]
        )
        say = "Please use {} today." if language == "en" else "请联系{}，谢谢。"
        for value in (
            *phone,
            " ".join(card[at : at + 4] for at in range(0, 16, 4)),
            f"GB{check:02}{account}",
            person + sign,
            f"jo.{digits(3)}@mail.example",
            f"78.{chance.randrange(255)}.{chance.randrange(255)}.{chance.randrange(1, 255)}",
        ):
            yield say.format(value)


def _luhn(number: str) -> bool:
    digits = [int(sign) for sign in reversed(number)]
    return sum(digits[0::2] + [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]) % 10 == 0


def _goods(chance: random.Random) -> Iterator[str]:
    """Prices, dates, sizes, versions, article numbers."""
    for _ in range(40):
        number = chance.randrange(1, 9999)
        yield f"Only £{number}.99 until {chance.randrange(1, 28)}/12/2026, was £{number + 500}.00."
        yield f"满{number}减{number // 3 + 1}，2026-11-{chance.randrange(1, 30):02}至2026-12-01。"
        version = f"{number % 9}.2.{number % 7}.1"
        yield f"SKU {chance.randrange(10**5, 10**7)}, {number} x {number // 2} x 40 mm, version {version}"
        yield f"型号 {chance.choice('ABC')}{number}-{number % 90}，容量{number}毫升，{number * 10}毫安。"


def _links() -> Iterator[LabelledSet]:
    chance = random.Random(13)
    case = _case(links=["fjord.example", "fjordsoap.com"])
    names = [
        f"{a}{b}" for a in ("best", "cheap", "my", "top", "free") for b in ("soap", "deals", "wash", "bath")
    ]
    wrong = [
        form.format(name=name, end=chance.choice(ENDINGS))
        for name in names
        for form in (
            "See https://{name}.{end}/now", "See www.{name}.{end}.", "Go to {name}.{end} today",
            "看{name}.{end}吧",
            "https://fjordsoap.com.{name}.{end}", "https://fjordsoap.com@{name}.{end}/", "[here](https://{name}.{end})",
            "![](https://{name}.{end}/a.png)", "HTTPS://{name}.{end}",
        )
    ]  # fmt: skip
    wrong += [
        f"https://fjordsoap.com/{name}?{mark}=1"
        for name in names
        for mark in ("utm_source", "fbclid", "gclid", "UTM_Medium")
    ]
    wrong += [f"http://fjordsoap.com/{name}" for name in names]
    wrong += [f"https://{host}/{name}" for name in names for host in ("bit.ly", "t.cn", "tinyurl.com")]
    wrong += ["https://fjоrdsoap.com", "fjordsοap.com", "https://xn--fjrdsoap-0qf.com", "javascript:alert(1)"]
    right = [
        form.format(name=name)
        for name in names
        for form in (
            "See https://fjordsoap.com/{name}?size=2", "fjord.example/{name}",
            "在 www.fjordsoap.com 看{name}。",
            "{name} costs 3.50, e.g. in Node.js or ASP.NET, cf. README.md.",
            "{name}. Next, i.e. soon: 9.30 a.m.",
        )
    ]  # fmt: skip
    rows = [*(Row(text, True, case) for text in wrong), *(Row(text, False, case) for text in right)]
    yield LabelledSet("links", "made up by rule", "en", rows)


def _languages(voices: Path) -> Iterator[LabelledSet]:
    """The same strings in English and Chinese, each asked for in the other language."""
    lines = (voices / "mozilla_en_zh.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["role"] == "body"]
    for asked, said, locale in (("en", "zh", "en-US"), ("zh", "en", "zh-CN"), ("de", "en", "de-DE")):
        found = [Row(row[said], True, _case(display_name="Mozilla", locale=locale)) for row in rows]
        yield LabelledSet("language", f"{said} where {asked} was asked for", said, found)
    case = _case(locale="zh-CN", display_name="Mozilla")
    found = [Row(_traditional(row["zh"]), True, case) for row in rows]
    yield LabelledSet("language", "traditional where simplified was asked for", "zh", found)


def _repetitions(voices: Path) -> Iterator[LabelledSet]:
    """Real texts that fall into a loop at some place, or say a sentence again."""
    chance = random.Random(17)
    for source, mark in (("mozilla_en", " "), ("mozilla_en_zh", "")):
        rows = []
        for text, case in _voices(voices, source):
            parts = text.split(" ") if mark else list(text)
            if len(parts) < 12:
                continue
            size = chance.randrange(2, 8)
            at = chance.randrange(len(parts) - size)
            if not mark and not re.fullmatch(r"[\u4e00-\u9fff]+", "".join(parts[at : at + size])):
                continue
            looped = [*parts[: at + size], *parts[at : at + size] * 4]
            rows.append(Row(mark.join(looped), True, case))
            rows.append(Row(text + mark + text, True, case))
        yield LabelledSet("repetition", "made to loop", "en" if mark else "zh", rows)
