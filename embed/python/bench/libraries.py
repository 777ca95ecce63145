"""What real work costs in a component: `examples/from-python` beside native packages of Python.

    python embed/python/bench/libraries.py [--json] [--rounds N]

Markdown by the crate pulldown-cmark, as a component and natively (pyromark), and by markdown-it-py; pictures
by the crate image as a component, and by Pillow. Wants `guests/build markup images`.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import holm
from calls import Call, rounds, words

ROOT = Path(__file__).parents[3]
GUESTS = Path(os.environ.get("HOLM_GUESTS_OUT") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "holm", "guests"))


def text() -> str:
    """All of our own pages."""
    return "\n\n".join(page.read_text() for page in sorted((ROOT / "docs").glob("*.md")))


def photograph() -> bytes:
    """A JPEG of 1600 x 1200 with something in it."""
    from PIL import Image, ImageFilter

    rnd = random.Random(1)
    small = Image.frombytes("RGB", (100, 75), rnd.randbytes(100 * 75 * 3))
    large = small.resize((1600, 1200)).filter(ImageFilter.GaussianBlur(2))
    out = io.BytesIO()
    large.save(out, "JPEG", quality=90)
    return out.getvalue()


def markdown() -> dict[str, Call]:
    """Our pages as HTML."""
    page = text()
    markup = holm.load(GUESTS / "markup.wasm")
    tables = markup.convert.Extensions.TABLES

    def with_pyromark() -> Call:
        import pyromark

        renderer = pyromark.Markdown(options=pyromark.Options.ENABLE_TABLES)
        return lambda: renderer.html(page)

    def with_markdown_it() -> Call:
        from markdown_it import MarkdownIt

        renderer = MarkdownIt("commonmark").enable("table")
        return lambda: renderer.render(page)

    return {
        "holm": lambda: markup.convert.html(page, tables),
        **those({"pyromark": with_pyromark, "markdown-it-py": with_markdown_it}),
    }


def thumbnails() -> dict[str, Call]:
    """A photograph made small."""
    images = holm.load(GUESTS / "images.wasm", limits={"memory": "256 MiB", "cpu": "5 s"})
    jpeg = images.resize.Format.JPEG

    def with_pillow() -> Call:
        from PIL import Image

        def call() -> bytes:
            out = io.BytesIO()
            # Not `thumbnail`, which decodes a smaller picture to begin with.
            picture = Image.open(io.BytesIO(photo)).convert("RGB")
            picture.resize((200, 150), Image.Resampling.BILINEAR).save(out, "JPEG", quality=75)
            return out.getvalue()

        return call

    try:
        photo = photograph()
    except ImportError as error:
        print(f"no photograph: {error!r}", file=sys.stderr)
        return {}
    return {
        "holm": lambda: images.resize.thumbnail(photo, 200, 150, jpeg),
        **those({"Pillow": with_pillow}),
    }


def those(packages: dict[str, Callable[[], Call]]) -> dict[str, Call]:
    """Those that are installed."""
    found: dict[str, Call] = {}
    for name, make in packages.items():
        try:
            found[name] = make()
        except ImportError as error:
            print(f"{name}: {error!r}", file=sys.stderr)
    return found


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="seconds of each round, for programs")
    parser.add_argument("--rounds", type=int, default=7, help="figures for each (7)")
    given = parser.parse_args()
    cases = {
        f"Markdown of {len(text().encode()) // 1000} kB to HTML": markdown(),
        "a JPEG of 1600 x 1200 to 200 x 150": thumbnails(),
    }
    measured = {case: {way: rounds(call, given.rounds) for way, call in ways.items()} for case, ways in cases.items()}
    if given.json:
        print(json.dumps(measured))
        return
    for case, figures in measured.items():
        print(case + ": " + ", ".join(f"{way} {words(min(all))}" for way, all in figures.items()))


if __name__ == "__main__":
    main()
