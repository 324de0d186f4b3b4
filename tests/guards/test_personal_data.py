"""What tells who somebody is blocks; the brand's own contact, prices, dates and article numbers pass."""

from __future__ import annotations

import pytest
from stdnum import luhn
from stdnum.iso7064 import mod_11_2

from lora_marketing.guards.personal_data import find
from tests.guards.making import case


def rules(text: str, **own: object) -> list[tuple[str, str]]:
    found = find(text, case(**{"markets": ["GB", "US", "CN"], **own}))
    return [(one.rule.removeprefix("personal_data."), text[slice(*one.span or (0, 0))]) for one in found]


@pytest.mark.parametrize(
    ("text", "rule", "value"),
    [
        ("Ask jo+x@mail.example now.", "email", "jo+x@mail.example"),
        ("Ask jo (at) mail (dot) example", "email", "jo (at) mail (dot) example"),
        ("邮箱：li.na@example.cn。", "email", "li.na@example.cn"),
        ("Call 020 7946 0123!", "phone", "020 7946 0123"),
        ("Call +1 202-555-0143", "phone", "+1 202-555-0143"),
        ("电话13800138000。", "phone", "13800138000"),
        ("拨打010-62551234吧", "phone", "010-62551234"),
        ("IBAN GB82 WEST 1234 5698 7654 32.", "iban", "GB82 WEST 1234 5698 7654 32"),
        ("Card 4111 1111 1111 1111,", "card", "4111 1111 1111 1111"),
        ("SSN 078-05-1120", "identity", "078-05-1120"),
        ("身份证990101198503120010，", "identity", "990101198503120010"),
        ("from 203.0.113.7.", "ip", "203.0.113.7"),
        ("from 2001:db8::7 too", "ip", "2001:db8::7"),
        ("护照号E12345678", "passport", "护照号E12345678"),
        ("pw: hunter2", "password", "pw: hunter2"),
        ("微信号 sample_wx_01", "account", "微信号 sample_wx_01"),
        ("车牌号 测A·00000，", "plate", "车牌号 测A·00000"),
        ("看见京A12345了", "plate", "京A12345"),
        ("车牌是新A12345", "plate", "车牌是新A12345"),
        ("Card ４１１１ 1111 1111 1111,", "card", "４１１１ 1111 1111 1111"),
        ("Card 4111\u00a01111\u00a01111\u00a01111,", "card", "4111\u00a01111\u00a01111\u00a01111"),
        ("Card 4111.1111.1111.1111,", "card", "4111.1111.1111.1111"),
        ("iban gb82 west 1234 5698 7654 32.", "iban", "gb82 west 1234 5698 7654 32"),
        ("GB82WEST12345698765432 please", "iban", "GB82WEST12345698765432"),
        ("IBAN GB82 WEST 1234 5698 7654 32 with", "iban", "GB82 WEST 1234 5698 7654 32"),
        ("MT84 MALT 0110 0001 2345 MTLC AST0 01S", "iban", "MT84 MALT 0110 0001 2345 MTLC AST0 01S"),
        ("BE71 0961 2345 6769 this", "iban", "BE71 0961 2345 6769"),
        ("Call 020 7946\u200b 0123!", "phone", "020 7946\u200b 0123"),
        ("电话１３８００１３８０００。", "phone", "１３８００１３８０００"),
        ("Ask ann＠example．com", "email", "ann＠example．com"),
        ("密码：abc123", "password", "密码：abc123"),
        ("WeChat: some_body", "account", "WeChat: some_body"),
        ("加微信fjord2026吧", "account", "微信fjord2026"),
        ("QQ号12345678", "account", "QQ号12345678"),
        ("born 1985-03-12", "birth", "born 1985-03-12"),
    ],
)
def test_personal_data_blocks(text: str, rule: str, value: str) -> None:
    assert rules(text) == [(rule, value)]
    assert [one.severity for one in find(text, case(markets=["GB", "CN"]))] == ["block"]


@pytest.mark.parametrize(
    "text",
    [
        "Our model A4111 has 1111 lumens and costs 2025 yen.",
        "Version 10.2.0.1 ships on 2026-12-24, 24/12/2026, at 10:30:00.",
        "£1,234.99 was £2,000.00; SKU 12345678; 1920x1080; 4111-1111.",
        "订单满199减20，活动12月24日截止，产品编号 9901-0119-85。",
        "Card 4111 1111 1111 1112, account GB82 WEST 1234 5698 7654 33",
        "110101199902301234",
        "std::vector, 12:34, a::b",
        "搭载RTX4090显卡，型号B20261，全新X12345，曜石黑S20261。",
        "Your password is always safe. The password is 100% yours.",
        "Pay with WeChat anytime. Follow our WeChat official account. WeChat ID required.",
        "微信App扫码下单，微信VIP会员专享。",
    ],
)
def test_numbers_of_goods_pass(text: str) -> None:
    assert rules(text) == []


def test_the_brand_may_publish_its_own_contact() -> None:
    text = "Call 020 7946 0123 or hello@fjord.example"
    assert len(rules(text)) == 2
    assert rules(text, facts=["Phone: (020) 7946-0123, hello@fjord.example."]) == []


def test_a_model_in_the_brief_is_no_plate() -> None:
    assert rules("鲁B20261上市") == [("plate", "鲁B20261")]
    assert rules("鲁B20261上市", facts=["型号 B20261"]) == []


def test_names_and_addresses_are_for_a_person() -> None:
    for text in (
        "Hi Dana Example, welcome",
        "12 Placeholder Road",
        "我叫张示例，",
        "测试市样例区占位路12号3单元401",
    ):
        (one,) = find(text, case())
        assert one.severity == "review"


def with_check_digit(digits: str) -> str:
    """The shortest number with a right last digit by Luhn's sum that begins with `digits`."""
    return next(f"{digits}{last}" for last in "0123456789" if luhn.is_valid(f"{digits}{last}"))


@pytest.mark.parametrize(("digits", "card"), [(11, False), (12, True), (15, True), (18, True), (19, False)])
def test_a_card_has_13_to_19_digits_with_a_check_digit(digits: int, card: bool) -> None:
    number = with_check_digit("4" + "1" * (digits - 1))
    assert (("card", number) in rules(f"Card {number},")) == card
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert ("card", wrong) not in rules(f"Card {wrong},")
    assert ("card", "1" + number[1:]) not in rules(f"Card 1{number[1:]},")


@pytest.mark.parametrize(
    ("day", "identity"),
    [("19000101", True), ("18991231", False), ("21001231", True), ("21010101", False), ("19850230", False)],
)
def test_an_identity_number_holds_a_day_of_birth(day: str, identity: bool) -> None:
    number = next(
        f"990101{day}001{last}" for last in "0123456789X" if mod_11_2.is_valid(f"990101{day}001{last}")
    )
    assert (("identity", number) in rules(f"身份证{number}，")) == identity


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("条形码6901234567892", False),
        ("Barcode: 4006381333931", False),
        ("EAN 5901234123457, in stock", False),
        ("5901234123457", False),
        ("订单号4539578763621486", False),
        ("Order no. 4539578763621486", False),
        ("Tracking number: 4539578763621486", False),
        ("Pay with 4539578763621486", True),
        ("卡号：6222021234567890128", True),
        ("card number 4539578763621486", True),
    ],
)
def test_a_number_of_goods_is_no_card(text: str, found: bool) -> None:
    assert ("personal_data.card" in {one.rule for one in find(text, case())}) == found


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("加v: soap2026ok", "account"),
        ("加薇❤ soap_2026", None),
        ("加我微信soap2026ok", "account"),
        ("➕V：soap2026ok", "account"),
        ("vx:soap2026ok", "account"),
        ("威信：13800138000", "account"),
        ("+v soap-2026", "account"),
        ("Telegram: @soap_seller", "account"),
        ("jane dot doe at example dot com", "email"),
        ("Email jane at example dot co dot uk", "email"),
        ("jane[at]example[dot]com", "email"),
        ("jane 艾特 example 点 com", "email"),
        ("Shop at example dot com.", None),
        ("加V领口，显瘦", None),
        ("加维生素C 500毫克", None),
        ("微信支付立减", None),
        ("VX100 drill, wx: no", None),
        ("Look at the dot on the map.", None),
        ("WhatsApp: available soon", None),
    ],
)
def test_contacts_as_sellers_write_them(text: str, rule: str | None) -> None:
    rules = {one.rule for one in find(text, case())} - {"personal_data.phone"}
    assert rules == ({f"personal_data.{rule}"} if rule else set())


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("jane@example.\u200bcom", "email"),
        ("1🔥3🔥8🔥0🔥0🔥1🔥3🔥8🔥0🔥0🔥0", "phone"),
        ("4 5 3 9 5 7 8 7 6 3 6 2 1 4 8 6", "card"),
        ("４５３９５７８７６３６２１４８６", "card"),
        ("加 微 信：soap2026ok", "account"),
    ],
)
def test_data_is_found_in_a_disguise(text: str, rule: str) -> None:
    found = list(find(text, case(locale="zh-CN")))
    assert [(one.rule, one.severity) for one in found] == [(f"personal_data.{rule}", "block")]
