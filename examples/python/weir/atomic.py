"""The atomic calls of a store: a write whose result depends on the value that
is there. Of many callers at once, in any process, each sees the write of the
one before.

They go to the one store that decides. A policy that keeps several copies may
refuse them: Error "unsupported" with the reason. After "timeout" and "reset"
it is not known whether the write was made.
"""
from typing import Any, Callable, Optional

from . import asking, library
from .asking import Call
from .batch import Key


def incr_call(key: Key, number: int, ttl: Optional[float]) -> Call:
    """An incr. Numbers have 64 bits."""
    if not isinstance(number, int):
        raise TypeError("an incr adds an int, not %s" % type(number).__name__)
    if not -2 ** 63 <= number < 2 ** 63:
        raise ValueError("an incr adds a number of 64 bits, not %d" % number)
    return Call(asking.INCR, [key], number=number, ttl=ttl)


def cas_call(key: Key, old: Any, new: Any, ttl: Optional[float]) -> Call:
    """A cas. Equal bytes have equal versions in every store."""
    try:
        old = memoryview(old).tobytes()
    except TypeError:
        raise TypeError("old must be an object with the buffer protocol, not "
                        + type(old).__name__) from None
    return Call(asking.CAS, [key], values=[new], ttl=ttl,
                number=library.version_of(old, len(old)))


class AtomicCalls:
    """The atomic calls of a Store."""

    _run_one: Callable[[Call, Optional[float]], Any]

    def add(self, key: Key, value: Any, *, ttl: Optional[float] = None,
            timeout: Optional[float] = None) -> bool:
        """Stores a value if there is none. False: there is one."""
        return self._run_one(
            Call(asking.ADD, [key], values=[value], ttl=ttl), timeout)

    def replace(self, key: Key, value: Any, *, ttl: Optional[float] = None,
                timeout: Optional[float] = None) -> bool:
        """Stores a value if there is one. False: there is none."""
        return self._run_one(
            Call(asking.REPLACE, [key], values=[value], ttl=ttl), timeout)

    def incr(self, key: Key, number: int = 1, *, ttl: Optional[float] = None,
             timeout: Optional[float] = None) -> int:
        """Adds to a decimal number, which begins at 0, and returns the sum. A
        value that is no number is an Error "invalid". The time to live is for
        a number that is new."""
        return self._run_one(incr_call(key, number, ttl), timeout)

    def append(self, key: Key, value: Any, *, ttl: Optional[float] = None,
               timeout: Optional[float] = None) -> int:
        """Adds bytes to the end of a value, which begins empty. Returns its
        size. The time to live is for a value that is new."""
        return self._run_one(
            Call(asking.APPEND, [key], values=[value], ttl=ttl), timeout)

    def cas(self, key: Key, old: Any, new: Any, *,
            ttl: Optional[float] = None,
            timeout: Optional[float] = None) -> bool:
        """Stores a new value if the one that is there has the bytes of old.
        False: it has others, or there is none."""
        return self._run_one(cas_call(key, old, new, ttl), timeout)

    def take(self, key: Key, *, timeout: Optional[float] = None
             ) -> Optional[memoryview]:
        """Removes a key and returns its value, or None."""
        return self._run_one(Call(asking.TAKE, [key]), timeout)
