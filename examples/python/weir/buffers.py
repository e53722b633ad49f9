"""Memory of Python objects that is lent to a batch: found without a copy, and
kept in place until it is given back.

While an object lends its memory, it cannot be resized or closed: a bytearray
that is extended meanwhile raises BufferError.
"""
from ctypes import byref
from typing import Any, List, Sequence

from . import library


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
    """The memory of objects, from lend() until give_back()."""

    __slots__ = ("views",)

    def __init__(self, count: int):
        # All are made before the first is used, so an exception at any time,
        # such as KeyboardInterrupt, leaves nothing lent that is not known.
        self.views = [library.Buffer() for _ in range(count)]

    def lend(self, things: Sequence[Any], what: str, writable: bool) -> None:
        """Takes the memory of objects. Raises TypeError or ValueError with the
        name of the first that has none, or none that will do."""
        flags = library.PYBUF_WRITABLE if writable else library.PYBUF_SIMPLE
        for i, (view, thing) in enumerate(zip(self.views, things)):
            try:
                library.buffer_get(thing, byref(view), flags)
            except TypeError:
                raise TypeError("%s %d must be an object with the buffer "
                                "protocol, not %s"
                                % (what, i, describe(thing))) from None
            except (BufferError, ValueError):
                raise ValueError("%s %d must be contiguous%s memory, not %s" % (
                    what, i, " writable" if writable else "",
                    describe(thing))) from None

    def addresses(self) -> List[int]:
        """Where each begins."""
        return [view.buf or 0 for view in self.views]

    def sizes(self) -> List[int]:
        """The bytes of each."""
        return [view.len for view in self.views]

    def give_back(self) -> None:
        """Gives the memory back. A second call does nothing."""
        for view in self.views:
            library.buffer_release(byref(view))
