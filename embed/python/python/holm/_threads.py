"""Threads that wait for what awaits: as many as there are waits.

asyncio's own pool has a few. Streams that wait for room in all of them would keep away whoever reads those
streams, and both would wait for ever.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

#: So long a thread waits for more to do, in seconds.
_IDLE = 5.0

_lock = threading.Lock()
_jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
#: Threads that wait for a job, without those that one is on its way to.
_waiting = 0


def begin(function: Callable[..., T], *args: Any) -> Future[T]:
    """Calls a function on a thread of its own."""
    global _waiting
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def job() -> None:
        try:
            value = function(*args)
        except BaseException as error:  # noqa: BLE001: raised where it is waited for
            future.set_exception(error)
        else:
            future.set_result(value)

    with _lock:
        fresh = _waiting == 0
        _waiting -= not fresh
    if fresh:
        threading.Thread(target=_work, name="holm-wait", daemon=True).start()
    # Not to the thread itself, which would hold its first job for good.
    _jobs.put(job)
    return future


async def wait(future: Future[Any]) -> None:
    """Waits until it is done. Who gives up waiting leaves it as it is."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not done.done():
            done.set_result(None)

    def tell(_: Future[Any]) -> None:
        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:
            pass  # The loop is closed: nobody waits any more.

    future.add_done_callback(tell)
    await done


async def call(function: Callable[..., T], *args: Any) -> T:
    """Calls a function on a thread of its own, and waits for it."""
    future = begin(function, *args)
    await wait(future)
    return future.result()


def _work() -> None:
    global _waiting
    while True:
        try:
            _jobs.get(timeout=_IDLE)()
        except queue.Empty:
            with _lock:
                # Else there is a job on its way to this thread.
                if _waiting > 0:
                    _waiting -= 1
                    return
        else:
            with _lock:
                _waiting += 1
