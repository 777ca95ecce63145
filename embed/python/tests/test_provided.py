"""Resources that Python provides."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path
from typing import Any

import holm
import pytest
from conftest import guest


class Cursor:
    """A place in a table."""

    def __init__(self, rows: list[str]) -> None:
        self.rows = rows


class Table:
    """Numbers under names."""

    made: list[weakref.ref[Table]] = []
    dropped: list[str] = []

    def __init__(self, name: str) -> None:
        if name == "refused":
            raise PermissionError("no such table for you")
        self.name = name
        self.rows: dict[str, int] = {}
        Table.made.append(weakref.ref(self))

    def put(self, key: str, value: int) -> int | None:
        if key == "bad":
            raise holm.Err("a bad key")
        before = self.rows.get(key)
        self.rows[key] = value
        return before

    def get(self, key: str) -> int | None:
        return self.rows.get(key)

    def close_(self) -> str:
        return f"{self.name} is asked to close"

    @staticmethod
    def merged(a: Table, b: Table) -> Table:
        both = Table(f"{a.name}+{b.name}")
        both.rows = a.rows | b.rows
        return both

    def close(self) -> None:
        Table.dropped.append(self.name)
        if self.name == "sticky":
            raise OSError("it does not close")


class Store:
    """The interface, by an object."""

    Table = Table
    made: list[Table]

    def __init__(self) -> None:
        self.made = []
        self.lent: list[Table] = []

    def open(self, name: str) -> Table:
        if name == "locked":
            raise holm.Err("it is locked")
        if name == "odd":
            return "no table"  # type: ignore[return-value]
        table = Table(name)
        self.made.append(table)
        return table

    def total(self, them: list[Table]) -> int:
        return sum(sum(table.rows.values()) for table in them)

    def keep(self, it: Table | None) -> None:
        if it is not None:
            self.lent.append(it)

    def kept(self) -> list[Table]:
        lent, self.lent = self.lent, []
        return lent

    def split(self, it: Table) -> Any:
        left, right = Table("left"), Table("right")
        for at, (key, value) in enumerate(it.rows.items()):
            (left if at % 2 == 0 else right).rows[key] = value
        return {"left": left, "right": right if right.rows else None}

    def rows(self, it: Table) -> Cursor:
        return Cursor(list(it.rows))

    def next(self, it: Cursor) -> str | None:
        return it.rows.pop(0) if it.rows else None


TYPES = {"Cursor": Cursor}


def desk_with(store: Any, **more: Any) -> holm.Library:
    return holm.load(guest("desk-lab"), imports={"holm:desk/store": store, "holm:desk/types": TYPES}, **more)


@pytest.fixture(scope="module")
def lib() -> holm.Library:
    return desk_with(Store())


@pytest.fixture(autouse=True)
def forget() -> None:
    Table.made.clear()
    Table.dropped.clear()


def alive() -> int:
    gc.collect()
    return sum(table() is not None for table in Table.made)


def test_it_is_made_used_and_dropped(lib: Any) -> None:
    assert lib.desk.work("one", ["a", "b", "c"]) == 3
    assert Table.dropped == ["one"]
    assert alive() == 0


def test_it_is_lent_and_given_away(lib: Any) -> None:
    # 1 + 2 of one and 1 of the other, which is counted twice.
    assert lib.desk.merge("a b", "c") == 1 + 2 + 1 + 1
    # What was given away was not dropped by the component.
    assert Table.dropped == ["a b+c", "c"]
    assert lib.desk.lend(["a b", "c"]) == 4
    assert alive() == 0


def test_one_interface_knows_what_another_has(lib: Any) -> None:
    assert lib.desk.keys("x y z") == ["x", "y", "z"]


def test_errors_are_what_they_are(lib: Any) -> None:
    with pytest.raises(holm.Err) as locked:
        lib.desk.open("locked")
    assert locked.value.value == "it is locked"
    with pytest.raises(PermissionError, match="no such table"):
        lib.desk.work("refused", [])
    with pytest.raises(holm.WrongType, match="its result: .*expected a `Table`, got 'no table'"):
        lib.desk.open("odd")


def test_a_drop_that_raises_fails_the_call(lib: Any) -> None:
    with pytest.raises(OSError, match="it does not close") as caught:
        lib.desk.work("sticky", ["a"])
    assert any("called by the component" in note for note in caught.value.__notes__)
    assert Table.dropped == ["sticky"]
    # The traceback has it.
    del caught
    assert alive() == 0


def test_the_component_gives_and_takes_them(lib: Any) -> None:
    table = lib.desk.open("mine")
    assert type(table) is Table
    table.put("a", 5)
    assert lib.desk.size(table) == 5
    assert lib.desk.same(table) is table
    assert lib.desk.closed(table) == "mine is asked to close"
    pair = lib.desk.halves(table)
    # A record of them; what was given away is Python's again, and nobody has dropped it.
    assert (pair.left.rows, pair.right) == ({"a": 5}, None)
    assert Table.dropped == []
    with pytest.raises(holm.WrongType, match="it: expected a `Table`, got Cursor"):
        lib.desk.size(Cursor([]))


def test_one_that_lives_in_a_resource_of_the_component(lib: Any) -> None:
    with lib.desk.Tray("held") as tray:
        assert tray.put("a", 1) is None
        assert tray.put("a", 2) == 1
        with pytest.raises(holm.Err, match="a bad key"):
            tray.put("bad", 1)
        assert Table.dropped == []
    assert Table.dropped == ["held"]


def test_what_is_left_ends_with_its_instance(lib: Any) -> None:
    with lib.instance() as one:
        one.desk.leave(10)
        assert alive() == 10
    assert alive() == 0
    # It was let go of, not dropped by anybody.
    assert Table.dropped == []


def test_a_trap_leaves_nothing(lib: Any) -> None:
    with pytest.raises(holm.Trap):
        lib.desk.breaks("lost")
    assert alive() == 0


def test_handles_are_the_engines(lib: Any) -> None:
    with pytest.raises(holm.Trap):
        lib.desk.twice("once")
    assert Table.dropped == ["once"]
    # There is a table, and this is no handle of it.
    with lib.instance() as one:
        one.desk.leave(1)
        for handle in (0, 77, 2**31):
            with lib.instance() as other, pytest.raises(holm.Trap):
                other.desk.forged(handle)


def test_there_is_a_limit_to_them() -> None:
    desk = desk_with(Store(), limits={"handles": 100})
    with pytest.raises(holm.LimitReached) as reached:
        desk.desk.hoard()
    assert reached.value.limit == "handles"
    assert 90 <= len(Table.made) <= 101
    del desk
    assert alive() == 0


def test_of_any_subclass_and_by_coroutines() -> None:
    class Slow(Table):
        async def get(self, key: str) -> int | None:  # type: ignore[override]
            await asyncio.sleep(0.001)
            return super().get(key)

        async def close(self) -> None:  # type: ignore[override]
            await asyncio.sleep(0.001)
            Table.dropped.append(f"slowly {self.name}")

    class Slowly(Store):
        Table = Slow

    desk = desk_with(Slowly()).desk
    assert desk.work("one", ["a", "b"]) == 1
    assert Table.dropped == ["slowly one"]

    async def main() -> int:
        # Where there is a loop already.
        return await asyncio.to_thread(desk.work, "two", ["a", "b", "c"])

    assert asyncio.run(main()) == 3


def test_a_mapping_provides_it_too() -> None:
    names = ("open", "total", "keep", "kept", "split", "rows", "next")
    store = Store()
    desk = desk_with({"table": Table, **{name: getattr(store, name) for name in names}})
    assert desk.desk.work("one", ["a"]) == 0
    assert Table.dropped == ["one"]


def test_what_is_wrong_is_said_when_it_is_loaded() -> None:
    class NoClass(Store):
        Table = 5  # type: ignore[assignment]

    class NoTable:
        open = total = keep = kept = split = rows = next = print

    class Half(Store):
        class Table:
            def __init__(self, name: str) -> None: ...

            put = 5

    with pytest.raises(holm.LoadError, match="resource `table` of holm:desk/store@0.1.0 is no class: 5"):
        desk_with(NoClass())
    with pytest.raises(holm.LoadError, match="without all of it") as missing:
        desk_with(NoTable())
    assert missing.value.help == ("missing: resource table, a class `Table`",)
    with pytest.raises(holm.LoadError, match=r"for `.*Table.put` is no function: 5"):
        desk_with(Half())
    del Half.Table.put
    with pytest.raises(holm.LoadError, match="without all of it") as missing:
        desk_with(Half())
    assert len(missing.value.help) == 4
    assert missing.value.help[0].startswith("missing: table.put: func(")
    # Its cursor is another interface's.
    with pytest.raises(holm.LoadError, match="has the resource `cursor` of holm:desk/types@0.1.0, which is not provided"):
        holm.load(guest("desk-lab"), imports={"holm:desk/store": Store()})
    with pytest.raises(holm.LoadError, match="imports no `holm:desk/tables`"):
        holm.load(guest("desk-lab"), imports={"holm:desk/tables": {}})
    with pytest.raises(holm.LoadError, match="holm:desk/store@0.1.0"):
        holm.load(guest("desk-lab"))


def test_reentry() -> None:
    class Calls(Store):
        lib: Any = None

        def open(self, name: str) -> Table:
            self.lib.desk.leave(1)
            return super().open(name)

    store = Calls()
    desk = desk_with(store)
    store.lib = desk
    assert desk.desk.open("x").name == "x"
    with desk.instance() as one:
        store.lib = one
        with pytest.raises(holm.ReentryError):
            one.desk.open("x")


#: Functions that nobody can provide: the engine opens no such stream, and the resource is WASI's.
REFUSED = """(component
  (import "wasi:io/poll@0.2.0" (instance $poll (export "pollable" (type (sub resource)))))
  (alias export $poll "pollable" (type $pollable))
  (import "holm:refused/streams" (instance
    (type $pairs (stream (tuple u32 u32)))
    (export "pairs" (func (result $pairs)))))
  (import "holm:refused/polls" (instance
    (alias outer 1 $pollable (type $of-wasi))
    (export "pollable" (type $pollable (eq $of-wasi)))
    (type $own (own $pollable))
    (export "wait" (func (param "it" $own)))))
)"""


def test_what_nobody_can_provide_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "refused.wat"
    file.write_text(REFUSED)
    given = {"holm:refused/streams": {"pairs": list}, "holm:refused/polls": {"wait": print}}
    with pytest.raises(holm.LoadError) as refused:
        holm.load(file, imports=given)
    assert refused.value.message == (
        "Python cannot provide `pairs: func() -> stream<tuple<u32, u32>>` of holm:refused/streams: its result holds a "
        "stream of `tuple<u32, u32>`, which the engine cannot open: only numbers, bool, char and string can move through one"
    )
    file.write_text(REFUSED.replace("(tuple u32 u32)", "u32"))
    with pytest.raises(holm.LoadError) as refused:
        holm.load(file, imports=given)
    assert refused.value.message == (
        "`wait` of holm:refused/polls cannot be provided: it has the resource `pollable` of wasi:io/poll@0.2.0, "
        "which is not provided with it"
    )
