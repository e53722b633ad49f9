"""Memory of Python objects that is lent to a batch: found without a copy, and
kept in place until it is given back.

While an object lends its memory, it cannot be resized or closed: a bytearray
that is extended meanwhile raises BufferError.
"""
import ctypes
import itertools
from collections import deque
from typing import Any, Sequence, Tuple

from . import library

BUFFER = ctypes.sizeof(library.Buffer)
WORDS = BUFFER // 8


def describe(thing: Any) -> str:
    """An object in words, for errors."""
    name = type(thing).__name__
    try:
        view = memoryview(thing)
    except TypeError:
        return name
    return "%s of format %r, shape %r, strides %r%s" % (
        name, view.format, view.shape, view.strides,
        ", read-only" if view.readonly else "")


class Lent:
    """The memory of objects, from lend() until give_back().

    The n structs Py_buffer stand in one block, ten words each. CPython fills
    them in, called by map(), which runs no line of Python in between: that is
    fast, and no KeyboardInterrupt comes between a loan and its record."""

    __slots__ = ("block", "words", "structs")

    def __init__(self, count: int):
        self.block = bytearray(BUFFER * count)
        self.words = memoryview(self.block).cast("Q")
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.block)) \
            if count else 0
        self.structs = range(start, start + BUFFER * count, BUFFER)

    def lend(self, things: Sequence[Any], what: str, writable: bool) -> None:
        """Takes the memory of objects. Raises TypeError or ValueError with the
        name of the first that has none, or none that will do."""
        flags = library.PYBUF_WRITABLE if writable else library.PYBUF_SIMPLE
        try:
            deque(map(library.buffer_get, things, self.structs,
                      itertools.repeat(flags)), maxlen=0)
        except TypeError:
            i, thing = self.first_refused(things)
            raise TypeError("%s %d must be an object with the buffer protocol, "
                            "not %s" % (what, i, describe(thing))) from None
        except (BufferError, ValueError):
            i, thing = self.first_refused(things)
            raise ValueError("%s %d must be contiguous%s memory, not %s" % (
                what, i, " writable" if writable else "",
                describe(thing))) from None

    def first_refused(self, things: Sequence[Any]) -> Tuple[int, Any]:
        """The first object that lends nothing."""
        i = self.words[1::WORDS].tolist().index(0)
        return i, things[i]

    def addresses(self) -> memoryview:
        """Where each begins: field buf."""
        return self.words[0::WORDS]

    def sizes(self) -> memoryview:
        """The bytes of each: field len."""
        return self.words[2::WORDS]

    def give_back(self) -> None:
        """Gives the memory back. A second call does nothing."""
        deque(map(library.buffer_release, self.structs), maxlen=0)
