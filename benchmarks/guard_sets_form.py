"""Labelled sets for the guards of form: how long a text is, how an ad is made, whether a text has ended.

Lengths are known by construction: letters are added up by tables that were written for this file from
what the platforms say, not by the counters that are measured.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import count
from pathlib import Path

from benchmarks.labelled import LabelledSet, Row
from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.channels import Limit, Unit, channel_names, load_channel
from lora_marketing.channels.structure import AD, counts, has_ads
from lora_marketing.guards import Case

TODAY = date(2026, 11, 1)
LATIN, HAN, PICTURES = "aemorst ", "的山水轻露营", "😀🏕🫖"
COSTS: dict[Unit, dict[str, float]] = {
    "char": {LATIN: 1, "éüñ": 1, HAN: 1, PICTURES: 1},
    "byte": {LATIN: 1, "éüñ": 2, HAN: 3, PICTURES: 4},
    "byte_gbk": {LATIN: 1, HAN: 2, PICTURES: 4},
    "width2": {LATIN: 1, "éüñ": 1, HAN: 2, "ＡＢ！": 2, "カフェ": 2, "한국": 2},
    "baidu_width": {LATIN: 1, HAN: 2, "ＡＢ！": 2, "“”…—": 2},
    "yandex": {"aemorst": 1, "éüñ": 1},
    "gads_width": {LATIN: 1, "éüñ": 1, HAN: 2, "ＡＢ！": 2, "カフェ": 2, "한국": 2},
    "x_weight": {LATIN: 1, "éüñ": 1, HAN: 2, "カフェ": 2, PICTURES: 2},
    "half_width": {LATIN: 0.5, HAN: 1, "ＡＢ！": 1},
    "gsm7": {LATIN: 1, "éüñ£": 1, "€[]^": 2},
    "ucs2": {LATIN: 1, "éüñ": 1, HAN: 1, PICTURES: 2},
    "xhs": {LATIN: 0.5, HAN: 1, PICTURES: 2},
}
"""What one letter of an alphabet takes of a limit, by the limit's unit."""
TEXTS_OF_A_FIELD = 20


def sets(data: Path) -> list[LabelledSet]:
    """Every labelled set of these guards.

    Args:
        data: the folder with the real data (`../shared/data`).
    """
    chance = random.Random(17)
    voices = data / "brand_voices"
    english = _texts(voices / "mozilla_en.jsonl", "text")
    chinese = _texts(voices / "mozilla_en_zh.jsonl", "zh")
    return [
        LabelledSet(
            "length", f"{len(channel_names())} channels, made to measure", "en+zh", [*_lengths(chance)]
        ),
        LabelledSet("structure", "ads of real texts", "en", [*_ads(english, "en-GB", chance)]),
        LabelledSet("structure", "ads of real texts", "zh", [*_ads(chinese, "zh-CN", chance)]),
        LabelledSet("unfinished", "real texts, cut or whole", "en", [*_cut(english, chance)]),
        LabelledSet("unfinished", "real texts, cut or whole", "zh", [*_cut(chinese, chance)]),
    ]


def _texts(file: Path, key: str) -> list[str]:
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return list(dict.fromkeys(row[key] for row in rows))


def _case(channel: str, field: str, locale: str = "en-GB", *, stopped: bool = True) -> Case:
    known = {"schema": 1, "name": "fjord", "display_name": "Fjord", "locale": locale, "guide": "Be brief."}
    brand = Brand.model_validate({**known, "lines": {"soap": "Bars."}})
    return Case(Brief(product="Bar", channel=channel, field=field), brand, stopped, TODAY)


def _lengths(chance: random.Random) -> Iterator[Row]:
    """Of every field texts that just fit, and texts that are one letter too long or too short."""
    for name in channel_names():
        for field, limit in load_channel(name).fields.items():
            case, costs = _case(name, field), COSTS[limit.unit]
            step = min(costs.values())
            for _ in range(TEXTS_OF_A_FIELD):
                if limit.max:
                    yield Row(_of_length(limit.max, costs, chance), False, case)
                    yield Row(_of_length(limit.max + step, costs, chance), True, case)
                if limit.min:
                    yield Row(_of_length(limit.min, costs, chance), False, case)
                    yield Row(_of_length(limit.min - 1, costs, chance), True, case)


def _of_length(length: float, costs: dict[str, float], chance: random.Random) -> str:
    letters: list[str] = []
    while length > 0:
        alphabet = chance.choice([one for one, cost in costs.items() if cost <= length])
        letters.append(chance.choice(alphabet))
        length -= costs[alphabet]
    return "".join(letters)


def _ads(texts: Sequence[str], locale: str, chance: random.Random) -> Iterator[Row]:
    """Ads with pieces of real texts, and the same ads broken in one of nine ways."""
    pieces = [piece for text in texts for piece in re.findall(r"[^.!?。！？]{4,60}[.!?。！？]", text)]
    for channel in filter(lambda name: has_ads(load_channel(name)), channel_names()):
        fields, case = load_channel(channel).fields, _case(channel, AD, locale)
        for turn in range(TEXTS_OF_A_FIELD):
            ad = {field: _some(pieces, limit, chance) for field, limit in fields.items()}
            yield Row(json.dumps(ad, ensure_ascii=turn % 2 == 0), False, case)
            yield from (Row(text, True, case) for text in _broken(ad, fields, chance))


def _some(pieces: Sequence[str], limit: Limit, chance: random.Random) -> list[str]:
    """Pieces that begin differently, as many as the field takes or fewer."""
    least, most = counts(limit)
    drawn = {piece.strip()[:3]: piece.strip() for piece in chance.sample(pieces, len(pieces))}
    return list(drawn.values())[: chance.randint(max(1, least), most)]


def _broken(ad: dict[str, list[str]], fields: dict[str, Limit], chance: random.Random) -> Iterator[str]:
    field = chance.choice([name for name, limit in fields.items() if counts(limit)[0]])
    least, most = counts(fields[field])
    first = ad[field][0]
    spare = (f"Piece {number} of many, {first}" for number in count())
    whole = json.dumps(ad, ensure_ascii=False)
    yield json.dumps({name: texts for name, texts in ad.items() if name != field})
    yield json.dumps(ad | {field: [next(spare) for _ in range(most + 1)]})
    yield json.dumps(ad | {field: ad[field][: least - 1]})
    yield json.dumps(ad | {"slogan": ["Soap."]})
    yield json.dumps(ad | {field: first})
    yield json.dumps(ad | {field: [*ad[field][:-1], " "]})
    yield whole[: chance.randrange(1, len(whole))]
    yield whole[:-1] + f', "{field}": {json.dumps(ad[field])}}}'
    if most > 1:
        yield json.dumps(ad | {field: [*ad[field][: most - 1], f" {first.upper()} "]})


def _cut(texts: Sequence[str], chance: random.Random) -> Iterator[Row]:
    for text in chance.sample(texts, 300):
        yield Row(text, False, _case("product_page", "description"))
        yield Row(text[: len(text) // 2], True, _case("product_page", "description", stopped=False))
