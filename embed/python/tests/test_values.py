"""Every WIT type, there and back."""

from __future__ import annotations

import array
import dataclasses
import math
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import holm
import numpy
import pytest

INTEGERS = {
    "small": (-(2**7), 2**7 - 1),
    "byte": (0, 2**8 - 1),
    "short": (-(2**15), 2**15 - 1),
    "word": (0, 2**16 - 1),
    "int": (-(2**31), 2**31 - 1),
    "count": (0, 2**32 - 1),
    "long": (-(2**63), 2**63 - 1),
    "size": (0, 2**64 - 1),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_to_their_ends(lab: Any, name: str) -> None:
    least, most = INTEGERS[name]
    function = getattr(lab.echo, name)
    for number in (least, least + 1, 0, 1, most - 1, most):
        assert function(number) == number
    for number in (least - 1, most + 1, 10**100):
        with pytest.raises(holm.WrongValue, match="^v: expected"):
            function(number)
    with pytest.raises(holm.WrongType, match=r"^v: expected .*, got 1\.5"):
        function(1.5)
    with pytest.raises(TypeError):
        function("1")
    assert function(numpy.int8(7)) == 7


def test_floats(lab: Any) -> None:
    for number in (0.0, -0.0, 1.5, math.inf, -math.inf, sys.float_info.max, 5e-324):
        back = lab.echo.double(number)
        assert back == number and math.copysign(1, back) == math.copysign(1, number)
    assert math.isnan(lab.echo.double(math.nan))
    assert lab.echo.double(3) == 3.0
    assert lab.echo.single(1.5) == 1.5
    assert lab.echo.single(0.1) == pytest.approx(0.1, rel=1e-7)
    with pytest.raises(holm.WrongType, match="expected f64, got '1.0'"):
        lab.echo.double("1.0")


def test_bool_char_and_string(lab: Any) -> None:
    assert lab.echo.truth(True) is True and lab.echo.truth(False) is False
    with pytest.raises(holm.WrongType, match="v: expected bool, got 1"):
        lab.echo.truth(1)
    for letter in ("a", "é", "\U0001f600", "\0"):
        assert lab.echo.letter(letter) == letter
    for wrong in ("", "ab"):
        with pytest.raises(holm.WrongValue, match="expected one character"):
            lab.echo.letter(wrong)
    for text in ("", "Ada", "naïve ☃ \U0001f600", "a\0b", "x" * 100_000):
        assert lab.echo.text(text) == text
    for function in (lab.echo.text, lab.echo.letter):
        with pytest.raises(holm.WrongValue, match="surrogate"):
            function("\ud800")
    with pytest.raises(holm.WrongType, match="expected string, got b'bytes'"):
        lab.echo.text(b"bytes")


def test_bytes_from_anything_that_has_them(lab: Any) -> None:
    wanted = bytes(range(256))
    for given in (
        wanted,
        bytearray(wanted),
        memoryview(wanted),
        list(wanted),
        tuple(wanted),
        array.array("B", wanted),
        numpy.arange(256, dtype=numpy.uint8),
        memoryview(wanted * 2)[:256],
    ):
        back = lab.echo.raw(given)
        assert type(back) is bytes and back == wanted
    assert lab.echo.raw(memoryview(wanted)[::2]) == wanted[::2]
    assert lab.echo.raw(b"") == b""
    with pytest.raises(holm.WrongType, match="v: expected list<u8>, got 'text'"):
        lab.echo.raw("text")
    with pytest.raises(holm.WrongValue, match=r"v\[1\]: expected u8 \(0 to 255\), got 256"):
        lab.echo.raw([1, 256])


NUMBERS = {
    "smalls": ("b", numpy.int8),
    "shorts": ("h", numpy.int16),
    "words": ("H", numpy.uint16),
    "ints": ("i", numpy.int32),
    "counts": ("I", numpy.uint32),
    "longs": ("q", numpy.int64),
    "sizes": ("Q", numpy.uint64),
    "singles": ("f", numpy.float32),
    "doubles": ("d", numpy.float64),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_lists_of_numbers_from_and_to_buffers(lab: Any, name: str) -> None:
    code, dtype = NUMBERS[name]
    function = getattr(lab.echo, name)
    wanted = [0, 1, 2, 100]
    givens = (wanted, tuple(wanted), array.array(code, wanted), numpy.array(wanted, dtype), numpy.array(wanted))
    for given in givens:
        back = function(given)
        assert type(back) is holm.Array and back.typecode == code
        assert back == wanted and list(back) == wanted and back != wanted[:3]
    assert numpy.asarray(function(wanted)).dtype == dtype
    assert function([]) == []
    # Every second of a larger one: not in one piece.
    assert function(numpy.arange(8).astype(dtype)[::2]) == [0, 2, 4, 6]
    # Of the other byte order: not the same memory.
    swapped = numpy.array(wanted, numpy.dtype(dtype).newbyteorder())
    assert function(swapped) == wanted
    # A view of such gives no items.
    for order in "<>=":
        ordered = numpy.array(wanted, numpy.dtype(dtype).newbyteorder(order))
        assert function(memoryview(ordered)) == wanted
        assert function(memoryview(ordered)[::-2]) == wanted[::-2]
        assert function(memoryview(ordered)[:0]) == []
    with pytest.raises(holm.WrongValue, match="dimensions"):
        function(numpy.zeros((2, 2), dtype))
    with pytest.raises(holm.WrongType, match=r"v\[1\]: expected"):
        function([0, "1"])
    with pytest.raises(holm.WrongType, match="v: expected list<.*, got None"):
        function(None)


def test_other_lists(lab: Any) -> None:
    assert lab.echo.truths([True, False]) == [True, False]
    assert lab.echo.letters(["a", "é"]) == ["a", "é"]
    assert lab.echo.texts(("a", "", "c")) == ["a", "", "c"]
    assert lab.echo.texts(str(n) for n in range(3)) == ["0", "1", "2"]
    assert lab.echo.table([[1, 2], [], [3]]) == [[1, 2], [], [3]]
    # Who passes text for a list has forgotten the brackets.
    with pytest.raises(holm.WrongType, match="v: expected a list, got 'abc'"):
        lab.echo.texts("abc")
    with pytest.raises(holm.WrongType, match=r"v\[2\]: expected string, got 3"):
        lab.echo.texts(["a", "b", 3])
    with pytest.raises(holm.WrongValue, match=r"v\[1\]\[0\]: expected u16"):
        lab.echo.table([[], [65536]])


def test_records(lab: Any) -> None:
    Point = lab.echo.Point
    point = Point(1.0, y=2.0)
    assert lab.echo.point_of(point) == point
    assert lab.echo.point_of({"x": 1, "y": 2}) == point
    assert repr(point) == "Point(x=1.0, y=2.0)"
    assert type(lab.echo.point_of(point)) is Point
    assert Point.__doc__ == "A place on a plane."
    # They are dataclasses, those that a component gives too.
    given = lab.echo.point_of(point)
    assert dataclasses.is_dataclass(given) and [field.name for field in dataclasses.fields(Point)] == ["x", "y"]
    assert dataclasses.asdict(given) == {"x": 1.0, "y": 2.0} and dataclasses.astuple(given) == (1.0, 2.0)
    assert lab.echo.point_of(dataclasses.replace(given, y=5)) == Point(1.0, 5.0)
    whole = lab.echo.all(everything(lab))
    assert dataclasses.asdict(whole)["where"] == {"x": 1.0, "y": 2.0}

    class Other:
        x = 3
        y = 4

    assert lab.echo.point_of(Other()) == Point(3, 4)
    assert lab.echo.points([point, {"x": 0, "y": 0}]) == [point, Point(0, 0)]
    with pytest.raises(holm.WrongType, match="v: expected `point`, got 5"):
        lab.echo.point_of(5)
    with pytest.raises(holm.WrongValue, match="v: the field `y` of `point` is missing"):
        lab.echo.point_of({"x": 1})
    with pytest.raises(holm.WrongValue, match="v: `point` has no field 'z'"):
        lab.echo.point_of({"x": 1, "y": 1, "z": 1})
    with pytest.raises(holm.WrongType, match=r"v\[1\]\.y: expected f64, got None"):
        lab.echo.points([point, Point(0, None)])


def everything(lab: Any) -> Any:
    echo = lab.echo
    return echo.Everything(
        truth=True,
        small=-1,
        byte=2,
        short=-3,
        word=4,
        int=-5,
        count=6,
        long=-7,
        size=8,
        single=0.5,
        double=0.25,
        letter="z",
        text="text",
        raw=b"raw",
        numbers=[1, -2],
        where=echo.Point(1, 2),
        color=echo.Color.SKY_BLUE,
        may=echo.Permissions.READ | echo.Permissions.RUN_AS_ROOT,
        shape=echo.Shape.Rectangle((echo.Point(0, 0), echo.Point(1, 1))),
        maybe="some",
    )


def test_a_record_of_everything(lab: Any) -> None:
    value = everything(lab)
    assert lab.echo.all(value) == value
    value.shape = lab.echo.Shape.Rectangle((lab.echo.Point(0, 0), lab.echo.Point("x", 1)))
    with pytest.raises(holm.WrongType, match=r"v\.shape\.rectangle\[1\]\.x: expected f64, got 'x'"):
        lab.echo.all(value)


def test_variants_match(lab: Any) -> None:
    Shape = lab.echo.Shape

    def area(shape: Any) -> float:
        match lab.echo.shape_of(shape):
            case Shape.Dot():
                return 0.0
            case Shape.Circle(radius):
                return 3 * radius * radius
            case Shape.Rectangle((a, b)):
                return (b.x - a.x) * (b.y - a.y)
        raise AssertionError

    Point = lab.echo.Point
    assert area(Shape.Dot()) == 0
    assert area(Shape.Circle(2)) == 12
    assert area(Shape.Rectangle((Point(0, 0), Point(2, 3)))) == 6
    assert isinstance(Shape.Dot(), Shape)
    assert repr(Shape.Circle(2.0)) == "Shape.Circle(value=2.0)"
    assert Shape.Dot.__doc__ == "It has no area."
    with pytest.raises(holm.WrongType, match="v: expected a case of `shape`, got 'dot'"):
        lab.echo.shape_of("dot")
    with pytest.raises(holm.WrongType, match="v.circle: expected f64"):
        lab.echo.shape_of(Shape.Circle("wide"))


def test_enums_and_flags(lab: Any) -> None:
    Color, Permissions = lab.echo.Color, lab.echo.Permissions
    for color in Color:
        assert lab.echo.color_of(color) is color
    assert [c.name for c in Color] == ["RED", "GREEN", "SKY_BLUE"]
    with pytest.raises(holm.WrongType, match="v: expected a member of `color`, got 'red'"):
        lab.echo.color_of("red")
    for permissions in (Permissions(0), Permissions.READ, Permissions.READ | Permissions.RUN_AS_ROOT, ~Permissions(0)):
        assert lab.echo.may(permissions) == permissions
    with pytest.raises(holm.WrongType, match="v: expected `permissions`, got 1"):
        lab.echo.may(1)


def test_classes_of_another_load_will_do(lab: Any) -> None:
    from conftest import Host, lab_with

    other = lab_with(Host())
    assert other.echo.Point is not lab.echo.Point
    value = everything(other)
    value.may = everything(lab).may
    assert lab.echo.all(value) == everything(lab)


def test_options(lab: Any) -> None:
    assert lab.echo.maybe(None) is None
    assert lab.echo.maybe() is None
    assert lab.echo.maybe(0) == 0
    assert lab.echo.perhaps(None) is None
    assert lab.echo.perhaps(holm.Some(None)) == holm.Some(None)
    assert lab.echo.perhaps(holm.Some(3)) == holm.Some(3)
    with pytest.raises(holm.WrongType, match=r"expected None or holm.Some"):
        lab.echo.perhaps(3)


def test_results(lab: Any) -> None:
    assert lab.echo.outcome(holm.Ok(3)) == 3
    with pytest.raises(holm.Err) as caught:
        lab.echo.outcome(holm.Err("no"))
    assert caught.value.value == "no" and str(caught.value) == "no"
    values = [holm.Ok(1), holm.Err("two"), holm.Ok(3)]
    assert lab.echo.outcomes(values) == values
    match lab.echo.outcomes(values)[1]:
        case holm.Err(text):
            assert text == "two"
        case _:
            raise AssertionError
    assert lab.echo.quiet(False) is None
    with pytest.raises(holm.Err) as quiet:
        lab.echo.quiet(True)
    assert quiet.value.value is None
    with pytest.raises(holm.WrongType, match=r"v.ok: expected u32, got 'three'"):
        lab.echo.outcome(holm.Ok("three"))
    with pytest.raises(holm.WrongType, match=r"v: expected holm.Ok\(…\) or holm.Err\(…\), got 3"):
        lab.echo.outcome(3)


def test_tuples(lab: Any) -> None:
    assert lab.echo.pair(("a", 1)) == ("a", 1)
    assert lab.echo.pair(["a", 1]) == ("a", 1)
    with pytest.raises(holm.WrongValue, match="v: expected a tuple of 2, got 3"):
        lab.echo.pair(("a", 1, 2))


def test_words_of_python_get_an_underscore(lab: Any) -> None:
    assert lab.echo.class_("a", lambda_="b") == "a b"
    assert lab.echo.class_(from_="a") == "a "


def test_numbers_cross_without_an_object_for_each(lab: Any) -> None:
    count = 200_000
    floats, raw = array.array("d", range(count)), bytes(count)
    lab.work.sum(floats)

    def most(call: Callable[[], object]) -> int:
        """The most memory that Python held at once for a call."""
        tracemalloc.start()
        try:
            call()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # A float is an object of 24 bytes, beside 8 in a list.
    assert most(lambda: sum(floats.tolist())) > 24 * count
    assert most(lambda: lab.work.sum(floats)) < 10_000
    assert most(lambda: lab.work.sum(numpy.frombuffer(floats))) < 10_000
    assert most(lambda: lab.echo.doubles(floats)) < 10 * count
    assert most(lambda: lab.echo.raw(raw)) < 2 * count
