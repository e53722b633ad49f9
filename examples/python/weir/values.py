"""Values that come back from a store, as memoryviews that keep them alive.

A value belongs to the runtime and is counted there: the store, and everybody
who got the value, may refer to the same bytes. So the views are read-only. A
value ends when its last view ends, also if the store is closed before.

To copy a value of up to COPIED bytes is cheaper than to keep it, so that is
done for small values.
"""
import ctypes
import functools
import itertools
import operator
from array import array
from typing import Any, List, Optional

from . import library

COPIED = 4096


class Held(ctypes.c_ubyte * (1 << 62)):
    """The memory of a value. The length of the type does not matter: a view is
    cut to the size of the value, and a type for each size would be slow.

    At its end it calls self.end(), which drops the reference. No line of
    Python runs for that, so no KeyboardInterrupt gets lost in it."""

    end = int  # does nothing
    __del__ = property(operator.attrgetter("end"))


def hold(data: int, size: int, cell: ctypes.c_void_p) -> memoryview:
    """A view of a value. At its end it drops a reference of the value whose
    address the cell has then, if it has one."""
    memory = Held.from_address(data)
    memory.end = functools.partial(library.value_unref, cell)
    return memoryview(memory)[:size].cast("B").toreadonly()


def take_value(cell: ctypes.c_void_p) -> memoryview:
    """The value whose address a cell has, with the caller's reference."""
    value = library.Value.from_address(cell.value)
    return hold(value.data, value.size, cell)


def take_values(words: memoryview, n: int) -> List[Optional[memoryview]]:
    """The values of the n items of a drained batch, whose memory `words` is.
    Those that are kept do not belong to the batch afterwards."""
    places = [i for i, at in enumerate(words[5:8 * n:8].tolist()) if at]
    if not places:
        return [None] * n
    pointers = [words[8 * i + 5] for i in places]
    # struct weir_value: the address of the bytes, and their number.
    heads = memoryview(b"".join(map(
        library.bytes_at, pointers, itertools.repeat(16)))).cast("Q")
    datas, sizes = heads[0::2].tolist(), heads[1::2].tolist()
    large = [k for k, size in enumerate(sizes) if size > COPIED]
    for k in large:
        sizes[k] = 0
    views: List[Any] = list(map(memoryview, map(
        library.bytes_at, datas, sizes)))
    if large:
        cells = bytearray(8 * n)
        for k in large:
            cell = ctypes.c_void_p.from_buffer(cells, 8 * places[k])
            views[k] = hold(datas[k], heads[2 * k + 1], cell)
        give_to_views(words, n, cells, [places[k] for k in large])
    if len(places) == n:
        return views
    values: List[Optional[memoryview]] = [None] * n
    for i, view in zip(places, views):
        values[i] = view
    return values


def give_to_views(words: memoryview, n: int, cells: bytearray,
                  places: List[int]) -> None:
    """Moves the references of some items from the batch to the cells."""
    left = words[5:8 * n:8].tolist()
    taken = array("Q", bytes(8 * n))
    for i in places:
        taken[i], left[i] = left[i], 0
    remaining, owners = array("Q", left), memoryview(cells).cast("Q")
    # The references change hands here. An exception before leaves all of them
    # to the batch, one after it to the views.
    words[5:8 * n:8], owners[:] = remaining, taken
