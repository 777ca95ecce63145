"""Streams and futures that components give."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from types import TracebackType
from typing import Any, Generic, TypeVar

from . import _holm

T = TypeVar("T")


class _Pieces:
    """Takes pieces, one at a time. Whoever gives up waiting leaves the piece to who reads next."""

    def __init__(self, reader: _holm.Reader) -> None:
        self._reader = reader
        self._fetch: asyncio.Task[Any] | None = None

    @property
    def is_bytes(self) -> bool:
        return self._reader.is_bytes

    @property
    def fetched(self) -> bool:
        """Whether the next piece was fetched and waits."""
        fetch = self._fetch
        return fetch is not None and fetch.done() and not fetch.cancelled()

    async def fetch(self) -> None:
        """Waits until the next piece is fetched. It may be gone again: another task took it."""
        # A loop that has ended cancelled what was under way in it.
        if self._fetch is None or self._fetch.cancelled():
            self._fetch = asyncio.create_task(asyncio.to_thread(self._reader.next))
        # This does not cancel what it waits for.
        await asyncio.wait((self._fetch,))

    def next(self) -> Any:
        """The next piece; nothing at the end."""
        if self._fetch is None or not self.fetched:
            return self._reader.next()
        fetch, self._fetch = self._fetch, None
        return fetch.result()

    def close(self) -> None:
        self._fetch = None
        self._reader.close()


class Stream(Generic[T]):
    """What a component gives as a stream: an async iterator of its items, or a plain one.

    The instance is busy until it has ended; :meth:`close` ends it early.
    """

    def __init__(self, reader: _holm.Reader) -> None:
        self._pieces = _Pieces(reader)
        self._rest: Iterator[T] = iter(())

    def pieces(self) -> Iterator[Sequence[T]]:
        """The items as they come, many at a time: bytes of a stream of bytes, an
        :class:`~holm.Array` of other numbers, else a list.
        """
        while (piece := self._pieces.next()) is not None:
            yield piece

    def read(self) -> Sequence[T]:
        """All that is left: bytes of a stream of bytes, else a list."""
        if self._pieces.is_bytes:
            rest: Any = bytes(self._rest)  # type: ignore[arg-type]
            return rest + b"".join(self.pieces())  # type: ignore[arg-type,no-any-return]
        items = list(self._rest)
        for piece in self.pieces():
            items.extend(piece)
        return items

    def close(self) -> None:
        """Tells the component that nobody wants what is left."""
        self._rest = iter(())
        self._pieces.close()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        while True:
            for item in self._rest:
                return item
            piece = self._pieces.next()
            if piece is None:
                raise StopIteration
            self._rest = iter(piece)

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        while True:
            for item in self._rest:
                return item
            if not self._pieces.fetched:
                await self._pieces.fetch()
                continue
            piece = self._pieces.next()
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
        self._pieces = _Pieces(reader)

    def result(self) -> T:
        """Its value, when it is there."""
        value: T = self._pieces.next()
        return value

    def __await__(self) -> Generator[Any, None, T]:
        return self._value().__await__()

    async def _value(self) -> T:
        while not self._pieces.fetched:
            await self._pieces.fetch()
        return self.result()
