"""Two crates of Rust, imported: nothing binds them to Python but their own types.

    python use.py
"""

from pathlib import Path

import holm

holm.install(limits={"images": {"memory": "256 MiB", "cpu": "5 s"}})

import images  # noqa: E402
import markup  # noqa: E402
from images.resize import Format  # noqa: E402
from markup.convert import Extensions  # noqa: E402

TEXT = """\
# Tea

| sort  | minutes |
| ----- | ------: |
| green |       2 |

## How

- [x] boil ~~milk~~ water
"""

print(markup.convert.html(TEXT, Extensions.TABLES | Extensions.STRIKETHROUGH | Extensions.TASK_LISTS))
for heading in markup.convert.headings(TEXT):
    print("  " * (heading.level - 1) + heading.title)

picture = Path(__file__).with_name("picture.png").read_bytes()
print(images.resize.inspect(picture))
small = images.resize.thumbnail(picture, 80, 80, Format.JPEG)
print(images.resize.inspect(small))
try:
    images.resize.inspect(b"neither")
except holm.Err as error:
    print("refused:", error.value)
