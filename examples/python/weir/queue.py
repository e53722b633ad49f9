"""A completion queue of weir.h: finished batches, and a descriptor that is
readable while some wait."""
import ctypes
from typing import List, Optional

from . import library
from .owner import Owner

AT_ONCE = 64


class Queue(Owner):
    """A completion queue."""

    pointer: Optional[int] = None

    def __init__(self):
        made = ctypes.c_void_p()
        if library.queue_new(ctypes.byref(made)) < 0:
            raise OSError("weir: no memory or no descriptor for a completion "
                          "queue")
        self.pointer = made.value
        self.fd: int = library.queue_fd(self.pointer)
        self._out = (ctypes.c_void_p * AT_ONCE)()

    def drain(self) -> List[int]:
        """The addresses of the batches that have finished. Never blocks. One
        thread at a time may call it. The garbage collector may have ended the
        queue before those that use it; then there are none."""
        done: List[int] = []
        while self.pointer:
            n = library.queue_drain(self.pointer, self._out, AT_ONCE)
            done += self._out[:n]
            if n < AT_ONCE:
                break
        return done

    def ring_socket(self, fd: int) -> None:
        """Makes the queue ring by writing a byte to a socket."""
        if self.pointer:
            library.queue_ring_socket(self.pointer, fd)

    def __del__(self):
        pointer, self.pointer = self.pointer, None
        if pointer:
            library.queue_free(pointer)
