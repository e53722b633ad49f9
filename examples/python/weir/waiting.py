"""Calls that block: a batch is submitted, and the calling thread waits for it.

A call takes a desk: a queue for it alone. So threads never wait for each
other, and neither does a signal handler for the call that it interrupts. The
wait is Python's own poll. Therefore Ctrl-C ends it at once: the batch is then
cancelled and freed, and the memory that was lent to it is given back.
"""
import math
import os
import select
from typing import List, Optional

from . import library
from .queue import Queue

# Desks that are kept for the next calls.
DESKS = 64


class Desk:
    """A queue, for one call at a time."""

    def __init__(self):
        self.queue = Queue()
        self.poller = select.poll()
        self.poller.register(self.queue.fd, select.POLLIN)

    def wait(self) -> None:
        """Waits until the batch has come back."""
        while not self.queue.drain():
            self.poller.poll()


desks: List[Desk] = []


def take_desk() -> Desk:
    """A desk for one call."""
    try:
        return desks.pop()
    except IndexError:
        return Desk()


def put_desk(desk: Desk) -> None:
    """Keeps a desk for the next call."""
    if len(desks) < DESKS:
        desks.append(desk)


# In the child of a fork the desks of the parent are of no use.
os.register_at_fork(after_in_child=desks.clear)


def deadline_of(timeout: Optional[float]) -> int:
    """The time at which a call ends, as weir.h counts it. 0: the store's."""
    if timeout is None:
        return 0
    if not isinstance(timeout, (int, float)):
        raise TypeError("timeout must be a number of seconds, not %s"
                        % type(timeout).__name__)
    if not math.isfinite(timeout):
        raise ValueError("timeout must be a finite number of seconds, not %r"
                         % timeout)
    # A very large float has no room for its nanoseconds.
    nanoseconds = max(int(max(min(timeout, 2 ** 64), 0) * 1e9), 1)
    return min(library.now() + nanoseconds, library.FOREVER)
