"""Resources: objects that live inside of an instance."""

from __future__ import annotations

from types import TracebackType
from typing import Any, TypeVar

from ._holm import Handle

R = TypeVar("R", bound="Resource")


class Resource:
    """An object inside of a component's instance; each resource type is a subclass of this.

    It is dropped by :meth:`close`, at the end of a ``with`` block, or when Python forgets it.
    """

    __slots__ = ("_handle", "__weakref__")

    _handle: Handle

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError(f"a component makes {type(self).__name__}; it has no constructor")

    @classmethod
    def _of(cls: type[R], handle: Handle) -> R:
        self = object.__new__(cls)
        self._handle = handle
        return self

    def close(self) -> None:
        """Drops it inside of the instance. Closing twice does nothing."""
        self._handle.close()

    @property
    def closed(self) -> bool:
        """Whether it was closed, or given away to a function that keeps it."""
        return self._handle.closed

    def __enter__(self: R) -> R:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = " (closed)" if self.closed else ""
        return f"<{type(self).__module__}.{type(self).__qualname__}{state}>"
