"""weir as a storage connector of LMCache in its multi-process mode:

    --l2-adapter '{"type": "native_plugin", "module_path": "weir_lmcache",
        "class_name": "WeirConnector", "max_capacity_gb": 400,
        "adapter_params": {"url": "lua:/etc/weir/kv.lua", "timeout": "2s"}}'

What was read, of which version: LMCache's native_plugin_l2_adapter.py at
68c638a and native_connector_l2_adapter.py at 0b43a45 (2026). The adapter there
imports this module, makes the class with adapter_params, and calls the methods
below. It submits under a lock of its own from any thread, and its one thread
polls event_fd() and drains.

It reads the tuples (id, ok, error, results) of drain_completions() so:

    store   ok alone counts: all keys are there afterwards, or none are.
            So ok is false if one value was not stored.
    lookup  if ok is false, no key counts as found. So it is true as long as a
            key has an answer, and a key with an error is not found.
    load    results alone count. A value whose size is not that of its buffer
            is not loaded, because the rest of the buffer would be stale.
    delete  results alone count, and the usage is reduced for those. So a key
            that was not there any more, because the store evicted it, is
            deleted, too.
"""
import operator
from typing import Any, List, Sequence, Tuple

from weir import Reply, Store
from weir.asking import DELETE, EXISTS, GET, SET, Call
from weir.jobs import Jobs

Result = Tuple[bool, str, List[bool]]
Completion = Tuple[int, bool, str, List[bool]]


class WeirConnector:
    """A store of weir behind LMCache's native interface. The options are those
    of weir.Store. Workers do the work, also of stores that could answer in
    place, because LMCache holds a lock while it submits."""

    def __init__(self, url: str, **options: Any):
        self._jobs = Jobs(Store(url, **{"inline": False, **options}))

    def event_fd(self) -> int:
        """Readable while completions wait to be drained. Only poll it."""
        return self._jobs.fileno()

    def submit_batch_get(self, keys: Sequence[str],
                         buffers: Sequence[memoryview]) -> int:
        """Reads the value of keys[i] into buffers[i]. Returns an id."""
        return self._jobs.submit(Call(GET, list(keys), buffers=list(buffers)))

    def submit_batch_set(self, keys: Sequence[str],
                         buffers: Sequence[memoryview]) -> int:
        """Stores buffers[i] under keys[i]. Returns an id."""
        return self._jobs.submit(Call(SET, list(keys), values=list(buffers)))

    def submit_batch_exists(self, keys: Sequence[str]) -> int:
        """Looks keys up. Returns an id."""
        return self._jobs.submit(Call(EXISTS, list(keys)))

    def submit_batch_delete(self, keys: Sequence[str]) -> int:
        """Removes keys. Returns an id."""
        return self._jobs.submit(Call(DELETE, list(keys)))

    def drain_completions(self) -> List[Completion]:
        """The submissions that have ended since the last call, each once:
        (id, ok, error, result of each key)."""
        return [(number, *COMPLETIONS[call.op](call, reply))
                for number, call, reply in self._jobs.drain()]

    def ask(self, words: str) -> str:
        """Asks the store something, as weir.Store.ask does."""
        return self._jobs.store.ask(words)

    def close(self, timeout: float = 5) -> None:
        """Ends the store. What runs may end within so many seconds. Each
        submission has a completion then, which can still be drained."""
        self._jobs.close(timeout)


def reason(reply: Reply) -> str:
    """The first error of a reply, or an empty string."""
    return next((str(error) for error in map(reply.error, range(len(reply)))
                 if error), "") if reply.errors else ""


def complete_get(call: Call, reply: Reply) -> Result:
    rooms = [memoryview(buffer).nbytes for buffer in call.buffers]
    loaded = list(map(operator.eq, reply, rooms))
    error = reason(reply)
    if not error and not all(loaded):
        error = next(("%s: the value has %d bytes, its buffer %d" % bad
                      for bad in zip(call.keys, reply, rooms)
                      if bad[1] not in (None, bad[2])), "")
    return not error, error, loaded


def complete_set(call: Call, reply: Reply) -> Result:
    stored = list(map(bool, reply))
    error = reason(reply)
    if not error and not all(stored):
        error = "%s: the store did not admit the value" % (
            call.keys[stored.index(False)])
    return not error, error, stored


def complete_exists(call: Call, reply: Reply) -> Result:
    return (reply.errors < max(len(reply), 1), reason(reply),
            list(map(bool, reply)))


def complete_delete(call: Call, reply: Reply) -> Result:
    return (not reply.errors, reason(reply),
            [reply.error(i) is None for i in range(len(reply))])


COMPLETIONS = {GET: complete_get, SET: complete_set, EXISTS: complete_exists,
               DELETE: complete_delete}
