"""The calls of a store, before they are sent: what each puts into its batch,
and how it reads the results. store.py waits for them, aio.py awaits them."""
import math
import struct
from typing import Any, Iterator, NamedTuple, Optional, Sequence

from . import library, reply
from .batch import CAP, CURSOR, NUMBER, TTL, Batch, Key
from .reply import Page, Reply

GET, SET, EXISTS, DELETE, STAT, TOUCH, SCAN = (
    library.OPS[name]
    for name in ("get", "set", "exists", "delete", "stat", "touch", "scan"))

ADD, REPLACE, INCR, APPEND, CAS, TAKE = (
    library.OPS[name]
    for name in ("add", "replace", "incr", "append", "cas", "take"))


class Call(NamedTuple):
    """An op on keys with what it needs."""
    op: int
    keys: Sequence[Key]
    values: Optional[Sequence[Any]] = None   # of set
    buffers: Optional[Sequence[Any]] = None  # of get_into
    ttl: Optional[float] = None              # of set and touch, in seconds
    page: int = 0                            # of scan: keys wanted
    cursor: int = 0                          # of scan
    number: Optional[int] = None             # of incr and cas

    def fill(self, batch: Batch) -> None:
        """Writes the call into a batch."""
        batch.begin(self.op, self.keys)
        if self.values is not None:
            batch.send(self.values)
        if self.buffers is not None:
            batch.receive(self.buffers)
        if self.ttl is not None:
            batch.set_column(TTL, [milliseconds(self.ttl)] * batch.n)
        if self.number is not None:
            batch.set_column(NUMBER, [self.number % 2 ** 64] * batch.n)
        if self.op == SCAN:
            batch.set_column(CAP, [page_size(self.page)])
            batch.set_column(CURSOR, [self.cursor])

    def read(self, batch: Batch) -> Reply:
        """Reads the results out of a batch that has come back."""
        if self.buffers is not None:
            return reply.read(batch, reply.sizes)
        return reply.read(batch, READINGS.get(self.op, reply.truths))


READINGS = {GET: reply.values, STAT: reply.stats, SCAN: reply.pages,
            TAKE: reply.values, INCR: reply.numbers, APPEND: reply.numbers}


def listed(things: Any, what: str) -> Sequence[Any]:
    """A list of things. A str would be a list of its letters."""
    if isinstance(things, (list, tuple)):
        return things
    if isinstance(things, (str, bytes, bytearray, memoryview)) \
            or not any(hasattr(type(things), name)
                       for name in ("__iter__", "__getitem__")):
        raise TypeError("%s must be a list, not %s"
                        % (what, type(things).__name__))
    return list(things)


def page_size(keys: int) -> int:
    """The keys wanted in a page of a scan, as weir.h has them."""
    if not isinstance(keys, int):
        raise TypeError("page must be an int, not %s" % type(keys).__name__)
    if not 0 <= keys <= library.FOREVER:
        raise ValueError("page must be a number of keys from 0 to 2 ** 64 - 1, "
                         "not %d" % keys)
    return keys


def milliseconds(seconds: float) -> int:
    """A time to live as weir.h has it."""
    if not isinstance(seconds, (int, float)):
        raise TypeError("ttl must be a number of seconds, not %s"
                        % type(seconds).__name__)
    if not 0 < seconds < math.inf:
        raise ValueError("ttl must be a finite number of seconds over 0, "
                         "not %r" % seconds)
    return min(math.ceil(min(seconds, 2 ** 64) * 1000), library.FOREVER)


# ---- scan ----

class Entry(NamedTuple):
    """A key that a scan found."""
    key: bytes
    size: Optional[int]   # bytes of the value; None: only stat tells
    ttl: Optional[float]  # seconds left to live; None: it never expires, or
                          # only stat tells


ENTRY = struct.Struct("=QQII")  # struct weir_scan_entry


def entries(page: Page) -> Iterator[Entry]:
    """The entries of a page."""
    data, at = page.entries, 0
    while data is not None and at < len(data):
        size, ttl_ms, key_len, _ = ENTRY.unpack_from(data, at)
        at += ENTRY.size
        yield Entry(bytes(data[at:at + key_len]),
                    None if size == reply.UNKNOWN else size,
                    None if ttl_ms in (0, reply.UNKNOWN) else ttl_ms / 1000)
        at += (key_len + 7) & ~7
