"""Units and money: the one table of guards, metrics and ranking. Names are spelled as a `View` has them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Measure:
    """A unit of measurement.

    Args:
        base: the unit that its quantities are told in.
        factor: how many of `base` it is.
        names: every way to write it, as a `View` has it.
        imperial: whether it is of the imperial system; in the other one its values are rounded.
    """

    base: str
    factor: Decimal
    names: tuple[str, ...]
    imperial: bool = False


def _unit(base: str, factor: str, names: str, *, imperial: bool = False) -> Measure:
    return Measure(
        base, Decimal(factor), tuple(name.replace("_", " ") for name in names.split(" ")), imperial
    )


UNITS = (
    _unit("g", "0.001", "mg milligram milligrams milligramm 毫克"),
    _unit("g", "1", "g gr gram grams gramme grammes gramm 克"),
    _unit("g", "500", "斤"),
    _unit("g", "1000", "kg kgs kilo kilos kilogram kilograms kilogramm 千克 公斤"),
    _unit("g", "1000000", "tonne tonnes tonnen 吨"),
    _unit("g", "28.349523125", "oz ounce ounces unze unzen 盎司", imperial=True),
    _unit("g", "453.59237", "lb lbs pound_of pounds_of 磅", imperial=True),
    _unit("ml", "1", "ml millilitre millilitres milliliter milliliters 毫升"),
    _unit("ml", "10", "cl centilitre centilitres centiliter centiliters zentiliter"),
    _unit("ml", "1000", "l litre litres liter liters 升"),
    _unit("ml", "29.5735295625", "fl_oz fluid_ounce fluid_ounces", imperial=True),
    _unit("ml", "3785.411784", "gal gallon gallons", imperial=True),
    _unit("mm", "1", "mm millimetre millimetres millimeter millimeters 毫米"),
    _unit("mm", "10", "cm centimetre centimetres centimeter centimeters zentimeter 厘米 公分"),
    _unit("mm", "1000", "m metre metres meter meters metern 米"),
    _unit("mm", "1000000", "km kilometre kilometres kilometer kilometers kilometern 公里 千米"),
    _unit("mm", "25.4", "in inch inches zoll 英寸 寸", imperial=True),
    _unit("mm", "304.8", "ft foot feet 英尺", imperial=True),
    _unit("mm", "914.4", "yd yds yard yards", imperial=True),
    _unit("mm", "1609344", "mi mile miles meile meilen 英里", imperial=True),
    _unit("s", "0.001", "ms millisecond milliseconds millisekunden 毫秒"),
    _unit("s", "1", "s sec secs second seconds sekunde sekunden 秒 秒钟"),
    _unit("s", "60", "min mins minute minutes minuten 分钟"),
    _unit("s", "3600", "h hr hrs hour hours std stunde stunden 小时 个小时"),
    _unit("s", "86400", "day days tag tage tagen werktag werktage werktagen 天 日 工作日 个工作日"),
    _unit("s", "604800", "week weeks woche wochen 周 星期 个星期"),
    _unit("month", "1", "month months monat monate monaten 月 个月"),
    _unit("month", "12", "year years yr yrs jahr jahre jahren 年"),
    _unit("deg", "1", "° °c degree degrees grad 度 摄氏度"),
    _unit("degf", "1", "°f fahrenheit 华氏度"),
    _unit("w", "1", "w watt watts 瓦"),
    _unit("w", "1000", "kw kilowatt kilowatts 千瓦"),
    _unit("wh", "1", "wh 瓦时"),
    _unit("wh", "1000", "kwh 千瓦时"),
    _unit("v", "1", "v volt volts 伏"),
    _unit("mah", "1", "mah 毫安 毫安时"),
    _unit("mah", "1000", "ah 安时"),
    _unit("hz", "1", "hz hertz 赫兹"),
    _unit("hz", "1000", "khz"),
    _unit("hz", "1000000", "mhz"),
    _unit("hz", "1000000000", "ghz"),
    _unit("byte", "1000", "kb kilobyte kilobytes"),
    _unit("byte", "1000000", "mb megabyte megabytes 兆"),
    _unit("byte", "1000000000", "gb gigabyte gigabytes"),
    _unit("byte", "1000000000000", "tb terabyte terabytes"),
    _unit("bit/s", "1", "mbps mbit/s"),
    _unit("bit/s", "1000", "gbps gbit/s"),
    _unit("km/h", "1", "km/h kmh kph 公里/小时"),
    _unit("km/h", "1.609344", "mph", imperial=True),
    _unit("kcal", "1", "kcal kilocalories 千卡 大卡"),
    _unit("kj", "1", "kj kilojoules 千焦"),
    _unit("mp", "1", "mp megapixel megapixels"),
    _unit("lm", "1", "lm lumen lumens 流明"),
    _unit("db", "1", "db decibel decibels dezibel 分贝"),
    _unit("sqm", "1", "m2 sqm square_metres square_meters quadratmeter 平方米 平米 平方 平"),
    _unit("sqm", "10000", "ha hectare hectares hektar 公顷"),
    _unit("sqm", "4046.8564224", "acre acres 英亩", imperial=True),
    _unit("sqm", "0.09290304", "sq_ft square_feet 平方英尺", imperial=True),
)
"""Every unit that a text may use. Those of one base are the same thing in other numbers."""
BASES = frozenset(unit.base for unit in UNITS)
UNIT_OF = {name: unit for unit in UNITS for name in unit.names}
TIME = frozenset({"s", "month"})
"""Bases that measure one dimension, although a month is no fixed number of days."""
MONTH = Decimal("2629746")
"""Seconds of a month on average."""
MONEY = {
    "gbp": ("£", "gbp", "pound", "pounds", "quid", "p", "pence", "英镑", "pfund"),
    "usd": ("$", "usd", "us$", "dollar", "dollars", "buck", "bucks", "美元", "美金"),
    "eur": ("€", "eur", "euro", "euros", "欧元"),
    "cny": ("¥", "cny", "rmb", "cn¥", "yuan", "元", "块", "块钱", "人民币"),
    "jpy": ("円", "jpy", "jp¥", "yen", "日元"),
    "inr": ("₹", "inr", "rs", "rupee", "rupees", "卢比"),
    "krw": ("₩", "krw", "韩元"),
    "chf": ("chf", "franken", "瑞士法郎"),
    "aud": ("a$", "aud", "au$", "澳元"),
    "cad": ("c$", "cad", "ca$", "加元"),
    "nzd": ("nz$", "nzd"),
    "sgd": ("s$", "sgd"),
    "hkd": ("hk$", "hkd", "港币", "港元"),
    "twd": ("nt$", "twd", "台币", "新台币"),
    "mxn": ("mx$", "mxn"),
    "brl": ("r$", "brl"),
    "sek": ("kr", "sek", "kronor"),
    "dkk": ("dkk",),
    "nok": ("nok",),
    "pln": ("zl", "pln"),
    "czk": ("kc", "czk"),
}
"""Every way to write a currency, as a `View` has it; `$`, ¥, 元 and `kr` are also others, by region."""
PENCE = ("p", "pence")
CURRENCY_OF = {name: currency for currency, names in MONEY.items() for name in names}
