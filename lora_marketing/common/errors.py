"""The one family of errors a user sees: what, where, got, allowed, what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


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
        return "\n".join([head, *(f"    {name}: {text}" for name, text in details if text)])


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


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Say which allowed name is nearest to `name`, or list the allowed names.

    >>> nearest("rnak", ["rank", "alpha"])
    'did you mean "rank"?'
    """
    names = sorted(allowed)
    if not names:
        return "none"
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else "one of " + ", ".join(names)
