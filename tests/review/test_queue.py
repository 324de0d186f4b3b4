"""Who decides what, once, and a log that shows every change."""

from __future__ import annotations

import json
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_marketing.common.errors import LogBroken, LoraMarketingError, NotApproved, ReviewError
from lora_marketing.review import Decision, Queue
from lora_marketing.review.database import MIGRATIONS
from tests.making import property_test
from tests.review.making import BLOCK, copy, decide, put_up


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "review.db"


def told(db: Path, head: str | None = None) -> list[str]:
    with Queue(db) as queue:
        return [f"{problem.where}: {problem.what}" for problem in queue.verify(head)]


def tampered(db: Path, *statements: str) -> None:
    """Change the file as somebody does who takes the triggers away first."""
    base = sqlite3.connect(db)
    names = base.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for (name,) in names:
        base.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        assert base.execute(statement).rowcount > 0
    base.commit()
    base.close()


def test_the_same_text_is_put_up_once_whoever_wrote_it(db: Path) -> None:
    (first,) = put_up(db, copy(), copy(seed=14, variant=3))
    assert put_up(db, copy(tokens=9)) == []
    assert len({first.id, *(item.id for item in put_up(db, copy("它会浮。"), copy(line="candle")))}) == 3
    value = {"brand": "tidal", "line": "soap", "text": "It floats.", "brief": copy().brief.model_dump()}
    told = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert first.id == sha256(told.encode()).hexdigest()


def test_a_decision_is_kept_with_who_when_and_why(db: Path) -> None:
    (item,) = put_up(db, copy("香皂会浮。"))
    after = decide(db, item, "edited", text="香皂浮在水上。", why="更清楚")
    assert (after.state, after.text, after.by, after.why) == ("edited", "香皂浮在水上。", "Ann", "更清楚")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", after.time)
    assert after.written == copy("香皂会浮。")
    with Queue(db) as queue:
        assert queue.find(item.id[:6]) == after
        assert [entry.state for entry in queue.log()] == ["pending", "edited"]
        assert [len(queue.items((state,))) for state in ("pending", "edited")] == [0, 1]


def test_the_second_to_decide_is_told_who_decided_what(db: Path) -> None:
    (item,) = put_up(db, copy())
    with Queue(db) as ann, Queue(db) as bob:
        seen = bob.find(item.id)
        ann.decide(ann.find(item.id), Decision("rejected", "Ann", "dull"))
        for again in (False, True):
            with pytest.raises(ReviewError, match=r"rejected by Ann at .*: dull"):
                bob.decide(seen, Decision("approved", "Bob"), again=again)
        with pytest.raises(ReviewError, match="rejected by Ann"):
            bob.decide(bob.find(item.id), Decision("approved", "Bob"))
        assert bob.decide(bob.find(item.id), Decision("approved", "Bob"), again=True).state == "approved"
        assert [entry.by for entry in ann.log()] == ["generate", "Ann", "Bob"]
    assert told(db) == []


def test_of_many_at_once_one_decides(db: Path) -> None:
    (item,) = put_up(db, copy())

    def one(number: int) -> str:
        with Queue(db) as queue:
            try:
                return queue.decide(item, Decision("approved", f"person {number}")).by
            except ReviewError as error:
                return str(error)

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(one, range(16)))
    (winner,) = [text for text in said if text.startswith("person")]
    assert sum(f"approved by {winner} at" in text for text in said) == 15
    assert told(db) == []


def test_many_may_open_a_new_queue_at_once(db: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(lambda number: put_up(db, copy(f"Text {number % 4}")), range(8)))
    assert sum(map(len, new)) == 4
    assert told(db) == []


@pytest.mark.parametrize(
    ("decision", "what"),
    [
        (Decision("rejected", "Ann", " "), "no reason"),
        (Decision("approved", " "), "nobody decides"),
        (Decision("edited", "Ann", text=" ", findings=()), "no text"),
        (Decision("edited", "Ann", text="A raft."), "no text"),
        (Decision("edited", "Ann", text="It floats.", findings=()), "is the same"),
    ],
)
def test_what_is_missing_in_a_decision(db: Path, decision: Decision, what: str) -> None:
    (item,) = put_up(db, copy())
    with Queue(db) as queue:
        with pytest.raises(ReviewError, match=what):
            queue.decide(item, decision)
        assert queue.items() == [item]


def test_a_blocked_text_needs_an_override_which_is_recorded(db: Path) -> None:
    (bad,) = put_up(db, copy("A miracle."), findings=(BLOCK,))
    (good,) = put_up(db, copy())
    assert (bad.verdict, good.verdict) == ("block", "pass")
    edit = Decision("edited", "Ann", text="Miracle!", findings=(BLOCK,))
    with Queue(db) as queue:
        for item, decision in ((bad, Decision("approved", "Ann")), (good, edit)):
            with pytest.raises(NotApproved, match="banned term") as caught:
                queue.decide(item, decision)
            assert caught.value.exit_code == 1
        after = queue.decide(bad, Decision("approved", "Ann", override="a quotation"))
        assert (after.override, queue.log()[-1].override) == ("a quotation", "a quotation")
        queue.decide(good, Decision("rejected", "Ann", "dull"))


def test_an_edit_makes_a_blocked_text_good_and_back(db: Path) -> None:
    (item,) = put_up(db, copy("A miracle."), findings=(BLOCK,))
    assert decide(db, item, "edited", text="A bar.").verdict == "pass"
    with pytest.raises(NotApproved):
        decide(db, item, "approved")
    back = decide(db, item, "rejected")
    assert (back.text, back.verdict) == ("A miracle.", "block")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log SET entry = '{}' WHERE number = 1",
        "DELETE FROM log WHERE number = 2",
        "INSERT OR REPLACE INTO log VALUES (1, '{}', '')",
        "INSERT INTO log VALUES (9, '{}', '')",
        "DELETE FROM items",
    ],
)
def test_the_log_is_only_added_to(db: Path, statement: str) -> None:
    (item,) = put_up(db, copy())
    decide(db, item, "approved")
    base = sqlite3.connect(db)
    with pytest.raises(sqlite3.IntegrityError, match=r"only added to|stay"):
        base.execute(statement)
    base.close()
    assert told(db) == []


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (
            "UPDATE log SET entry = replace(entry, 'Ann', 'Bob') WHERE number = 3",
            "log entry 3: the entry was",
        ),
        ("DELETE FROM log WHERE number = 2", "log entry 3: entries are missing"),
        ("UPDATE log SET sha256 = 'x' WHERE number = 1", "log entry 1: the entry was changed"),
        ("UPDATE log SET entry = '{}' WHERE number = 2", "log entry 2: not an entry"),
        ("UPDATE items SET state = 'approved' WHERE state = 'rejected'", "the text is not as the log says"),
        ("UPDATE items SET item = replace(item, 'floats', 'sinks')", "the text is not as the log says"),
        ("DELETE FROM items WHERE state = 'pending'", "the text is not as the log says"),
    ],
)
def test_every_change_of_the_file_is_told(db: Path, statement: str, what: str) -> None:
    first, _ = put_up(db, copy(), copy("它会浮。"))
    decide(db, first, "rejected")
    assert told(db) == []
    tampered(db, statement)
    assert any(what in line for line in told(db))


def test_a_damaged_queue_is_told_without_a_traceback(db: Path) -> None:
    put_up(db, copy())
    tampered(db, "UPDATE log SET entry = '{'", "UPDATE items SET item = '[]'")
    with Queue(db) as queue:
        for read in (queue.items, queue.log, lambda: put_up(db, copy())):
            with pytest.raises(LogBroken):
                read()


def test_a_log_written_anew_is_told_by_a_kept_hash(db: Path) -> None:
    (item,) = put_up(db, copy())
    with Queue(db) as queue:
        early = queue.head()
    decide(db, item, "rejected")
    with Queue(db) as queue:
        late = queue.head()
    assert told(db, early) == told(db, late) == []
    db.unlink()
    put_up(db, copy())
    decide(db, item, "approved")
    assert told(db) == []
    assert "the kept hash is gone" in told(db, late)[0]


def test_a_rehashed_forgery_breaks_the_next_link(db: Path) -> None:
    (item,) = put_up(db, copy())
    decide(db, item, "rejected")
    base = sqlite3.connect(db)
    (entry,) = base.execute("SELECT entry FROM log WHERE number = 1").fetchone()
    base.close()
    forged = entry.replace("floats", "sinks")
    hashed = sha256(forged.encode()).hexdigest()
    tampered(db, f"UPDATE log SET entry = '{forged}', sha256 = '{hashed}' WHERE number = 1")
    assert any("log entry 2: the chain is broken" in line for line in told(db))


def test_files_that_are_no_queue(tmp_path: Path, db: Path) -> None:
    def refused(path: Path, what: str, create: bool = False) -> None:
        before = path.read_bytes() if path.exists() else None
        with pytest.raises(ReviewError, match=what):
            Queue(path, create=create)
        assert (path.read_bytes() if path.exists() else None) == before

    refused(db, "there is no review queue")
    (tmp_path / "text").write_text(
        "not a database, but long enough to have a header of one hundred bytes" * 9
    )
    refused(tmp_path / "text", "not a database", create=True)
    base = sqlite3.connect(tmp_path / "other")
    base.execute("CREATE TABLE a (b)")
    base.close()
    refused(tmp_path / "other", "not a review queue", create=True)
    refused(tmp_path / "gone" / "review.db", "unable to open", create=True)
    put_up(db, copy())
    base = sqlite3.connect(db)
    base.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    base.close()
    refused(db, "newer")


def test_ids(db: Path) -> None:
    items = put_up(db, *(copy(f"Text {number}") for number in range(40)))
    with Queue(db) as queue:
        assert queue.find(items[0].id) == items[0]
        for prefix, what in (("", "no text"), ("x", "no text"), ("%", "no text")):
            with pytest.raises(ReviewError, match=what):
                queue.find(prefix)
        common = next(item.id[0] for item in items if sum(i.id[0] == item.id[0] for i in items) > 1)
        with pytest.raises(ReviewError, match="more than one"):
            queue.find(common)


steps = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["approved", "edited", "rejected"]),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=9),
        st.booleans(),
    ),
    max_size=8,
)


@pytest.mark.thorough
@property_test
@given(steps)
def test_whatever_people_do_the_log_yields_the_texts(
    tmp_path_factory: pytest.TempPathFactory, done: list[Any]
) -> None:
    db = tmp_path_factory.mktemp("queue") / "review.db"
    items = put_up(db, copy(), copy("它会浮。"), copy("A raft."))
    taken = 0
    with Queue(db) as queue:
        for place, state, text, again in done:
            edit: dict[str, Any] = {"text": text, "findings": ()} if state == "edited" else {}
            try:
                queue.decide(queue.find(items[place].id), Decision(state, "Ann", text, **edit), again=again)
                taken += 1
            except LoraMarketingError:
                continue
        assert len(queue.log()) == 3 + taken
        assert queue.verify() == []
