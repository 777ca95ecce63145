"""Calls that take their time: each on a thread of its own while the guest runs."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from . import _holm


class _Here(threading.local):
    #: The loop of whoever awaits the call that this thread runs.
    loop: asyncio.AbstractEventLoop | None = None


_here = _Here()


def awaited(native: _holm.Function, flows: bool) -> Callable[..., Awaitable[Any]]:
    """An async function around a native one. `flows` says that its result has streams in it."""

    async def call(*args: Any, **kwargs: Any) -> Any:
        return await run(native.begin(args, kwargs), flows)

    return call


def opened(native: _holm.Function) -> Callable[..., Any]:
    """A function around a native one whose result has streams in it: they flow on while the thread
    that called it goes its way.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        begun = native.begin(args, kwargs)
        if begun.pumps:
            raise _holm.refusal(f"{native.__name__}: what comes by and by can be sent to async functions alone")
        outcomes: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        _thread(_work, begun, True, None, lambda value, error: outcomes.put((value, error)))
        value, error = outcomes.get()
        if error is not None:
            raise error
        return value

    return call


async def run(call: _holm.Call, flows: bool) -> Any:
    """Runs a call that has begun; cancelling the task stops the guest."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(outcome: Any, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(outcome)
        elif isinstance(error, StopIteration):
            # A future takes anything but this.
            done.set_exception(RuntimeError("a host function raised StopIteration"))
        else:
            done.set_exception(error)

    def deliver(outcome: Any, error: BaseException | None) -> None:
        try:
            loop.call_soon_threadsafe(settle, outcome, error)
        except RuntimeError:
            pass  # The loop is closed: nobody waits any more.

    def failed(sender: _holm.Sender, error: BaseException | None) -> None:
        call.fail(sender, error)
        if error is not None:
            settle(None, error)

    pumps = [loop.create_task(_pump(sender, source, failed)) for sender, source in call.pumps]
    _thread(_work, call, flows, loop, deliver)
    try:
        result = await done
    except BaseException:
        # The task was cancelled, or the call failed: nobody reads what they bring.
        call.cancel()
        for pump in pumps:
            pump.cancel()
        raise
    for pump in pumps:
        _keep(pump)
    return result


def finish(awaitable: Awaitable[Any]) -> Any:
    """Waits for a host function that is a coroutine: on the loop of whoever awaits the call, or on
    one for it alone.
    """

    async def wait() -> Any:
        return await awaitable

    if _here.loop is None:
        return asyncio.run(wait())
    return asyncio.run_coroutine_threadsafe(wait(), _here.loop).result()


def _work(
    call: _holm.Call,
    flows: bool,
    loop: asyncio.AbstractEventLoop | None,
    deliver: Callable[[Any, BaseException | None], None],
) -> None:
    _here.loop = loop
    try:
        if flows:
            call.run_open(deliver)
            return
        outcome = call.run()
    except BaseException as error:  # noqa: BLE001: handed to whoever waits
        deliver(None, error)
    else:
        deliver(outcome, None)


def _thread(work: Callable[..., None], *args: Any) -> None:
    threading.Thread(target=work, args=args, name="holm-call", daemon=True).start()


async def _pump(
    sender: _holm.Sender,
    source: Any,
    failed: Callable[[_holm.Sender, BaseException | None], None],
) -> None:
    """Brings items into a stream, or a value into a future. Where the source raises, the call fails:
    what was sent so far must not look whole.
    """
    at = 0
    try:
        if sender.stream:
            async for item in source:
                if not await asyncio.to_thread(sender.send, item):
                    break
                at += 1
        else:
            value = await source
            await asyncio.to_thread(sender.send, value)
    except asyncio.CancelledError:
        # Nobody waits for the call, or the loop ends: half of a stream is no whole one here either.
        failed(sender, None)
        raise
    except BaseException as error:  # noqa: BLE001: raised by the call
        if sender.stream and hasattr(error, "add_note"):
            error.add_note(f"it is item {at} of a stream that is sent")
        failed(sender, error)
        if not isinstance(error, Exception):
            raise
    else:
        sender.close()


_kept: set[asyncio.Task[None]] = set()


def _keep(task: asyncio.Task[None]) -> None:
    """A loop holds its tasks weakly: what still sends must not be forgotten."""
    if not task.done():
        _kept.add(task)
        task.add_done_callback(_kept.discard)
