"""How a brief becomes chat messages, one file a task.

Training and generation share it.
"""

from __future__ import annotations

from functools import cache
from typing import Protocol, TypedDict, cast

from lora_marketing.brands.brand import Brand, Brief
from lora_marketing.common.plugins import module, names

USUAL: str = Brief.model_fields["task"].default
"""The task of a brief that names none."""


class Message(TypedDict):
    """One chat turn, as chat templates expect it."""

    role: str
    content: str


class Task(Protocol):
    """What a task file offers."""

    def messages(self, brief: Brief, brand: Brand) -> list[Message]:
        """The chat up to the point where the answer begins."""

    def system_turn(self, brand: Brand) -> Message:
        """The first turn of every such chat, which is the same for all briefs of a brand."""


@cache
def task_names() -> tuple[str, ...]:
    """The names of all tasks."""
    return names(__name__, ".py")


def load_task(name: str) -> Task:
    """Import one task.

    Raises:
        UnknownName: no such task.
    """
    return cast(Task, module(__name__, name))


def messages(brief: Brief, brand: Brand) -> list[Message]:
    """The chat for `brief`. The only prompt builder: training rows and generation both use it."""
    return load_task(brief.task).messages(brief, brand)


def system_turn(brand: Brand, task: str = USUAL) -> Message:
    """The first turn of a task's chats; that of ad copy also stands before a chat that has no brief."""
    return load_task(task).system_turn(brand)
