"""The calls of a store for asyncio: `await store.aget_many(keys)`.

Each event loop has one completion queue, which all stores share. While calls
are awaited, the loop watches the queue's descriptor. There are no threads
between the loop and the workers of a store. A store that answers at once, such
as memory, answers without a turn of the loop.

A call that is cancelled is freed: the runtime drops what was not begun, and
does not touch the memory that was lent any more.
"""
import asyncio
import os
import weakref
from typing import Any, AsyncIterator, Dict, Optional, Sequence

from . import asking, library
from .asking import Call, Entry, listed
from .batch import Batch, Key, spare
from .queue import Queue
from .reply import Reply, Stat
from .waiting import deadline_of

class Channel:
    """The queue of an event loop, and the calls that wait for it."""

    def __init__(self):
        self.queue = Queue()
        self.waiting: Dict[int, asyncio.Future] = {}

    def on_readable(self) -> None:
        """Continues the calls whose batches have come back."""
        for pointer in self.queue.drain():
            future = self.waiting.get(pointer)
            if future is not None and not future.done():
                future.set_result(None)

    async def wait(self, batch: Batch) -> None:
        """Waits until a batch in flight has come back."""
        loop = asyncio.get_running_loop()
        pointer, future = batch.pointer, loop.create_future()
        if not self.waiting:
            loop.add_reader(self.queue.fd, self.on_readable)
        self.waiting[pointer] = future
        try:
            await future
        finally:
            del self.waiting[pointer]
            if not self.waiting and not loop.is_closed():
                loop.remove_reader(self.queue.fd)


channels: "weakref.WeakKeyDictionary" = weakref.WeakKeyDictionary()
os.register_at_fork(after_in_child=channels.clear)


def channel_here() -> Channel:
    """The channel of the running loop."""
    loop = asyncio.get_running_loop()
    channel = channels.get(loop)
    if channel is None:
        channel = channels[loop] = Channel()
    return channel


class AsyncCalls:
    """The awaitable calls of a Store. Each is described at the call of the
    same name without the "a"."""

    _pointer: int

    async def _await(self, call: Call, timeout: Optional[float]) -> Reply:
        channel = channel_here()
        batch = spare.take(len(call.keys))
        try:
            call.fill(batch)
            batch.head.deadline_ns = deadline_of(timeout)
            code = library.submit(self._pointer, channel.queue.pointer,
                                  batch.pointer)
            if code == 0:
                await channel.wait(batch)
            reply = call.read(batch)
        except BaseException:
            batch.free()
            raise
        spare.put(batch)
        return reply

    async def _await_one(self, call: Call, timeout: Optional[float]) -> Any:
        return (await self._await(call, timeout)).check()[0]

    async def aget(self, key: Key, *, timeout: Optional[float] = None
                   ) -> Optional[memoryview]:
        """As get()."""
        return await self._await_one(Call(asking.GET, [key]), timeout)

    async def aget_many(self, keys: Sequence[Key], *,
                        timeout: Optional[float] = None) -> Reply:
        """As get_many()."""
        return await self._await(Call(asking.GET, listed(keys, "keys")),
                                 timeout)

    async def aget_into(self, key: Key, buffer: Any, *,
                        timeout: Optional[float] = None) -> Optional[int]:
        """As get_into()."""
        return await self._await_one(
            Call(asking.GET, [key], buffers=[buffer]), timeout)

    async def aget_into_many(self, keys: Sequence[Key],
                             buffers: Sequence[Any], *,
                             timeout: Optional[float] = None) -> Reply:
        """As get_into_many()."""
        return await self._await(
            Call(asking.GET, listed(keys, "keys"),
                 buffers=listed(buffers, "buffers")), timeout)

    async def aset(self, key: Key, value: Any, *, ttl: Optional[float] = None,
                   timeout: Optional[float] = None) -> bool:
        """As set()."""
        return await self._await_one(
            Call(asking.SET, [key], values=[value], ttl=ttl), timeout)

    async def aset_many(self, keys: Sequence[Key], values: Sequence[Any], *,
                        ttl: Optional[float] = None,
                        timeout: Optional[float] = None) -> Reply:
        """As set_many()."""
        return await self._await(
            Call(asking.SET, listed(keys, "keys"),
                 values=listed(values, "values"), ttl=ttl), timeout)

    async def aexists(self, key: Key, *,
                      timeout: Optional[float] = None) -> bool:
        """As exists()."""
        return await self._await_one(Call(asking.EXISTS, [key]), timeout)

    async def aexists_many(self, keys: Sequence[Key], *,
                           timeout: Optional[float] = None) -> Reply:
        """As exists_many()."""
        return await self._await(Call(asking.EXISTS, listed(keys, "keys")),
                                 timeout)

    async def adelete(self, key: Key, *,
                      timeout: Optional[float] = None) -> bool:
        """As delete()."""
        return await self._await_one(Call(asking.DELETE, [key]), timeout)

    async def adelete_many(self, keys: Sequence[Key], *,
                           timeout: Optional[float] = None) -> Reply:
        """As delete_many()."""
        return await self._await(Call(asking.DELETE, listed(keys, "keys")),
                                 timeout)

    async def astat(self, key: Key, *, timeout: Optional[float] = None
                    ) -> Optional[Stat]:
        """As stat()."""
        return await self._await_one(Call(asking.STAT, [key]), timeout)

    async def astat_many(self, keys: Sequence[Key], *,
                         timeout: Optional[float] = None) -> Reply:
        """As stat_many()."""
        return await self._await(Call(asking.STAT, listed(keys, "keys")),
                                 timeout)

    async def atouch(self, key: Key, ttl: Optional[float] = None, *,
                     timeout: Optional[float] = None) -> bool:
        """As touch()."""
        return await self._await_one(Call(asking.TOUCH, [key], ttl=ttl),
                                     timeout)

    async def atouch_many(self, keys: Sequence[Key],
                          ttl: Optional[float] = None, *,
                          timeout: Optional[float] = None) -> Reply:
        """As touch_many()."""
        return await self._await(
            Call(asking.TOUCH, listed(keys, "keys"), ttl=ttl), timeout)

    async def ascan(self, prefix: Key = b"", *, page: int = 0,
                    timeout: Optional[float] = None) -> AsyncIterator[Entry]:
        """As scan(), for `async for`."""
        cursor = 0
        while True:
            found = await self._await_one(
                Call(asking.SCAN, [prefix], page=page, cursor=cursor), timeout)
            for entry in asking.entries(found):
                yield entry
            cursor = found.cursor
            if cursor == 0:
                return
