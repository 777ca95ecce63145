"""Streams and futures that components give."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from types import TracebackType
from typing import Any, Generic, TypeVar

from . import _holm

T = TypeVar("T")


class Stream(Generic[T]):
    """What a component gives as a stream: an async iterator of its items, or a plain one.

    The instance is busy until it has ended; :meth:`close` ends it early.
    """

    def __init__(self, reader: _holm.Reader) -> None:
        self._reader = reader
        self._rest: Iterator[T] = iter(())

    def pieces(self) -> Iterator[Sequence[T]]:
        """The items as they come, many at a time: bytes of a stream of bytes, an
        :class:`~holm.Array` of other numbers, else a list.
        """
        while (piece := self._reader.next()) is not None:
            yield piece

    def read(self) -> Sequence[T]:
        """All that is left: bytes of a stream of bytes, else a list."""
        if self._reader.is_bytes:
            rest: Any = bytes(self._rest)  # type: ignore[arg-type]
            return rest + b"".join(self.pieces())  # type: ignore[arg-type,no-any-return]
        return list(self)

    def close(self) -> None:
        """Tells the component that nobody wants what is left."""
        self._rest = iter(())
        self._reader.close()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        while True:
            for item in self._rest:
                return item
            piece = self._reader.next()
            if piece is None:
                raise StopIteration
            self._rest = iter(piece)

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        while True:
            for item in self._rest:
                return item
            piece = await asyncio.to_thread(self._reader.next)
            if piece is None:
                raise StopAsyncIteration
            self._rest = iter(piece)

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Future(Generic[T]):
    """What a component gives as a future: to be awaited, or asked for its result; once."""

    def __init__(self, reader: _holm.Reader) -> None:
        self._reader = reader

    def result(self) -> T:
        """Its value, when it is there."""
        value: T = self._reader.next()
        return value

    def __await__(self) -> Generator[Any, None, T]:
        return asyncio.to_thread(self._reader.next).__await__()
