"""What a call gives back: for one key a value, for many keys a Reply."""
from collections.abc import Sequence
from typing import Any, Callable, Iterator, List, NamedTuple, Optional

from . import library
from .batch import CURSOR, NUMBER, TTL, Batch
from .errors import Error, may_retry

UNKNOWN = 2 ** 64 - 1
SIGN = 2 ** 63


class Stat(NamedTuple):
    """Facts of a value."""
    size: int                # bytes
    ttl: Optional[float]     # seconds left to live; None: it never expires


class Reply(Sequence):
    """The results of a call for n keys, in their order.

    reply[i]: the result for key i: of a get the value, a memoryview; of
        get_into the size; of stat a Stat; of incr the sum; of append the size;
        else True. None or False: the key
        was not there, the value was not admitted, or there was an error.
    reply.status(i): the name of the status: "ok", "miss", "timeout", ...
    reply.error(i): the Error of key i, or None
    reply.errors: how many keys have an error
    reply.check(): raises the first error, if there is one; returns the reply
    """

    def __init__(self, op: int, codes: bytes, results: List[Any], errors: int,
                 message: str = "", sizes: Optional[List[int]] = None):
        self.errors = errors
        self._op = op
        self._codes = codes
        self._results = results
        self._message = message
        self._sizes = sizes

    def __len__(self) -> int:
        return len(self._results)

    def __getitem__(self, i):
        return self._results[i]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._results)

    def __repr__(self) -> str:
        return "<weir.Reply %s>" % " ".join(
            library.STATUSES[code].name for code in self._codes[:8])

    def status(self, i: int) -> str:
        """The name of the status of key i."""
        return library.STATUSES[self._codes[i]].name

    @property
    def statuses(self) -> List[str]:
        """The names of the statuses of all keys."""
        return [library.STATUSES[code].name for code in self._codes]

    def error(self, i: int) -> Optional[Error]:
        """The error of key i, or None. The runtime writes down the reason of
        the first error. Other kinds of errors have only their status."""
        code = self._codes[i]
        status = library.STATUSES[code]
        if status.kind != "error":
            return None
        first = next(c for c in self._codes if c in ERRORS)
        message = self._message if code == first else status.name
        return Error(status.name, message, may_retry(code, self._op),
                     self._sizes[i] if self._sizes else None)

    def check(self) -> "Reply":
        """Raises the first error, if there is one."""
        if self.errors:
            raise next(filter(None, map(self.error, range(len(self)))))
        return self


ERRORS = frozenset(number for number, status in library.STATUSES.items()
                   if status.kind == "error")
GOOD = library.OK


def truths(batch: Batch, codes: bytes) -> List[bool]:
    """Results that are yes or no."""
    if codes.count(GOOD) == len(codes):
        return [True] * len(codes)
    return [code == GOOD for code in codes]


def values(batch: Batch, codes: bytes) -> List[Optional[memoryview]]:
    """The values of a get."""
    return batch.values()


def sizes(batch: Batch, codes: bytes) -> List[Optional[int]]:
    """The sizes of the values that a get wrote to lent memory."""
    if codes.count(GOOD) == len(codes):
        return batch.sizes()
    return [size if code == GOOD else None
            for size, code in zip(batch.sizes(), codes)]


def stats(batch: Batch, codes: bytes) -> List[Optional[Stat]]:
    """The facts of values."""
    return [Stat(size, ttl / 1000 if ttl else None) if code == GOOD else None
            for size, ttl, code
            in zip(batch.sizes(), batch.column(TTL), codes)]


def numbers(batch: Batch, codes: bytes) -> List[Optional[int]]:
    """The sums of an incr, which have a sign, or the sizes after an append."""
    return [(number ^ SIGN) - SIGN if code == GOOD else None
            for number, code in zip(batch.column(NUMBER), codes)]


class Page(NamedTuple):
    """One page of a scan, as bytes, and where the next one starts."""
    entries: Optional[memoryview]
    cursor: int


def pages(batch: Batch, codes: bytes) -> List[Page]:
    """The pages of a scan."""
    return list(map(Page, batch.values(), batch.column(CURSOR)))


Reading = Callable[[Batch, bytes], List[Any]]


def read(batch: Batch, reading: Reading) -> Reply:
    """The reply of a batch that has come back. It does not need the batch
    afterwards."""
    codes, errors = batch.statuses(), batch.head.errors
    results = reading(batch, codes)
    if errors:
        reply = Reply(batch.op, codes, results, errors, batch.message(),
                      batch.sizes())
    else:
        reply = Reply(batch.op, codes, results, 0)
    batch.finish()
    return reply
