"""The error that the calls of this module raise when a store fails."""
from typing import Optional

from . import library

RETRY_IDEMPOTENT, RETRY_ANY = 1, 2


class Error(Exception):
    """A store did not do what it was asked to do.

    code: the name of the status: "timeout", "busy", "unavailable", "failed",
        ... (`enum weir_status` of weir.h lists them all)
    message: a sentence for people that names the store
    retryable: the same call may be tried again: either the store did not do
        it, or to do it twice has the effect of doing it once
    size: of "toobig" in get_into, the size of the value

    Wrong arguments raise TypeError or ValueError instead. A key that is not
    there is no error: the result says so.
    """

    def __init__(self, code: str, message: str, retryable: bool = False,
                 size: Optional[int] = None):
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.size = size

    def __reduce__(self):
        return type(self), (self.code, self.message, self.retryable, self.size)


def may_retry(status: int, op: int) -> bool:
    """Whether an op that ended with a status may be tried again."""
    retry = library.STATUSES[status].retry
    return retry == RETRY_ANY or (
        retry == RETRY_IDEMPOTENT and op in library.IDEMPOTENT)
