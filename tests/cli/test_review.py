"""`review ...` on the command line, from copies to what is shipped and learned."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lora_marketing.cli.app import app
from lora_marketing.cli.review_policy import Policies
from lora_marketing.common.errors import (
    DataError,
    LogBroken,
    LoraMarketingError,
    NotApproved,
    RecipeError,
    RegistryError,
    ReviewError,
)
from lora_marketing.copy.record import write_copies
from lora_marketing.data.dataset import read_texts
from lora_marketing.guards import guard_names
from lora_marketing.recipe import load_recipe
from lora_marketing.registry import AdapterName, Registry
from lora_marketing.registry.provenance import recorded_recipe
from lora_marketing.review import Item, Queue, approved_rows
from lora_marketing.text.known_texts import KnownTexts
from tests.making import write_world
from tests.registry.making import manifest, write_adapter
from tests.review.making import copy


class Desk:
    """A folder with a brand and a queue of three texts."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.db = folder, folder / "review.db"
        self.recipe = write_world(folder)
        others = ", ".join(f"{name}: off" for name in guard_names() if name != "terms")
        with (folder / "brand.yaml").open("a", encoding="utf-8") as profile:
            profile.write(f"severities: {{{others}}}\n")
        texts = ("It floats.", "A miracle.", "香皂 [会] 浮。")
        write_copies(folder / "copies.jsonl", [copy(text) for text in texts])
        self.added = self.call("add", folder / "copies.jsonl", "--recipe", self.recipe)

    def call(self, *arguments: str | Path, typed: str | None = None, code: int = 0) -> Result:
        command = ["review", *map(str, arguments), "--queue", str(self.db)]
        done = CliRunner().invoke(app, command, input=typed, env={"COLUMNS": "200"})
        if isinstance(done.exception, LoraMarketingError):
            raise done.exception
        assert done.exit_code == code, done.output
        return done

    def items(self) -> list[Item]:
        with Queue(self.db) as queue:
            return queue.items()

    def states(self) -> list[str]:
        return [item.state for item in self.items()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_profile_takes_only_guards_that_there_are(desk: Desk) -> None:
    profile = desk.folder / "brand.yaml"
    wrong = profile.read_text(encoding="utf-8").replace("facts: off", "fact: off")
    profile.write_text(wrong, encoding="utf-8")
    with pytest.raises(RecipeError, match='no guard "fact"'):
        desk.call("add", desk.folder / "copies.jsonl", "--profile", profile)


def test_copies_are_guarded_and_put_up_once(desk: Desk) -> None:
    floats, miracle, chinese = desk.items()
    assert (floats.verdict, miracle.verdict) == ("pass", "block")
    assert f"{miracle.id[:16]} block" in desk.added.stdout
    again = desk.call("add", desk.folder / "copies.jsonl", "--profile", desk.folder / "brand.yaml")
    assert (again.stdout, len(desk.items())) == ("", 3)
    assert "3 were there before" in again.stderr
    listed = desk.call("list", "--state", "pending", "--brand", "tidal").stdout
    assert "香皂 [会] 浮。" in listed
    assert desk.call("list", "--brand", "fjord").stdout.count("\n") == 1
    with pytest.raises(ReviewError, match='did you mean "pending"'):
        desk.call("list", "--state", "pendin")
    assert json.loads(desk.call("show", chinese.id[:8]).stdout)["text"] == "香皂 [会] 浮。"


def test_a_brand_must_be_known_to_guard(desk: Desk) -> None:
    with pytest.raises(DataError, match="no policy to guard with"):
        desk.call("add", desk.folder / "copies.jsonl")
    write_copies(desk.folder / "other.jsonl", [copy(adapter="tidal/soap", digest="a" * 64)])
    with pytest.raises(RegistryError, match="no adapter tidal/soap"):
        desk.call("add", desk.folder / "other.jsonl", "--adapters", desk.folder / "adapters")


def test_texts_are_held_against_what_the_recipes_teach_and_the_house(tmp_path: Path) -> None:
    recipe, other = write_world(tmp_path / "a"), write_world(tmp_path / "b")
    profile = other.parent / "brand.yaml"
    own = profile.read_text(encoding="utf-8").replace("tidal", "fjord").replace("Tidal", "Fjørd Kjeks")
    profile.write_text(own, encoding="utf-8")
    taught = read_texts(load_recipe(recipe))[0][1].text
    copies = [copy(taught), copy("Better than Fjørd Kjeks.")]
    both, alone = (Policies.of(copies, recipes, [], tmp_path) for recipes in ([recipe, other], [recipe]))
    assert [find.rule.split(".")[0] for find in both.findings(copies[0], taught)].count("regurgitation") == 1
    rules = [{find.rule for find in one.findings(copies[1], copies[1].text)} for one in (both, alone)]
    assert rules[0] - rules[1] == {"cross_brand.name"}


def test_an_adapter_tells_its_brand_and_what_it_was_taught(tmp_path: Path) -> None:
    recipe = write_world(tmp_path)
    name = AdapterName("tidal", "soap")
    told = manifest(name, recipe=recorded_recipe(load_recipe(recipe)))
    made = write_adapter(tmp_path / "made")
    taught = "A miracle that floats in every bath, and sailors like it."
    (made / "known_texts.bin").write_bytes(KnownTexts.of([taught]).to_bytes())
    version = Registry(tmp_path / "adapters").publish(name, made, told)
    one = copy(taught, adapter="tidal/soap", digest=version.digest)
    found = Policies.of([one], [], [], tmp_path / "adapters").findings(one, one.text)
    assert {"terms.banned", "regurgitation.whole"} <= {finding.rule for finding in found}
    profile = recipe.parent / "brand.yaml"
    found = Policies.of([one], [], [profile], tmp_path / "nowhere").findings(one, one.text)
    rules = {finding.rule for finding in found}
    assert "terms.banned" in rules
    assert "regurgitation.whole" not in rules


def test_a_cut_text_that_was_mended_to_whole_sentences_passes_as_in_generate(tmp_path: Path) -> None:
    recipe = write_world(tmp_path)
    write_copies(tmp_path / "cut.jsonl", [copy("It floats.", stopped=False), copy("And the", stopped=False)])
    db = tmp_path / "review.db"
    call = ["review", "add", str(tmp_path / "cut.jsonl"), "--recipe", str(recipe), "--queue", str(db)]
    assert CliRunner().invoke(app, call).exit_code == 0
    with Queue(db) as queue:
        rules = [[one.rule for one in item.findings] for item in queue.items()]
    assert ["unfinished" in found for found in rules] == [False, True]


def test_an_edit_may_not_name_a_brand_that_has_an_adapter(tmp_path: Path) -> None:
    recipe = write_world(tmp_path / "a")
    told = recorded_recipe(load_recipe(write_world(tmp_path / "b")))
    told["brand_profile"] |= {"name": "fjord", "display_name": "Fjørd Kjeks"}
    name = AdapterName("fjord", "soap")
    Registry(tmp_path / "adapters").publish(
        name, write_adapter(tmp_path / "made"), manifest(name, recipe=told)
    )
    own = copy("It floats.")
    found = Policies.of([own], [recipe], [], tmp_path / "adapters").findings(own, "Better than Fjørd Kjeks.")
    assert "cross_brand.name" in {finding.rule for finding in found}


def test_decisions(desk: Desk) -> None:
    floats, miracle, chinese = (item.id for item in desk.items())
    desk.call("approve", floats[:9], "--by", "Ann", "--note", "fine")
    with pytest.raises(ReviewError, match=r"approved by Ann at .*: fine"):
        desk.call("reject", floats[:9], "--by", "Bob", "--why", "dull")
    desk.call("reject", floats[:9], "--by", "Bob", "--why", "dull", "--again")
    with pytest.raises(NotApproved, match="banned term"):
        desk.call("approve", miracle, chinese, "--by", "Ann")
    desk.call("approve", miracle, "--by", "Ann", "--override", "a quotation")
    (desk.folder / "new.txt").write_text("浮起来的香皂。\n", encoding="utf-8")
    edit = ("edit", chinese, "--by", "Ann", "--recipe", desk.recipe)
    desk.call(*edit, "--file", desk.folder / "new.txt")
    assert [(item.state, item.text) for item in desk.items()] == [
        ("rejected", "It floats."),
        ("approved", "A miracle."),
        ("edited", "浮起来的香皂。"),
    ]
    with pytest.raises(NotApproved, match="guards block"):
        desk.call(*edit, "--text", "A miracle", "--again")
    with pytest.raises(DataError, match="an edit needs its text once"):
        desk.call(*edit)
    lines = desk.call("log").stdout.splitlines()
    assert [line.split(":")[-1].split()[1] for line in lines[3:]] == [
        "approved",
        "rejected",
        "approved",
        "edited",
    ]
    assert lines[5].endswith("approved a quotation")
    head = desk.call("verify").stdout.strip()
    assert desk.call("verify", "--head", head).stdout.strip() == head
    with pytest.raises(LogBroken, match="kept hash is gone"):
        desk.call("verify", "--head", "0f" * 32)


def walk(desk: Desk, typed: str) -> Result:
    return desk.call("next", "--by", "Ann", "--recipe", desk.recipe, typed=typed)


def test_one_after_the_other(desk: Desk) -> None:
    said = walk(desk, "x\na\na\n\ns\ne\n一块会浮的香皂。\n")
    assert desk.states() == ["approved", "pending", "edited"]
    for words in ("1 of 3", "香皂 [会] 浮。", "banned term", "guards block", "a approves, e edits"):
        assert words in said.output
    walk(desk, "r\nno miracles\n")
    assert desk.states() == ["approved", "rejected", "edited"]
    assert "no pending texts" in walk(desk, "").output


def test_what_stands_on_the_screen_is_approved(desk: Desk) -> None:
    """An edit that a guard blocks is not lost, and `a` does not take the text that was there before it."""
    blocked = "e\nA miracle that floats\n"
    said = walk(desk, f"{blocked}a\na quotation\nq\n").output
    assert "1 of 3, edited" in said
    first = desk.items()[0]
    assert (first.state, first.text, first.override) == ("edited", "A miracle that floats", "a quotation")
    walk(desk, "s\n" + f"{blocked}o\na\n\nq\n")
    assert desk.states()[2] == "approved"
    assert desk.items()[2].text == desk.items()[2].written.text


def test_nothing_forges_a_line_of_the_log_or_moves_the_cursor(desk: Desk) -> None:
    floats = desk.items()[0]
    forged = "fine\n9 2026-01-01 Bob: 0000 approved"
    desk.call("approve", floats.id, "--by", "Ann", "--note", forged)
    assert len(desk.call("log").stdout.splitlines()) == 4
    for by, note in (("Ann\x1b[2J", ""), ("Ann\nBob", ""), ("Ann\u202e", ""), ("Ann", "\x1b[1A")):
        with pytest.raises(ReviewError, match="take out U\\+"):
            desk.call("approve", floats.id, "--by", by, "--note", note, "--again")
    write_copies(desk.folder / "more.jsonl", [copy("a\x1b[2Jb\u202ec\U000e0041")])
    desk.call("add", desk.folder / "more.jsonl", "--recipe", desk.recipe)
    for said in (
        desk.call("list").output,
        walk(desk, "s\ns\ns\n").output,
        desk.call("show", desk.items()[-1].id).output,
    ):
        assert "\\u001b[2Jb\\u202ec\\udb40\\udc41" in said.replace("\n", "")
        assert not set(said) & set("\x1b\u202e\U000e0041")


def test_a_row_that_is_not_as_the_log_says_is_refused_by_name(desk: Desk) -> None:
    floats = desk.items()[0]
    base = sqlite3.connect(desk.db)
    forged = floats.model_copy(update={"state": "approved"}).model_dump_json()
    base.execute("UPDATE items SET state = 'approved', item = ? WHERE id = ?", (forged, floats.id))
    base.commit()
    base.close()
    out = desk.folder / "out.jsonl"
    calls: list[tuple[str | Path, ...]] = [
        ("export", "--to", "jsonl", "--out", out, "--ship"),
        ("export", floats.id[:9], "--to", "jsonl", "--out", out, "--ship"),
        ("rows", "--brand", "tidal", "--out", out),
        ("pairs", "--brand", "tidal", "--out", out),
        ("approve", floats.id, "--by", "Ann"),
    ]
    for call in calls:
        with pytest.raises(LogBroken, match=floats.id[:16]):
            desk.call(*call)
    assert not out.exists()
    with pytest.raises(LogBroken, match=floats.id[:16]):
        approved_rows(desk.db, "tidal")
    assert approved_rows(desk.db, "ember") == []


def test_what_was_skipped_is_still_pending(desk: Desk) -> None:
    said = walk(desk, "s\ns\na\n").output
    assert "2 skipped, still pending" in said
    assert "no pending texts" not in said


def test_one_may_stop_or_override(desk: Desk) -> None:
    walk(desk, "q\n")
    assert desk.states() == ["pending"] * 3
    walk(desk, "s\na\na quotation\nq\n")
    assert desk.states() == ["pending", "approved", "pending"]
    assert desk.items()[1].override == "a quotation"


def test_shipping(desk: Desk) -> None:
    floats, _, chinese = desk.items()
    out = desk.folder / "out.csv"
    with pytest.raises(NotApproved) as caught:
        desk.call("export", "--to", "csv", "--out", out, "--ship")
    assert (len(caught.value.problems), caught.value.exit_code, out.exists()) == (3, 1, False)
    desk.call("approve", floats.id, chinese.id, "--by", "Ann")
    desk.call(
        "export", "--to", "meta", "--out", out, "--ship", "--state", "approved", "--url", "https://a.example"
    )
    assert "香皂 [会] 浮。" in out.read_text(encoding="utf-8-sig")
    desk.call("export", floats.id[:9], "--to", "csv", "--out", out, "--ship")
    assert out.read_text(encoding="utf-8-sig").count("\n") == 2
    desk.call("export", "--to", "csv", "--out", out)
    assert ",pending," in out.read_text(encoding="utf-8-sig")


def test_rows_and_pairs(desk: Desk) -> None:
    floats, miracle, chinese = desk.items()
    desk.call("approve", floats.id, "--by", "Ann")
    desk.call("reject", miracle.id, "--by", "Ann", "--why", "miracles")
    desk.call("edit", chinese.id, "--text", "浮", "--by", "Ann", "--recipe", desk.recipe)

    def written(command: str) -> list[dict[str, Any]]:
        out = desk.folder / "out.jsonl"
        desk.call(command, "--brand", "tidal", "--line", "soap", "--out", out)
        return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]

    assert [(row["id"], row["text"]) for row in written("rows")] == [
        (floats.id, "It floats."),
        (chinese.id, "浮"),
    ]
    assert {(row["chosen"], row["rejected"]) for row in written("pairs")} == {
        ("It floats.", "A miracle."),
        ("浮", "A miracle."),
        ("浮", "香皂 [会] 浮。"),
    }
