"""Texts that make a careless reader slow: one small thing, many times."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

_ORDINARY_ZH = "这款枕头柔软透气，填充天然乳胶，适合每天使用；洗净晾干即可。清晨醒来，颈肩轻松，睡得更好。"
_ORDINARY_EN = "Cut by hand and cured for six weeks, each bar smells of rain, cedar and salt. Try one today. "
PARTS = {
    "letters": "a",
    "capitals": "A",
    "digits": "1",
    "dashes": "-",
    "dots": ".",
    "at signs": "@",
    "spaces": " ",
    "ideographic spaces": "\u3000",
    "line breaks": "\n",
    "indented lines": "\n ",
    "stars": "*",
    "underscores": "_",
    "hashes": "#",
    "slashes": "/",
    "colons": ":",
    "commas": ",",
    "percents": "%",
    "quotes": '"',
    "curly quotes": "“”",
    "opened quotes": "“",
    "apostrophes": "'",
    "parentheses": "(",
    "square brackets": "[",
    "braces": "{{",
    "tags": "<",
    "backquotes": "`",
    "images": "![](",
    "links": "[a](",
    "markup": "<a ",
    "embedded": "<img ",
    "roles": "<|a|>",
    "opened roles": "<|",
    "spoken roles": "assistant: ",
    "headings": "# ",
    "marks of a sentence": "<s>",
    "letter dash": "a-",
    "letter dash and full stop": "a-a.",
    "letter at": "a@",
    "letter dot": "a.",
    "letters at dot": "aaa@aa.",
    "at in words": "a [at] ",
    "letter star": "a*",
    "letter underscore": "a_",
    "digit letter": "1a",
    "capital digit": "A1",
    "capital dash digits": "AB-12",
    "digit space": "1 ",
    "digit dash": "1-",
    "digit dot": "1.",
    "digit comma": "1,",
    "digit colon": "1:",
    "digit percent": "1% ",
    "thousands": "1,000",
    "money": "¥1",
    "pounds": "£6 ",
    "numbers": "12 345 678 ",
    "written numbers": "one two ",
    "Chinese numbers": "一",
    "Chinese ten thousands": "万",
    "Chinese hundred millions": "亿一",
    "dates": "2024-01-01 ",
    "times": "10:30 ",
    "telephones": "+44 20 7946 0958 ",
    "country codes": "+44 ",
    "cards": "4111 1111 1111 1111 ",
    "accounts": "GB82 WEST 1234 5698 7654 32 ",
    "addresses of machines": "10.20.30.40 ",
    "mail": "a.b@c.de ",
    "one letter words": "a b ",
    "short words": "ab ",
    "set apart": "m i r a c l e ",
    "set apart by dots": "m.i.r.a.c.l.e.",
    "schemes": "http://",
    "www": "www.",
    "hosts": "a.com ",
    "long hosts": "https://a.b.example.com/c?utm_source=d&e=f ",
    "queries": "&a=b",
    "scripts": "javascript:",
    "data": "data:",
    "entities": "&amp;",
    "one Chinese letter": "最",
    "Chinese letters with spaces": "最 ",
    "Chinese letters with commas": "最、",
    "streets": "北京市",
    "plates": "京A",
    "disease": "治感冒",
    "aims": "目标",
    "areas": "全国",
    "ordinary Chinese": _ORDINARY_ZH,
    "ordinary English": _ORDINARY_EN,
    "one Chinese sentence": _ORDINARY_ZH.replace("。", "，"),
    "Chinese and Latin": "皂a",
    "traditional": "國",
    "kana": "かな",
    "Hangul": "비누",
    "Hangul letters": "\u1112\u1161",
    "Hebrew": "סבון ",
    "Greek": "αβγ ",
    "Cyrillic a": "а",
    "accents": "é",
    "apart accents": "e\u0301",
    "only accents": "\u0301",
    "two accents": "\u0301\u0323",
    "three accents on a letter": "e\u0301\u0323\u0302",
    "ligatures": "ﬁ",
    "long ligatures": "ﷺ",
    "full width": "ａ１",
    "zero width": "\u200b",
    "zero width between letters": "a\u200b",
    "soft hyphens": "a\u00ad",
    "turned": "\u202e\u202c",
    "emoji": "😀",
    "joined emoji": "👨\u200d👩\u200d👧",
    "variants": "a\ufe0f",
    "flags": "🇬🇧",
    "controls": "\x07",
    "banned": "miracle ",
    "banned side by side": "miracle",
    "banned sign": "C++ ",
    "banned signs": "C+",
    "rival": "Fjordsuds ",
    "rival with a slip": "Fjordsuts ",
    "brand": "fjord ",
    "other brand": "Ember ",
    "hard words": "fuck ",
    "starred words": "f**k ",
    "starred": "a*a",
    "claims": "the best ever. ",
    "permitted claim": "kind to skin ",
    "Chinese claims": "国家级最佳",
    "idioms": "百年",
    "names": "Ember Filter ",
    "colours": "red blue ",
    "guide": "Be brief. ",
    "doubled": "the the ",
    "sentences": "Be kind to it. ",
    "drawn out": "aaab",
    "titles": "Dr A B ",
    "brand letters": "Fjor",
    "passports": "passport ",
    "passwords": "password is ",
    "versions": "v1 ",
}
"""What a text repeats, by name."""


def repeated(part: str, size: int) -> str:
    """`part` again and again, `size` characters."""
    return (part * (size // len(part) + 1))[:size]


def shapes(size: int) -> Iterator[tuple[str, str]]:
    """Texts of `size` characters by name; some change once at their end, where a reader has to give up."""
    for name, part in PARTS.items():
        yield name, repeated(part, size)
    for name in ("letters", "digits", "dashes", "letter dash", "spaces", "one Chinese letter", "zero width"):
        yield f"{name} with an end", repeated(PARTS[name], size - 2) + "!\u00e9"
    yield "an open bracket", "皂(" + repeated("最", size - 2)
    yield "nested marks", repeated("<", size // 3) + repeated("s>", 2 * (size // 3))
    yield "different words", " ".join(f"w{number:x}" for number in range(size))[:size]
    yield "different Chinese letters", "".join(chr(0x4E00 + number % 20000) for number in range(size))


def mixture(seed: int, size: int) -> str:
    """Runs of several parts, drawn by `seed`."""
    draw = Random(seed)
    parts = draw.sample(sorted(PARTS.values()), draw.randint(1, 4))
    if draw.random() < 0.5:
        return repeated("".join(parts), size)
    said = ""
    while len(said) < size:
        said += draw.choice(parts) * draw.choice((1, 2, 7, 50, 1000))
    return said[:size]
