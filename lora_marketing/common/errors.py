"""The one family of errors that a user sees: what, where, got, allowed, what to do next.

LoraMarketingError         any error raised on purpose; exit code 2
├─ DocumentError           a YAML file cannot be read
├─ RecipeError             a recipe, profile or brief breaks its schema
├─ DataError               rows cannot be used
├─ OutputError             a file or folder cannot be written
├─ UnknownName             no such channel, guard, metric, task or export
├─ UnknownDevice           no such GPU, or no such amount of memory
├─ BaseModelError          a base cannot be found, verified or loaded
├─ RenderContractError     training tokens would not extend generation's
├─ TrainingError           training cannot start or go on
├─ RegistryError           a name, alias or version is wrong
│  └─ AdapterRefused       the load gate refuses an adapter
│     └─ AdapterTooLarge   there is no memory for an adapter now
├─ GateFailed              a version does not pass an alias's gate; exit code 1
├─ ReviewError             the queue cannot be read or changed as asked
│  ├─ NotApproved          a text may not be published; exit code 1
│  └─ LogBroken            the queue was changed by other means; exit code 1
├─ KeysError               the file of keys cannot be read or changed
├─ AddressTaken            the server cannot listen there
├─ EngineStopped           the engine ended before a row was written; exit code 1
└─ RowFailed               one row could not be written; exit code 1
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from heapq import nsmallest

MOST_SHOWN = 20
"""Problems of one outside file that are told; of the others only how many there are."""
MOST_LISTED = 60
"""Allowed names that are listed."""
MOST_COMPARED = 300
LONGEST_COMPARED = 64
"""Names and letters that `nearest` compares: comparing takes the square of a name's length."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, told so that it can be put right without reading the source.

    `where` is a `file:line`, `got` what was found, `allowed` what would have been accepted
    (or the nearest name), `fix` the next thing to do.
    """

    what: str
    where: str | None = None
    got: str | None = None
    allowed: str | None = None
    fix: str | None = None

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        details = (("got", self.got), ("allowed", self.allowed), ("fix", self.fix))
        told = (text.replace("\n", "\n        ") for text in (head, *(f"{k}: {t}" for k, t in details if t)))
        return "\n    ".join(told)


class LoraMarketingError(Exception):
    """Base of every error raised on purpose. Carries all problems at once.

    `exit_code` is 2 for a user's mistake and 1 for a failed gate.
    """

    exit_code = 2

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DocumentError(LoraMarketingError):
    """A YAML file cannot be read: missing, not UTF-8, broken syntax, duplicate keys."""


class RecipeError(LoraMarketingError):
    """A recipe, brand profile or brief does not follow its schema."""


class DataError(LoraMarketingError):
    """Training or evaluation rows cannot be used as they are."""


class OutputError(LoraMarketingError):
    """A file or folder that a command was to write cannot be written."""


class BaseModelError(LoraMarketingError):
    """A base cannot be found, verified or loaded."""


class RenderContractError(LoraMarketingError):
    """Training tokens do not extend the tokens that generation will start from."""


class TrainingError(LoraMarketingError):
    """Training cannot start or cannot go on."""


class RegistryError(LoraMarketingError):
    """A name, alias or version of the registry is wrong, or a version cannot be published."""


class AdapterRefused(RegistryError):
    """The load gate found something in an adapter that must not reach the base."""


class AdapterTooLarge(AdapterRefused):
    """There was no memory for an adapter. There may be some the next time."""


class UnknownName(LoraMarketingError):
    """No plugin of this name: channel, guard, metric, task or export."""


class UnknownDevice(LoraMarketingError):
    """A GPU that is not in the table, or a memory size that cannot be read."""


class GateFailed(LoraMarketingError):
    """A version does not pass the gate of an alias."""

    exit_code = 1


class ReviewError(LoraMarketingError):
    """The queue cannot be read or changed as asked."""


class NotApproved(ReviewError):
    """A text may not be published."""

    exit_code = 1


class LogBroken(ReviewError):
    """The queue was changed by other means than deciding."""

    exit_code = 1


class KeysError(LoraMarketingError):
    """The file of keys cannot be read or changed, or has no such key."""


class AddressTaken(LoraMarketingError):
    """The server cannot listen where it was told to."""


class EngineStopped(LoraMarketingError):
    """The engine ended, by a fault or because the server stops, before a row was written."""

    exit_code = 1


class RowFailed(LoraMarketingError):
    """One row could not be written; others go on. What failed is its cause."""

    exit_code = 1


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Say which allowed name is nearest to `name`, or list the allowed names.

    >>> nearest("rnak", ["rank", "alpha"])
    'did you mean "rank"?'
    """
    names = sorted(allowed)
    if not names:
        return "none"
    near, name = names, name[:LONGEST_COMPARED]
    if len(names) > MOST_COMPARED:
        near = nsmallest(MOST_COMPARED, names, key=lambda other: _distance(name, other))
    comparable = [other for other in near if len(other) <= LONGEST_COMPARED]
    close = get_close_matches(name, comparable, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    listed = ", ".join(_short(other) for other in names[:MOST_LISTED])
    return f"one of {listed}" + (f" and {len(names) - MOST_LISTED:,} more" if names[MOST_LISTED:] else "")


def _distance(name: str, other: str) -> tuple[bool, int]:
    """A first, cheap idea of how near two names are."""
    return other[:1] != name[:1], abs(len(other) - len(name))


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_COMPARED else f"{name[:LONGEST_COMPARED]}…"


def capped(problems: Iterable[Problem], most: int = MOST_SHOWN) -> list[Problem]:
    """The first problems, and how many more there are: a hostile file has as many as it likes.

    >>> [str(one) for one in capped([Problem("a"), Problem("b"), Problem("c")], most=1)]
    ['a', 'and 2 more problems']
    """
    shown: list[Problem] = []
    more = 0
    for problem in problems:
        if len(shown) < most:
            shown.append(problem)
        else:
            more += 1
    return [*shown, Problem(f"and {more:,} more problems")] if more else shown
