"""A batch of weir.h: n keys with one op, filled and read in columns.

An item is 64 bytes long, eight words. A loop over items in Python would cost
more than the work of most stores, so each field of all items is written and
read at once, as a slice of words with a step of eight.

The batch keeps what its items point at: the keys, until submit has copied
them, and the memory that is lent, until the batch is drained or freed.
"""
from array import array
from itertools import accumulate
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from . import library
from .buffers import Lent
from .owner import Owner
from .values import take_values

Key = Union[str, bytes, bytearray, memoryview]

# The words of an item, as struct weir_item has them.
KEY, KEY_LEN, DATA, CAP, SIZE, VALUE, TTL, CURSOR = range(8)
NUMBER = CURSOR  # a union
STATUS_BYTE = 12
WORDS, BYTES = 8, 64

# Values up to this size are joined in one copy, which is cheaper than to lend
# the memory of each.
JOINED = 4096


def encode(keys: Sequence[Key]) -> Tuple[bytes, List[int]]:
    """The bytes of keys, joined, and the length of each. A str is UTF-8."""
    kinds = set(map(type, keys))
    if kinds == {str}:
        joined = "".join(keys).encode("utf-8", "surrogateescape")
        lengths = list(map(len, keys))
        if len(joined) == sum(lengths):  # all are ASCII
            return joined, lengths
    if kinds != {bytes}:
        keys = [key_bytes(i, key) for i, key in enumerate(keys)]
    return b"".join(keys), list(map(len, keys))


def key_bytes(i: int, key: Key) -> bytes:
    """The bytes of a key."""
    if isinstance(key, str):
        return key.encode("utf-8", "surrogateescape")
    if isinstance(key, (bytes, bytearray, memoryview)):
        return bytes(key)
    raise TypeError("key %d must be str or bytes, not %s"
                    % (i, type(key).__name__))


def small_sizes(values: Sequence[Any]) -> Optional[List[int]]:
    """The sizes of values that are small, and of kinds that can be joined."""
    kinds = set(map(type, values))
    if kinds <= {bytes, bytearray}:
        sizes = list(map(len, values))
    elif kinds == {memoryview} and all(v.c_contiguous for v in values):
        sizes = [v.nbytes for v in values]
    else:
        return None
    return sizes if max(sizes) <= JOINED else None


class Batch(Owner):
    """A batch, for one use at a time, which can be used many times."""

    pointer: Optional[int] = None
    lent: Optional[Lent] = None

    def __init__(self, capacity: int):
        self.kept: List[Any] = []
        self.pointer = library.batch_new(capacity)
        if not self.pointer:
            raise MemoryError("weir: no memory for a batch of %d" % capacity)
        self.capacity = capacity
        self.head = library.Head.from_address(self.pointer)
        self.n = 0
        self.op = 0
        size = max(capacity, 1) * BYTES
        self.bytes = library.view_memory(self.head.items, size,
                                         library.VIEW_WRITE)
        self.words = self.bytes.cast("Q")

    # ---- filling ----

    def begin(self, op: int, keys: Sequence[Key]) -> None:
        """Makes it a batch of an op on keys."""
        self.release()
        joined, lengths = encode(keys)
        n = self.n = len(lengths)
        self.op = op
        if library.batch_reset(self.pointer, op, n) < 0:
            raise RuntimeError("weir: the batch is in flight")
        self.kept = [joined]
        if n:
            self.set_column(KEY, self.places(joined, lengths))
            self.set_column(KEY_LEN, lengths)

    @staticmethod
    def places(joined: bytes, lengths: List[int]) -> Iterable[int]:
        """Where each part of joined bytes begins."""
        return accumulate(lengths[:-1], initial=library.bytes_address(joined))

    def set_column(self, word: int, numbers: Iterable[int]) -> None:
        """Sets one field of all items."""
        if not isinstance(numbers, memoryview):
            numbers = array("Q", numbers)
        self.words[word:WORDS * self.n:WORDS] = numbers

    def send(self, values: Sequence[Any]) -> None:
        """Gives the items of a set their values."""
        if len(values) != self.n:
            raise ValueError("%d keys need as many values, not %d"
                             % (self.n, len(values)))
        if not self.n:
            return
        sizes = small_sizes(values)
        if sizes is None:
            self.lent = Lent(self.n)
            self.lent.lend(values, "value", writable=False)
            self.set_column(DATA, self.lent.addresses())
            self.set_column(SIZE, self.lent.sizes())
        else:
            joined = b"".join(values)
            self.kept.append(joined)
            self.set_column(DATA, self.places(joined, sizes))
            self.set_column(SIZE, sizes)

    def receive(self, buffers: Sequence[Any]) -> None:
        """Gives the items of a get the memory that their values go to."""
        if len(buffers) != self.n:
            raise ValueError("%d keys need as many buffers, not %d"
                             % (self.n, len(buffers)))
        self.lent = Lent(self.n)
        self.lent.lend(buffers, "buffer", writable=True)
        self.set_column(DATA, self.lent.addresses())
        self.set_column(CAP, self.lent.sizes())

    # ---- reading, when it has come back ----

    def column(self, word: int) -> List[int]:
        """One field of all items."""
        return self.words[word:WORDS * self.n:WORDS].tolist()

    def statuses(self) -> bytes:
        """The status of each item, as a number."""
        return self.bytes[STATUS_BYTE:BYTES * self.n:BYTES].tobytes()

    def values(self) -> List[Optional[memoryview]]:
        """The values of the items. Call it once."""
        return take_values(self.words, self.n)

    def sizes(self) -> List[int]:
        """The sizes of the values of all items."""
        return self.column(SIZE)

    def message(self) -> str:
        """The first error, in words."""
        return library.told(self.head.error)

    # ---- the end ----

    def release(self) -> None:
        """Gives back what was lent. Only for a batch that is not in flight."""
        if self.lent is not None:
            self.lent.give_back()
        self.lent, self.kept = None, []

    def finish(self) -> None:
        """Drops what the batch still has after it was read."""
        self.release()
        library.batch_reset(self.pointer, self.op, 0)

    def free(self) -> None:
        """Ends the batch. In flight, it is cancelled, and the runtime does not
        touch lent memory any more. Nothing comes out of the queue for it."""
        pointer, self.pointer = self.pointer, None
        # An exception here, by a second Ctrl-C, loses the batch. Then what it
        # was lent is never given back, because it may still be written to.
        if pointer:
            library.batch_free(pointer)
            self.release()

    def __del__(self):
        self.free()


class Spare:
    """Batches of all stores that wait for their next use, by capacity: powers
    of two from 8 to LARGEST, MOST of each. Any thread may take and put."""

    MOST, LARGEST = 32, 4096

    def __init__(self):
        self.lists: Dict[int, List[Batch]] = {}

    def take(self, n: int) -> Batch:
        """A batch with room for n items."""
        capacity = max(8, 1 << max(n - 1, 0).bit_length())
        try:
            return self.lists[capacity].pop()
        except LookupError:
            return Batch(capacity)

    def put(self, batch: Batch) -> None:
        """Keeps a batch for its next use."""
        spare = self.lists.setdefault(batch.capacity, [])
        if batch.capacity <= self.LARGEST and len(spare) < self.MOST:
            spare.append(batch)


spare = Spare()
