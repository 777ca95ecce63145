"""Calls that take their time: each on a thread of its own while the guest runs."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from . import _holm, _threads
from ._errors import Err


class _Here(threading.local):
    #: The loop of whoever awaits the call that this thread runs.
    loop: asyncio.AbstractEventLoop | None = None
    #: How many loops of our own wait for this thread, which runs the last of them.
    depth: int = 0


_here = _Here()
#: The calls that wait for whatever runs here: by the answer of a function of Python's, or for as long as they read what
#: it sends. Tasks that are made here have it too, and functions that they call on other threads.
_waiting: contextvars.ContextVar[tuple[weakref.ref[_holm.Answer | _holm.Course], ...]] = contextvars.ContextVar("holm", default=())
waits = _waiting.get


def _awaited(by: _holm.Answer | _holm.Course) -> None:
    _waiting.set((*(one for one in waits() if one() is not None), weakref.ref(by)))
#: Loops for host functions whose component was called by nobody that has one; each for those that are
#: called from the one before.
_loops: list[asyncio.AbstractEventLoop] = []
_making = threading.Lock()


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
    # Nobody, when it was taken: the thread of the call holds these functions for as long as its streams
    # flow, and must not hold the streams.
    waiting = [done]

    def settle(outcome: Any, error: BaseException | None) -> None:
        if not waiting or waiting[0].done():
            return
        (done,) = waiting
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

    pumps = [loop.create_task(_pump(sender, source, failed, call.course)) for sender, source in call.pumps]
    _thread(_work, call, flows, loop, deliver)
    try:
        result = await done
    except BaseException as error:
        # The error case of a result is one, and its streams flow on.
        if not (flows and isinstance(error, Err)):
            # The task was cancelled, or the call failed: nobody reads what they bring.
            call.cancel()
            for pump in pumps:
                pump.cancel()
        raise
    finally:
        waiting.clear()
        for pump in pumps:
            _keep(pump)
    return result


def answering(coroutine: Coroutine[Any, Any, Any], answer: _holm.Answer) -> Callable[[], Any]:
    """Runs a host function that is a coroutine while its component goes on: on the loop of whoever
    awaits the call, or on one of our own. What this gives stops it.
    """

    async def work() -> None:
        _awaited(answer)
        try:
            value = await coroutine
        except BaseException as error:  # noqa: BLE001: raised by the call
            answer.fail(error)
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            _send(answer.give(value), answer)

    return asyncio.run_coroutine_threadsafe(work(), _loop()).cancel


def sending(pumps: list[tuple[_holm.Sender, Any]], answer: _holm.Answer) -> None:
    """Sends what a host function has answered and what comes by and by."""
    _loop().call_soon_threadsafe(_send, pumps, answer)


def _send(pumps: list[tuple[_holm.Sender, Any]], answer: _holm.Answer) -> None:
    for sender, source in pumps:
        _keep(asyncio.get_running_loop().create_task(_pump(sender, source, answer.broken, answer.course)))


def _loop() -> asyncio.AbstractEventLoop:
    if _here.loop is not None and not _here.loop.is_closed():
        return _here.loop
    depth = _here.depth
    with _making:
        if depth == len(_loops):
            loop = asyncio.new_event_loop()
            threading.Thread(target=_run, args=(loop, depth + 1), name="holm-loop", daemon=True).start()
            _loops.append(loop)
        return _loops[depth]


def _run(loop: asyncio.AbstractEventLoop, depth: int) -> None:
    _here.depth = depth
    loop.run_forever()


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
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(work, *args), name="holm-call", daemon=True).start()


async def _pump(
    sender: _holm.Sender,
    source: Any,
    failed: Callable[[_holm.Sender, BaseException | None], None],
    course: _holm.Course,
) -> None:
    """Brings items into a stream, or a value into a future. Where the source raises, the call fails:
    what was sent so far must not look whole.
    """
    _awaited(course)
    at = 0
    try:
        if sender.stream:
            async for item in source:
                if not await _threads.call(sender.send, item):
                    break
                at += 1
            if hasattr(source, "aclose"):
                await source.aclose()
        else:
            value = await source
            await _threads.call(sender.send, value)
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


#: What still sends.
_kept: set[asyncio.Task[None]] = set()


def _keep(task: asyncio.Task[None]) -> None:
    """A loop holds its tasks weakly: what still sends must not be forgotten."""
    if not task.done():
        _kept.add(task)
        task.add_done_callback(_kept.discard)
