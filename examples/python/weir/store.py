"""weir.Store: a store of weir, opened by its URL."""
import ctypes
import errno
import os
from typing import Any, Iterator, Optional, Sequence, Union

from . import asking, library
from .aio import AsyncCalls
from .atomic import AtomicCalls
from .asking import Call, Entry, listed
from .batch import Key, spare
from .errors import Error
from .owner import Owner
from .reply import Reply, Stat
from .values import take_value
from .waiting import deadline_of, put_desk, take_desk

Option = Union[str, int, float, bool]

# The codes of errors that are not the result for a key, by errno.
CODES = {
    errno.EINVAL: "invalid", errno.ENOENT: "invalid", errno.ECHILD: "invalid",
    errno.ENOMEM: "busy", errno.EAGAIN: "busy", errno.ETIMEDOUT: "timeout",
    errno.ENOTSUP: "unsupported", errno.ESHUTDOWN: "skipped",
}


def c_bytes(words: Any, what: str) -> bytes:
    """A str as C reads it, which ends at a NUL. Like a key, it is UTF-8, and
    may have other bytes as os.fsdecode gives them for a path."""
    if not isinstance(words, str):
        raise TypeError("%s must be a str, not %s"
                        % (what, type(words).__name__))
    if "\0" in words:
        raise ValueError("%s has no NUL: %r" % (what, words))
    return words.encode("utf-8", "surrogateescape")


def in_words(name: str, value: Option) -> bytes:
    """An option as weir reads it: 64MiB, 50ms, true."""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, (str, int, float)):
        return c_bytes(str(value), "option " + name)
    raise TypeError("option %s must be a str, a number or a bool, not %s"
                    % (name, type(value).__name__))


class Store(Owner, AsyncCalls, AtomicCalls):
    """A store, opened by its URL: "memory://?capacity=1GiB",
    "fs:///var/cache/kv", "redis://host:6379", "lua:/etc/weir/kv.lua".

    Options may also be given by name, in words or as a number: capacity=
    "64MiB", timeout="50ms", workers=4. They override those of the URL. `weir
    connectors NAME` lists them. To open a store does not use the network.

        with weir.Store("fs:///tmp/kv") as store:
            store.set("greeting", b"hello")
            bytes(store.get("greeting"))

    Keys are str (UTF-8) or bytes. A value is any object with the buffer
    protocol, if its memory is contiguous: bytes, bytearray, memoryview, array,
    mmap, a numpy array. It is not copied on the way to the store, except when
    it is small (4 KiB), and it must not be changed during the call. A value
    that is read is a read-only memoryview, which keeps its memory alive; again
    only small ones are copies.

    The *_many calls take a list of keys and send them together. They return a
    Reply with a result for each key and raise nothing for an error of a key.
    The calls for one key raise Error. Each call takes a timeout in seconds,
    after which its keys have the status "skipped" or "timeout". The default is
    the store's option `timeout`.

    Any thread may use a store at any time. Ctrl-C ends a call at once. A
    process that was forked must open stores of its own. The calls whose names
    begin with an "a" are for asyncio (aio.py). atomic.py has the atomic ones.
    """

    _pointer: int  # while the store is open or closed
    _closed = False

    def __init__(self, url: str, **options: Option):
        target = c_bytes(url, "a URL")
        settings = (library.Setting * len(options))(*(
            (c_bytes(name, "an option's name"), in_words(name, value))
            for name, value in options.items()))
        made, failure = ctypes.c_void_p(), library.Failure()
        code = library.store_open(ctypes.byref(made), target, settings,
                                  len(options), ctypes.byref(failure))
        if code < 0:
            raise Error(CODES.get(-code, "failed"), library.told(failure))
        self._pointer = made.value

    # ---- one key ----

    def get(self, key: Key, *, timeout: Optional[float] = None
            ) -> Optional[memoryview]:
        """The value of a key, or None."""
        return self._run_one(Call(asking.GET, [key]), timeout)

    def get_into(self, key: Key, buffer: Any, *,
                 timeout: Optional[float] = None) -> Optional[int]:
        """Reads the value of a key into memory of the caller. Returns its
        size, or None. A buffer that is too small is an Error "toobig", whose
        size is that of the value."""
        return self._run_one(Call(asking.GET, [key], buffers=[buffer]),
                             timeout)

    def set(self, key: Key, value: Any, *, ttl: Optional[float] = None,
            timeout: Optional[float] = None) -> bool:
        """Stores a value, with a time to live in seconds. False: the store
        did not admit it."""
        return self._run_one(
            Call(asking.SET, [key], values=[value], ttl=ttl), timeout)

    def exists(self, key: Key, *, timeout: Optional[float] = None) -> bool:
        """Whether a key is there."""
        return self._run_one(Call(asking.EXISTS, [key]), timeout)

    def delete(self, key: Key, *, timeout: Optional[float] = None) -> bool:
        """Removes a key. False: it was not there."""
        return self._run_one(Call(asking.DELETE, [key]), timeout)

    def stat(self, key: Key, *, timeout: Optional[float] = None
             ) -> Optional[Stat]:
        """The size of a value and its time to live, or None."""
        return self._run_one(Call(asking.STAT, [key]), timeout)

    def touch(self, key: Key, ttl: Optional[float] = None, *,
              timeout: Optional[float] = None) -> bool:
        """Gives a key a new time to live in seconds; None: it never expires.
        False: it is not there."""
        return self._run_one(Call(asking.TOUCH, [key], ttl=ttl), timeout)

    # ---- many keys ----

    def get_many(self, keys: Sequence[Key], *,
                 timeout: Optional[float] = None) -> Reply:
        """The values of keys."""
        return self._run(Call(asking.GET, listed(keys, "keys")), timeout)

    def get_into_many(self, keys: Sequence[Key], buffers: Sequence[Any], *,
                      timeout: Optional[float] = None) -> Reply:
        """Reads the value of keys[i] into buffers[i]. Results are sizes."""
        return self._run(
            Call(asking.GET, listed(keys, "keys"),
                 buffers=listed(buffers, "buffers")), timeout)

    def set_many(self, keys: Sequence[Key], values: Sequence[Any], *,
                 ttl: Optional[float] = None,
                 timeout: Optional[float] = None) -> Reply:
        """Stores values[i] under keys[i], each on its own."""
        return self._run(
            Call(asking.SET, listed(keys, "keys"),
                 values=listed(values, "values"), ttl=ttl), timeout)

    def exists_many(self, keys: Sequence[Key], *,
                    timeout: Optional[float] = None) -> Reply:
        """Whether each key is there."""
        return self._run(Call(asking.EXISTS, listed(keys, "keys")), timeout)

    def delete_many(self, keys: Sequence[Key], *,
                    timeout: Optional[float] = None) -> Reply:
        """Removes keys."""
        return self._run(Call(asking.DELETE, listed(keys, "keys")), timeout)

    def stat_many(self, keys: Sequence[Key], *,
                  timeout: Optional[float] = None) -> Reply:
        """The facts of the values of keys."""
        return self._run(Call(asking.STAT, listed(keys, "keys")), timeout)

    def touch_many(self, keys: Sequence[Key], ttl: Optional[float] = None, *,
                   timeout: Optional[float] = None) -> Reply:
        """Gives keys a new time to live."""
        return self._run(Call(asking.TOUCH, listed(keys, "keys"), ttl=ttl),
                         timeout)

    def scan(self, prefix: Key = b"", *, page: int = 0,
             timeout: Optional[float] = None) -> Iterator[Entry]:
        """The keys that begin with a prefix, page by page: about so many keys
        a page, each within the timeout. A key that is written meanwhile may
        come twice."""
        cursor = 0
        while True:
            found = self._run_one(
                Call(asking.SCAN, [prefix], page=page, cursor=cursor), timeout)
            yield from asking.entries(found)
            cursor = found.cursor
            if cursor == 0:
                return

    # ---- the store ----

    @property
    def name(self) -> str:
        """The store's name in messages."""
        return library.store_name(self._pointer).decode(errors="replace")

    def ask(self, words: str, *, timeout: Optional[float] = None) -> str:
        """Asks a store something in words. A policy file (lua:kv.lua) knows
        "reload", "undo", "tree", "stats", "explain get KEY", "help". Only
        the timeout ends the wait; Ctrl-C is heard after it."""
        answer, failure = ctypes.c_void_p(), library.Failure()
        code = library.store_ask(self._pointer,
                                 c_bytes(words, "what is asked"),
                                 deadline_of(timeout), ctypes.byref(answer),
                                 ctypes.byref(failure))
        if code < 0:
            raise Error(CODES.get(-code, "failed"), library.told(
                failure, "%s: no answer to %r" % (self.name, words)))
        return bytes(take_value(answer)).decode(errors="replace")

    def close(self, timeout: Optional[float] = 5) -> None:
        """Ends the store. Calls that run may end, until the timeout (None:
        without limit). Later calls fail. A second close does nothing. Ctrl-C
        ends the wait at once, and the store closes in the background."""
        code = self._close(deadline_of(timeout) or library.FOREVER)
        if code < 0:
            why = "opened before a fork" if code == -errno.ECHILD \
                else os.strerror(-code)
            raise Error(CODES.get(-code, "failed"),
                        "%s: cannot close: %s" % (self.name, why))
        self._closed = True

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        opened = "_pointer" in self.__dict__
        return "<weir.Store %s>" % (self.name if opened else "unopened")

    def __getattr__(self, name: str) -> Any:
        # Only asked for an attribute that is not there.
        if name == "_pointer":
            raise Error("skipped", "the store is not open: its __init__ has "
                        "not run to its end, or the garbage collector has "
                        "ended it")
        raise AttributeError("%r object has no attribute %r"
                             % (type(self).__name__, name))

    def __del__(self):
        pointer = self.__dict__.pop("_pointer", None)
        if pointer:
            free = library.store_free if self._closed else library.store_drop
            free(pointer)

    def _run(self, call: Call, timeout: Optional[float]) -> Reply:
        desk = take_desk()
        batch = spare.take(len(call.keys))
        try:
            call.fill(batch)
            batch.head.deadline_ns = deadline_of(timeout)
            if library.submit(self._pointer, desk.queue.pointer,
                              batch.pointer) == 0:
                desk.wait()
            reply = call.read(batch)
        except BaseException:
            batch.free()
            raise
        spare.put(batch)
        put_desk(desk)
        return reply

    def _close(self, deadline: int) -> int:
        """Closes on a thread of the runtime, and waits for it here, where
        Ctrl-C ends the wait. Returns what weir_close returns."""
        desk = take_desk()
        batch = spare.take(0)
        try:
            batch.begin(asking.GET, [])
            code = library.close_begin(
                self._pointer, desk.queue.pointer, batch.pointer, deadline,
                library.CLOSE_DRAIN)
            if code == 0:
                desk.wait()
                code = batch.head.error.code
            batch.finish()
        except BaseException:
            batch.free()
            raise
        spare.put(batch)
        put_desk(desk)
        if -code in (errno.EAGAIN, errno.ENOMEM):  # there is no thread for it
            code = library.store_close(self._pointer, deadline,
                                       library.CLOSE_DRAIN)
        return code

    def _run_one(self, call: Call, timeout: Optional[float]) -> Any:
        return self._run(call, timeout).check()[0]
