"""The words around a quantity that say what it means: English, German and Chinese, as a `View` has them."""

from __future__ import annotations

import re

_STOP = (
    "with from your this that they them then than have been were will would when what which each "
    "every just only into over under more less most least about also very much many some such here "
    "there their ours yours for and the you are our its but not all any can get has his her out per "
    "was who how now eine einen einem einer eines oder aber nicht noch nur auch sich sind wird dass "
    "dein deine ihre ihren until till jetzt schon bei mit von fur das der die und ein bis zum zur den "
    "dem ist mal off free today"
)
STOP_WORDS = frozenset(_STOP.split(" "))
GENERIC_COUNTED = "个件款只种张位条块大多余几名类次份套倍"
FILLER = re.compile(
    r"\b(?:just|only|a|an|the|is|are|of|for|at|by|mere|whopping|another|nur|noch|fur|von|ist|sind|bei"
    r"|gerade)\b"
    r"|只要|仅需|是|为|[\W_]"
)
_FILL = (
    r"(?:\W+(?:just|only|a|an|the|of|mere|whopping|another|nur|sagenhafte?|satte|stolze|around"
    r"|total)\b){0,3}"
    r"(?:只要|仅需|仅)?\W{0,3}$"
)
_BOUND_WORDS = {
    "up_to": r"\b(?:up to|upto|as much as|as many as|as long as|maximum(?: of)?|max\.?|no more than"
    r"|not more than"
    r"|at most|bis zu|maximal|hochstens)\b\.?|高达|最多|最高|可达|长达|多达|不超过|至多",
    "at_least": r"\b(?:at least|minimum(?: of)?|min\.?|no less than|no fewer than|mindestens"
    r"|wenigstens)\b\.?"
    r"|至少|不低于|不少于|起码",
    "over": r"\b(?:over|more than|above|upwards of|in excess of|uber|mehr als)\b|超过|超|突破",
    "under": r"\b(?:under|below|less than|fewer than|within|weniger als|unter|innerhalb(?: von)?|binnen)\b"
    r"|不到|不足|低于|少于|用不了",
    "about": r"\b(?:about|around|roughly|almost|nearly|approximately|approx\.?|circa|ca\.?|etwa|rund"
    r"|fast|ungefahr|knapp)"
    r"(?:\b|(?<=\.))|约|大约|近|将近|差不多",
    "from_": r"\b(?:from|starting at|starts at|start at|as low as|as little as|ab)\b|低至",
}
LEFT_BOUND = re.compile(
    "(?:" + "|".join(f"(?P<{name}>{words})" for name, words in _BOUND_WORDS.items()) + ")" + _FILL
)
RIGHT_BOUND = re.compile(
    r"\s?(?:(?P<from_>起(?!床|来|点)|and up\b|upwards\b)"
    r"|(?P<at_least>\+|or more\b|and more\b|or longer\b|or over\b|plus\b|und mehr\b|oder mehr\b|以上"
    r"|及以上)"
    r"|(?P<over>多(?=[^,。;!]))|(?P<under>or less\b|and under\b|or under\b|oder weniger\b|以内|以下|之内"
    r"|内(?=[可发送到退达])))"
)
_ROLE_WORDS = {
    "threshold": r"\borders? (?:over|above|of|from|for|worth|totall?ing)\b|\bspend(?:ing)?\b"
    r"|\bpurchases? (?:over|of|above|from)\b"
    r"|\bminimum (?:order|spend)\b|\bbaskets? (?:over|of|above)\b|\b(?:off|discount|rabatt|free|gratis"
    r"|kostenlos|kostenfrei|frei) (?:\w+ )?"
    r"(?:on |uber |bei )?(?:over|from|above|ab|uber)\b|\bversandkostenfrei ab\b|\b(?:bestellwert"
    r"|einkaufswert|einkauf|bestellungen?|warenkorb)\w*"
    r"(?: von| ab| uber)?\b|\bab einem\b|(?<!圆)(?<!充)(?<!不)满|\bthreshold\b|门槛|单笔",
    "before": r"\b(?:before|previous(?:ly)?|original(?:ly)?|formerly|used to be|down from"
    r"|reduced from|cut from"
    r"|dropped from|slashed from|instead of|rrp|msrp|list price|old price|full price|regular(?:ly)?"
    r"|normal(?:ly)?|usual(?:ly)?|statt|anstatt|fruher(?:er)?"
    r"|vorher(?:iger)?|zuvor|uvp|bisher(?:iger)?|ehemals|alter preis|normalpreis|listenpreis|bislang)\b"
    r"|原价|原售价|市场价|吊牌价|划线价|日常价?|之前|以前|专柜价|官方价|曾经|原来",
    "was": r"\b(?:was|were|war)\b",
    "now": r"\b(?:now|today|sale price|deal price|new price|jetzt|heute|aktuell|nun|neuer preis)\b"
    r"|现价|现售|现仅|现在|如今|到手价?|券后|活动价|秒杀价|特价|促销价|今日|今天|折后|会员价|直播价"
    r"|(?<![出表实发展体])现",
    "discount": r"\b(?:saved?|saves|saving|savings|discount|rabatt|spare?n?|sparst|sparpreis|ersparnis"
    r"|minus|gutschein|voucher|coupon|cashback"
    r"|reduced by|cut by|down by|nachlass|reduziert um|gunstiger um)\b|立减|减免|减|直降|立省|省下?|优惠"
    r"|返现|返|抵扣|抵|优惠券|红包|折扣|打",
    "fee": r"\b(?:shipping|delivery|postage|p&p|handling|fee|deposit|versand(?:kosten)?|lieferung|porto"
    r"|gebuhr|pfand|kaution)\b"
    r"|运费|邮费|押金|服务费|配送费|定金",
    "price": r"\b(?:price|costs?|preis|kostet|yours for|sells for)\b|售价|价格|单价|卖|标价",
}
LEFT_ROLE = re.compile("|".join(f"(?P<{name}>{words})" for name, words in _ROLE_WORDS.items()))
RIGHT_ROLE = re.compile(
    r"(?:\s?[-–]?\s?(?:(?:instant|student|member|extra|a|zum|je|the|new|welcome)\s)?(?:"
    r"(?P<discount>off\b|discount\b|rabatt\b|less\b|cheaper\b|gunstiger\b|back\b|sparen\b|gespart\b"
    r"|reduziert\b|ersparnis\b|nachlass\b"
    r"|saving\b|savings\b|voucher\b|coupon\b|gutschein\b|reduction\b|sale\b|auf\b|优惠|折扣"
    r"|的?优惠券|代金券|红包|的?券)"
    r"|(?P<before>last (?:week|month|year|season)\b|before\b|previously\b|originally\b|rrp\b|uvp\b"
    r"|normally\b|letzte woche\b)"
    r"|(?P<now>today\b|now\b|heute\b|jetzt\b|到手)"
    r"|(?P<threshold>(?:minimum )?(?:order|spend|purchase)\b|mindestbestellwert\b|bestellwert\b"
    r"|einkaufswert\b)"
    r"|(?P<fee>shipping\b|delivery\b|postage\b|versand(?:kosten)?\b|运费|邮费|押金)))"
)
EVERYWHERE = re.compile(
    r"\b(?:everything|entire|whole|site-?wide|store-?wide|across the (?:board|store|site|shop)"
    r"|all (?:items|products|orders|styles|lines|stock)"
    r"|every(?! (?:day|week|month|year|morning|night|time))(?:thing)?|any(?:thing)? (?:in|item|order"
    r"|product)|alles|gesamte[nrms]?|samtliche[nr]?|ganze[nrs]? (?:sortiment|shop|laden)"
    r"|alle (?:artikel|produkte)|jede[nrs]?)\b|全场|全部|所有|一律|全店|全线|每满|任意|统统"
)
ONLY_ON = re.compile(
    r"\s?(?:off|discount on|rabatt auf|auf|on|sparen auf|reduziert auf)\s(?:all |alle |the |die |das "
    r"|den )?"
    r"(?!everything\b|all\b|items\b|products\b|styles\b|your\b|today|now|this|until|at|in\b|orders?\b"
    r"|alles\b|alle\b"
    r"|entire|whole|ganze|gesamte)[a-z]{3,}"
)
"""A discount for something named."""
RATES: dict[str, str] = {}
_RATE_WORDS = {
    "month": "month mo mth monat monthly monatlich monatliche 月 个月 每月 每个月 月付 包月 一个月",
    "year": "year yr annum jahr yearly annually annual jahrlich 年 每年 年付 包年 一年",
    "week": "week wk woche weekly wochentlich 周 每周 星期 一周",
    "day": "day tag daily taglich 天 日 每天 每日 一天",
    "hour": "hour hr stunde hourly 小时 每小时",
    "night": "night nacht 晚 每晚 一晚",
    "person": "person head guest adult traveller traveler kopf 人 位 每人 每位",
    "couple": "couple pair paar 对 双 每对 每双",
    "child": "child kid kind",
    "piece": "piece item stuck unit 件 个 只 每件 每个 每只",
    "bag": "bag 袋 每袋",
    "box": "box 盒 每盒",
    "bottle": "bottle flasche 瓶 每瓶",
    "kilo": "kilo kg kilogram",
    "dozen": "dozen dutzend",
}
RATES |= {word: rate for rate, words in _RATE_WORDS.items() for word in words.split(" ")}
PERIODS = {"year": 1, "month": 12, "week": 52, "day": 365}
"""How many of them a year has, as prices are told."""
_LATIN_RATES = "|".join(sorted((word for word in RATES if word.isascii()), key=len, reverse=True))
_HAN_RATES = "|".join(sorted((word for word in RATES if not word.isascii()), key=len, reverse=True))
RIGHT_RATE = re.compile(
    rf"\s?(?:(?:/\s?|-?(?:per|a|an|each|every|pro|im|je|the|die|der|in der"
    rf"|am)\s)(?P<per>{_LATIN_RATES})s?\b"
    r"|(?:/|\s?per\s|\s?pro\s)(?P<other>[a-z]{3,12})\b"
    rf"|,?\s?(?P<ly>(?:month|year|week|annual|dai|hour)ly\b|annually\b|monatlich\b|jahrlich\b"
    rf"|wochentlich\b|taglich\b)"
    rf"|(?:/|一|每)(?P<zh>{_HAN_RATES}))"
)
LEFT_RATE = re.compile(
    r"\b(?:monthly|yearly|annually|annual|weekly|daily|hourly|monatlich(?=e?)|jahrlich|wochentlich|taglich"
    r"|(?:per|pro) (?:month|year|week|day|person|night|monat|jahr|woche|tag))"
    r"|每个?月|每年|每周|每天|每日|每晚|每人|每位|月付|年付|包月|包年"
)
OTHER_SPAN = re.compile(
    r"\b(?:in|takes?|saves?|after|past|nach)\W+(?:only|just|nur|you|dir)?\W*$|(?:只需|仅需|过去)$"
)
"""Another span of time than a thing lasts."""
SOME_OF = re.compile(
    r"\b(?:past|last|next|first|every|each|another|letzten?|ersten?|nachsten?|alle|jede[nrms]?)\W+$"
    r"|(?:前|每|第|首)$"
)
"""Some of many."""
ELSEWHERE = re.compile(
    r"\b(?:anywhere else|elsewhere|other shops|other brands|woanders|anderswo)\b|别家|别处|别人家"
)
"""A price of somebody else."""
PARTLY = re.compile(r"部分|指定|单品|精选|仅限|\b(?:selected|some|ausgewahlte[nr]?|einzelne)\b")
"""A discount for some things only."""
EXTENTS = frozenset({"LENGTH", "HEIGHT", "WIDTH", "DEPTH", "THICKNESS"})
"""Of these a thing has one each."""
_NUTRIENTS = ("protein", "sugar", "fibre", "fiber", "carbs", "salt", "caffeine", "eiweiss", "zucker", "salz")
NOT_THE_SUBJECT = frozenset({"NUTRIENT", *(word[:5] for word in _NUTRIENTS)})
"""Parts of a thing: their weight is not its own."""
CONCEPT = re.compile(
    "|".join(
        f"(?P<{name}>{words})"
        for name, words in {
            "warranty": r"warrant|guarant|garantie|gewahrleist|质保|保修|保换|联保",
            "delivery": r"deliver|with you (?:in|within|by)|shipping|\bships?\b|shipped|dispatch"
            r"|doorstep|your step|liefer|versand"
            r"|versend|发货|配送|送达|到货|运费|包邮",
            "battery": r"batter|(?:one|per|a|between|full|single) charges?\b|playback|ladung|run ?time"
            r"|\blasts?\b|laufzeit|akku|续航|电池|待机|halt\b",
            "returns": r"return|refund|money[- ]back|ruckgabe|umtausch|退换|退货|退款|无理由",
            "weight": r"weigh|gewicht|\bwieg|净重|毛重|重量|重\b|体重",
            "capacity": r"capacit|volume|\bholds?\b|inhalt|\bfass|容量|容积",
            "length": r"\blong\b|length|\blang\b|\blange\b|长",
            "height": r"height|\btall\b|\bhoch\b|\bhohe\b|高(?!达)",
            "width": r"\bwide\b|width|\bbreit|宽",
            "depth": r"\bdeep\b|depth|\btief|深",
            "thickness": r"\bthick|\bdick|\bthin\b|厚",
            "review": r"review|bewertung|评价|评论|rezension",
            "customer": r"customer|kunden|用户|顾客|客户",
            "lesson": r"lesson|lektion|课",
            "trial": r"\btrial|试用|probe(?:zeit|monat)|\btry\b",
            "travel": r"\brange\b|reichweite|里程",
            "ageing": r"\baged\b|matured|\bcured\b|gereift|陈酿",
            "nutrient": r"蛋白|糖分|脂肪|膳食纤维|钠",
            "storage": r"storage|speicher|存储|内存|\broom\b",
            "screen": r"screen|display|bildschirm|屏",
        }.items()
    )
)
"""One thing in several words."""
