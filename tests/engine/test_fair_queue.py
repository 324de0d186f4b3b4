"""Turns: whoever asks for much waits for itself, and nobody saves up turns or pays for time alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lora_marketing.engine.fair_queue import (
    FEW_PROMPT_TOKENS,
    PRESENT,
    SHARED_PROMPT_TOKENS,
    SLICE,
    FairQueue,
)


def begin_next(queue: FairQueue[str]) -> str:
    client = queue.next_client()
    assert client is not None
    queue.pop(client)
    queue.begin(client)
    return client


def test_rows_of_clients_take_turns_however_many_one_sends() -> None:
    queue = FairQueue[str]()
    for number in range(50):
        queue.add("hog", f"row {number}")
    queue.add("one", "row")
    queue.add("two", "row")
    assert {begin_next(queue) for _ in range(3)} == {"hog", "one", "two"}
    assert (len(queue), queue.clients) == (49, 3)


def test_tokens_count_and_not_rows() -> None:
    queue = FairQueue[str]()
    for _ in range(40):
        queue.add("long", "row")
        queue.add("short", "row")
    begun = []
    for _ in range(33):
        begun.append(begin_next(queue))
        queue.charge(begun[-1], 100 if begun[-1] == "long" else 10)
    assert begun.count("short") >= 7 * begun.count("long")


def test_a_client_that_was_alone_pays_nothing_and_one_that_was_away_saved_nothing() -> None:
    queue = FairQueue[str]()
    queue.add("early", "row")
    begin_next(queue)
    queue.charge("early", 10_000)
    for client in ("late", "early"):
        for _ in range(10):
            queue.add(client, "row")
    begun = [begin_next(queue) for _ in range(10)]
    assert begun.count("late") == 5


def test_a_row_makes_room_only_if_shares_become_more_equal() -> None:
    queue = FairQueue[str]()
    for client in ("hog", "hog", "hog", "small"):
        queue.add(client, "row")
    for _ in range(4):
        begin_next(queue)
    queue.add("new", "row")
    assert queue.who_makes_room("new") == "hog"
    assert queue.who_makes_room("small") == "hog"
    queue.end("hog")
    assert queue.who_makes_room("small") is None, "two rows and one: a third of them would only change places"
    assert queue.who_makes_room("new") == "hog"
    queue.end("hog")
    assert queue.who_makes_room("new") is None
    assert queue.who_makes_room("new", greedy=["hog"]) == "hog"
    assert queue.who_makes_room("new", greedy=["hog"], fresh=["hog"]) is None
    assert queue.who_makes_room("new", greedy=["hog"], in_time_only=True) is None
    queue.charge("small", SLICE + 10)
    assert queue.who_makes_room("new") == "small", "more clients than rows: they take turns in time"


class Batch:
    """Rows as the engine keeps them, without tokens: (client, steps left)."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.queue = FairQueue[tuple[str, int]]()
        self.running: list[tuple[str, int]] = []

    def step(self) -> None:
        while (client := self.queue.next_client()) is not None and self.find_room(client):
            self.running.append(self.queue.pop(client))
            self.queue.begin(client)
        for client, left in self.running:
            self.queue.charge(client, 1)
            if left <= 1:
                self.queue.end(client)
        self.running = [(client, left - 1) for client, left in self.running if left > 1]

    def find_room(self, client: str) -> bool:
        if len(self.running) < self.room:
            return True
        other = self.queue.who_makes_room(client)
        if other is None:
            return False
        at = max(at for at, (owner, _) in enumerate(self.running) if owner == other)
        self.queue.put_first(other, self.running.pop(at))
        self.queue.end(other)
        return True


def test_a_client_that_was_here_a_moment_ago_counts() -> None:
    queue = FairQueue[str]()
    assert queue.present == 1
    for client in ("hog", "hog", "hog", "one"):
        queue.add(client, "row")
    for _ in range(3):
        begin_next(queue)
    assert (queue.present, queue.has_more(), queue.has_more(2)) == (2, None, "hog")
    assert (queue.next_client(), queue.next_client(2)) == ("hog", None), "the other asks for one row only"
    queue.add("one", "another")
    assert (queue.has_more(2), queue.has_more(1)) == (None, "hog")
    assert queue.next_client(2) == begin_next(queue) == "one"
    assert queue.next_client(2) is None, "each has its two"
    queue.add("one", "a third")
    assert queue.next_client(3) == "hog"
    queue.remove("one", "a third")
    for _ in range(2):
        queue.end("one")
    assert queue.present == 2
    assert queue.next_client(3) is None, "one is likely to come back with a row"
    for _ in range(PRESENT + 1):
        queue.tick()
    assert queue.present == 1


def test_prompts_of_who_was_served_more_come_in_small_pieces() -> None:
    queue = FairQueue[str]()
    queue.add("hog", "row")
    assert queue.prompt_tokens("hog", 2048) == 2048
    queue.add("one", "row")
    assert queue.prompt_tokens("hog", 2048) == SHARED_PROMPT_TOKENS
    queue.charge("hog", 2 * SLICE)
    assert queue.prompt_tokens("hog", 2048) == FEW_PROMPT_TOKENS
    assert queue.prompt_tokens("one", 2048) == SHARED_PROMPT_TOKENS


@settings(deadline=None, derandomize=True, max_examples=25)
@given(data=st.data())
def test_no_client_waits_for_more_than_its_share(data: st.DataObject) -> None:
    """A batch of some rows; clients that send any number of rows of any length, at any time. While a row
    of one waits, no other is served more than it, but for what one turn may cost."""
    batch = Batch(data.draw(st.integers(1, 6)))
    queue = batch.queue
    since: dict[str, dict[str, float]] = {}
    for _ in range(80):
        for client in data.draw(st.lists(st.sampled_from("abcd"), max_size=2)):
            length = data.draw(st.sampled_from([1, 3, 40, 400]))
            for _ in range(data.draw(st.sampled_from([1, 9]))):
                queue.add(client, (client, length))
        batch.step()
        waiting = {client for client, _ in queue}
        since = {
            client: since.get(client, {other: queue.served(other) for other in "abcd" if other in waiting})
            for client in waiting
        }
        for client, before in since.items():
            own = queue.served(client) - before[client]
            for other in before.keys() & waiting:
                more = queue.served(other) - before[other] - own
                assert more <= SLICE + 2 * batch.room
                # with a row for everybody nobody waits for long
                assert batch.room < 4 or own or more <= 2 * batch.room
