"""Values that Python has no type of its own for."""

from __future__ import annotations

import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

T = TypeVar("T")
N = TypeVar("N", int, float)

if TYPE_CHECKING:
    _Array = array.array
else:

    class _Array(array.array):
        __slots__ = ()

        # Python's own can be asked for its type's argument from 3.12 on.
        def __class_getitem__(cls, item):
            return cls


@dataclass(frozen=True)
class Ok(Generic[T]):
    """The good case of a ``result`` inside of another value."""

    value: T = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Some(Generic[T]):
    """A value that is there, where the value itself may be ``None``: in ``option<option<u8>>``."""

    value: T


class Array(_Array[N]):
    """A list of numbers as components give it: an :class:`array.array`, equal to a list of the same.

    It is a buffer: ``numpy.asarray(it)`` copies nothing.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (list, tuple)):
            return self.tolist() == list(other)
        return super().__eq__(other)

    __hash__ = None

    def __repr__(self) -> str:
        return f"Array({self.typecode!r}, {self.tolist()!r})"
