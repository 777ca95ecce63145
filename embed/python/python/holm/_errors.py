"""What can go wrong, as exceptions; all of them are :class:`Error`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

E = TypeVar("E")


@dataclass(frozen=True)
class Frame:
    """One frame of a guest's backtrace, innermost first."""

    function: str
    module: str | None = None
    #: ``src/lib.rs:12:5``, where the component was built with debug information.
    place: str | None = None
    #: The offset in the binary.
    offset: int | None = None

    def __str__(self) -> str:
        if self.place is not None:
            return f"{self.function} ({self.place})"
        if self.offset is not None:
            where = f"{self.module}+" if self.module else "at "
            return f"{self.function} ({where}{self.offset:#x})"
        return self.function


@dataclass(frozen=True)
class Denial:
    """Something that the guest asked for and was refused."""

    #: What it asked for: ``connect to 10.0.0.1:5432``.
    asked: str
    #: The grant that governs it: ``net``.
    grant: str
    #: What would allow it: ``net = ["10.0.0.1:5432"]``.
    line: str


class Error(Exception):
    """Whatever goes wrong in Holm, or in a component that it runs."""

    #: What is wrong, in one line.
    message: str
    #: What to do about it.
    help: tuple[str, ...]
    #: Where the guest was, innermost frame first.
    backtrace: tuple[Frame, ...]
    #: What the guest asked for and was refused until then.
    denials: tuple[Denial, ...]

    def __init__(
        self,
        message: str,
        *,
        help: tuple[str, ...] = (),
        backtrace: tuple[Frame, ...] = (),
        denials: tuple[Denial, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.backtrace = backtrace
        self.denials = denials

    def __str__(self) -> str:
        lines = [self.message]
        lines += [f"    at {frame}" for frame in self.backtrace]
        for denial in self.denials:
            lines += [f"denied: {denial.asked}", f"  to allow it, add to its grants: {denial.line}"]
        lines += [f"help: {line}" for line in self.help]
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        # Its extras are keywords, which pickle would leave out.
        return (_again, (type(self), self.args, self.__dict__))


def _again(kind: type[Error], args: tuple[Any, ...], extras: dict[str, Any]) -> Error:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(extras)
    return error


class LoadError(Error):
    """The file, its grants or its limits cannot be used as they are."""


class NotCallable(UserWarning):
    """A component has a function that Python cannot call; said when it is loaded."""


class WrongType(Error, TypeError):
    """A value of a type that the function does not take."""


class WrongValue(Error, ValueError):
    """A value of the right type that does not fit: out of range, or not of Unicode."""


class Closed(Error):
    """A resource or an instance that was closed, or that ended with a trap."""


class ReentryError(Error):
    """An instance was called while a call of it was under way that waits for this one."""


class Trap(Error):
    """The guest broke down; :attr:`backtrace` says where."""


class LimitReached(Error):
    """The guest used more than it may."""

    #: The limit as the manifest calls it: ``memory``, ``cpu``, ``timeout``.
    limit: str = ""


class Denied(Error):
    """The guest needs a grant that it does not have."""


class Exited(Error):
    """The guest ended itself, as a program does."""

    #: Its exit code.
    code: int = 0


class InternalError(Error):
    """A bug in Holm; please report it."""


class Err(Error, Generic[E]):
    """The error case of a ``result``: raised by functions, and a value inside of others.

    A function written in Python that a component imports raises it to give the error case back.
    """

    __match_args__ = ("value",)

    #: What the component says is wrong.
    value: E

    def __init__(self, value: E = None) -> None:  # type: ignore[assignment]
        super().__init__("" if value is None else _words(value))
        self.args = () if value is None else (value,)
        self.value = value

    def __repr__(self) -> str:
        return f"Err({self.value!r})" if self.value is not None else "Err()"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Err) and self.value == other.value

    def __hash__(self) -> int:
        return hash((Err, self.value))


def _words(value: object) -> str:
    return value if isinstance(value, str) else repr(value)
