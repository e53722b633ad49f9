"""Values that come back from a store, as memoryviews that keep them alive.

A value belongs to the runtime and is counted there: the store, and everybody
who got the value, may refer to the same bytes. So the views are read-only. A
value ends when its last view ends, also if the store is closed before.

To copy a value of up to COPIED bytes is cheaper than to keep it, so that is
done for small values.
"""
import ctypes
import functools
import operator
from array import array
from typing import List, Optional

from . import library

COPIED = 4096


class Held(ctypes.c_ubyte * (1 << 62)):
    """The memory of a value. The length of the type does not matter: a view is
    cut to the size of the value, and a type for each size would be slow.

    At its end it calls self.end(), which drops the reference. No line of
    Python runs for that, so no KeyboardInterrupt gets lost in it."""

    end = int  # does nothing
    __del__ = property(operator.attrgetter("end"))


def hold(value: library.Value, cell: ctypes.c_void_p) -> memoryview:
    """A view of a value. At its end it drops a reference of the value whose
    address the cell has then, if it has one."""
    memory = Held.from_address(value.data)
    memory.end = functools.partial(library.value_unref, cell)
    return memoryview(memory)[:value.size].cast("B").toreadonly()


def take_values(words: memoryview, n: int) -> List[Optional[memoryview]]:
    """The values of the n items of a drained batch, whose memory `words` is.
    Those that are kept do not belong to the batch afterwards."""
    values: List[Optional[memoryview]] = []
    pointers = words[5:8 * n:8].tolist()
    left = pointers[:]
    cells = bytearray(8 * n)
    value_at, string_at = library.Value.from_address, ctypes.string_at
    cell_in = ctypes.c_void_p.from_buffer
    for i, pointer in enumerate(pointers):
        if not pointer:
            values.append(None)
            continue
        value = value_at(pointer)
        if value.size <= COPIED:
            values.append(memoryview(string_at(value.data or 0, value.size)))
        else:
            values.append(hold(value, cell_in(cells, 8 * i)))
            left[i] = 0
    taken, left = array("Q", map(operator.sub, pointers, left)), array("Q", left)
    owners = memoryview(cells).cast("Q")
    # The references change hands here. An exception before leaves all of them
    # to the batch, one after it to the views.
    words[5:8 * n:8], owners[:] = left, taken
    return values
