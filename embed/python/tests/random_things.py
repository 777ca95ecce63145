"""Resources at random: what is done with them, and beside it a list of which live where."""

from __future__ import annotations

import gc
from typing import Any

import holm


def play(case: Any, lib: Any, refused: tuple[type[Exception], ...]) -> None:
    """Makes them, uses them, gives them away and closes them; each must be where and what it should be."""
    rnd, types, beside = case.random, case.types, case.component.beside
    homes = [lib.instance() for _ in range(2)]
    #: Of each instance: its objects, with their numbers.
    living: list[list[tuple[Any, int]]] = [[] for _ in homes]
    dead: list[Any] = []

    def data() -> Any:
        return types.given(beside, types.value(beside))

    def thing(at: int, number: int) -> Any:
        return homes[at].api.Thing(number, data())

    def new(at: int) -> None:
        number = rnd.getrandbits(32)
        living[at].append((thing(at, number), number))

    def some(at: int) -> tuple[Any, int]:
        if not living[at]:
            new(at)
        return rnd.choice(living[at])

    def take(at: int) -> tuple[Any, int]:
        some(at)
        return living[at].pop(rnd.randrange(len(living[at])))

    def renew(at: int) -> None:
        """The instance is gone: whatever lived in it is closed."""
        for one, _ in living[at]:
            assert one.closed
        dead.extend(one for one, _ in living[at])
        homes[at], living[at] = lib.instance(), []

    def echo(at: int, function: Any) -> None:
        made: list[Any] = []

        def make(number: int) -> Any:
            made.append(thing(at, number))
            return made[-1]

        types.home, types.make = homes[at].api, make
        sent = case.values()
        for number, one in case.is_(sent, case.call(function, *case.given(sent))):
            assert one.id() == number
            living[at].append((one, number))
        assert all(one.closed for one in made)
        dead.extend(made)

    def method(at: int) -> None:
        one, _ = some(at)
        # All parameters as one.
        echo(at, lambda *given: one.echo(given[0] if len(given) == 1 else given))

    def wrong(at: int) -> None:
        """Errors that change nothing."""
        one, number = some(at)
        other, _ = some(1 - at)
        api = homes[at].api
        twice = [lambda: api.finish(other), lambda: type(one).sum(one, other, data()), lambda: type(one).sum(other, one, data())]
        twice += [lambda: api.finish(object.__new__(type(one))), lambda: api.finish(None), lambda: one.id(1)]
        if dead:
            gone = rnd.choice(dead)
            twice += [gone.id, lambda: api.finish(gone), lambda: one.sum(one, gone, data()), lambda: holm.Resource.__init__(gone)]
        for bad in twice:
            try:
                bad()
            except refused:
                continue
            raise AssertionError("it should have been refused")
        assert one.id() == number

    def rotten(at: int) -> None:
        types.home = homes[at].api
        types.make = lambda number: rnd.choice([lambda: thing(at, number), lambda: thing(1 - at, number), lambda: rnd.choice(dead or [None])])()
        try:
            case.call(homes[at].api.echo, *case.rotten())
        except refused:
            pass
        gc.collect()

    for _ in range(60):
        at = rnd.randrange(2)
        # What they referred to is forgotten.
        one = other = a = b = None
        match rnd.choice(["new", "id", "echo", "method", "close", "finish", "sum", "forget", "alive", "wrong", "rotten", "trap", "end"]):
            case "new":
                new(at)
            case "id":
                one, number = some(at)
                assert one.id() == number and not one.closed
            case "echo":
                echo(at, homes[at].api.echo)
            case "method":
                method(at)
            case "close":
                one, _ = take(at)
                one.close()
                one.close()
                assert one.closed
                dead.append(one)
            case "finish":
                one, number = take(at)
                assert homes[at].api.finish(one) == number
                one.close()
                assert one.closed
                dead.append(one)
            case "sum":
                (a, one), (b, other) = some(at), some(at)
                assert type(a).sum(a, b, data()) == (one + other) % 2**32
            case "forget":
                if living[at]:
                    take(at)
                gc.collect()
            case "alive":
                gc.collect()
                alive = homes[at].api.alive()
                assert alive == len(living[at]), (alive, living[at])
            case "wrong":
                wrong(at)
            case "rotten" if rnd.random() < 0.5:
                rotten(at)
            case "trap" if rnd.random() < 0.3:
                one, _ = some(at)
                try:
                    one.fail()
                except holm.Trap:
                    renew(at)
            case "end" if rnd.random() < 0.3:
                homes[at].close()
                renew(at)
        del dead[:-20]
    # Of the pool: each has an instance.
    types.home = lib.api
    several = [lib.api.Thing(n, data()) for n in range(3)]
    assert [one.id() for one in several] == [0, 1, 2]
    try:
        several[0].sum(several[0], several[1], data())
    except holm.WrongValue:
        pass
    else:
        raise AssertionError("they live in different instances")
    if rnd.random() < 0.5:
        for home in homes:
            home.close()
