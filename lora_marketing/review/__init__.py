"""What people approved, edited or rejected, with a chained log."""

from lora_marketing.review.log import Item, LogEntry, ReviewState
from lora_marketing.review.queue import Decision, Queue
from lora_marketing.review.rows import ReviewedPair, approved_rows, pairs

__all__ = [
    "Decision",
    "Item",
    "LogEntry",
    "Queue",
    "ReviewState",
    "ReviewedPair",
    "approved_rows",
    "pairs",
]
