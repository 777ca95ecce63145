"""WebAssembly components as Python modules.

>>> import holm
>>> lib = holm.load("greet.wasm")           # doctest: +SKIP
>>> lib.api.greet("Ada")                    # doctest: +SKIP
'Hello, Ada!'
"""

from __future__ import annotations

import atexit as _atexit
import os as _os
import threading as _threading

from . import _holm
from ._errors import (
    Closed,
    Denial,
    Denied,
    Err,
    Error,
    Exited,
    Frame,
    InternalError,
    LimitReached,
    LoadError,
    NotCallable,
    ReentryError,
    Trap,
    WrongType,
    WrongValue,
)
from ._hook import install, uninstall
from ._imports import imports
from ._library import Instance, Interface, Library, load
from ._resource import Resource
from ._streams import Future, Stream
from ._values import Array, Ok, Some

__version__ = _holm.__version__

__all__ = [
    "Array",
    "Closed",
    "Denial",
    "Denied",
    "Err",
    "Error",
    "Exited",
    "Frame",
    "Future",
    "Instance",
    "Interface",
    "InternalError",
    "Library",
    "LimitReached",
    "LoadError",
    "NotCallable",
    "Ok",
    "ReentryError",
    "Resource",
    "Some",
    "Stream",
    "Trap",
    "WrongType",
    "WrongValue",
    "imports",
    "install",
    "load",
    "uninstall",
]

if _threading.current_thread() is _threading.main_thread():
    _holm._main()
_atexit.register(_holm._ending)
_os.register_at_fork(after_in_child=_holm._forked)
