"""The review queue: which texts people approved, edited or rejected, and a log that shows a change."""

from lora_marketing.review.log import Entry, Item, State
from lora_marketing.review.queue import Decision, LogBroken, NotApproved, Queue, ReviewError
from lora_marketing.review.rows import Pair, approved_rows, pairs

__all__ = [
    "Decision",
    "Entry",
    "Item",
    "LogBroken",
    "NotApproved",
    "Pair",
    "Queue",
    "ReviewError",
    "State",
    "approved_rows",
    "pairs",
]
