"""Work in the background, for engines that poll one descriptor: any thread
submits a call and gets a number, and one thread polls, then drains.

Each number comes back once, with its Reply. That holds for calls that the
store refuses because its queue is full, for calls that a store answers at
once, and at close. Keys and memory are kept until then, also if the caller
forgets them.

The completion queue writes a byte to a socket when batches have come back. A
call that never goes through the queue, since it was answered or refused at
submit, rings the same way, so the thread that polls needs to know only one
descriptor. The store should be opened with inline=False: then workers do the
work that memory, for example, would do on the thread that submits.
"""
import itertools
import os
import socket
import threading
from collections import deque
from typing import Deque, Dict, List, NamedTuple, Tuple

from . import library
from .asking import Call
from .batch import Batch, spare
from .errors import Error
from .owner import Owner
from .queue import Queue
from .reply import Reply
from .store import Store


class Ended(NamedTuple):
    """A call that has ended."""
    number: int
    call: Call
    reply: Reply


class Jobs(Owner):
    """The calls to a store that run in the background."""

    def __init__(self, store: Store):
        self.store = store
        self._process = os.getpid()
        self._numbers = itertools.count(1)
        self._draining = threading.Lock()
        self._flying: Dict[int, Tuple[int, Call, Batch]] = {}
        self._ended: Deque[Ended] = deque()
        self._reading, self._ringing = socket.socketpair()
        self._reading.setblocking(False)
        self._ringing.setblocking(False)
        self._queue = Queue()
        self._queue.ring_socket(self._ringing.fileno())

    def fileno(self) -> int:
        """A descriptor that is readable while replies wait. Only poll it."""
        return self._reading.fileno()

    def submit(self, call: Call) -> int:
        """Begins a call, and returns its number. Never blocks. Raises
        TypeError or ValueError for wrong arguments, and Error in the child of
        a fork; then there is no number."""
        store = self.store._pointer  # raises Error if it was never opened
        batch = spare.take(len(call.keys))
        call.fill(batch)
        number = next(self._numbers)
        # Known before it is submitted, since it may be drained at once.
        self._flying[batch.pointer] = number, call, batch
        if library.submit(store, self._queue.pointer, batch.pointer) != 0:
            del self._flying[batch.pointer]
            self._end(Ended(number, call, self._read(call, batch)))
        return number

    def drain(self) -> List[Ended]:
        """The calls that have ended since the last drain. Never blocks."""
        if os.getpid() != self._process:
            return []
        with self._draining:
            # The ring is read first. What ends later rings again.
            try:
                self._reading.recv(4096)
            except BlockingIOError:
                pass
            ended = [Ended(number, call, self._read(call, batch))
                     for number, call, batch
                     in map(self._flying.pop, self._queue.drain())]
            while self._ended:
                ended.append(self._ended.popleft())
            return ended

    def close(self, timeout: float = 5) -> None:
        """Closes the store. Calls that run may end, until the timeout. What
        has not ended then is cancelled. All replies can be drained after
        that. A second close does nothing."""
        try:
            self.store.close(timeout)
        except Error:
            pass  # a connector hangs, and its calls are freed below
        if os.getpid() != self._process:
            return
        for ended in self.drain():
            self._end(ended)
        with self._draining:
            while self._flying:
                number, call, batch = self._flying.popitem()[1]
                batch.free()
                self._end(Ended(number, call, no_answer(call)))

    def _read(self, call: Call, batch: Batch) -> Reply:
        reply = call.read(batch)
        spare.put(batch)
        return reply

    def _end(self, ended: Ended) -> None:
        """Ends a call without the queue."""
        if os.getpid() != self._process:
            ended.reply.check()
        self._ended.append(ended)
        try:
            self._ringing.send(b"\0")
        except BlockingIOError:
            pass  # there are unread bytes, which wake the reader

    def __del__(self):
        # What outlives this object in a cycle finds it ended, as after a fork.
        # The queue must not ring a socket that is closed.
        self._process = 0
        if hasattr(self, "_queue"):
            self._queue.ring_socket(-1)
            for _, _, batch in self._flying.values():
                batch.free()


def no_answer(call: Call) -> Reply:
    """The reply to a call that a store did not end before it was closed."""
    n = len(call.keys)
    return Reply(call.op, bytes([library.NUMBERS["skipped"]]) * n, [None] * n,
                 n, "closed without an answer")
