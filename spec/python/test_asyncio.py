"""The awaitable calls."""
import asyncio
import unittest

import folders
import weir
from weir import aio


class Awaiting(unittest.TestCase):

    def over_each(self, check):
        for name, url in folders.urls(self).items():
            with self.subTest(store=name), weir.Store(url) as store:
                asyncio.run(asyncio.wait_for(check(store), 30))

    def test_each_call_gives_what_the_blocking_one_gives(self):
        async def check(store):
            buffer = bytearray(5)
            self.assertIs(await store.aset("key", b"value", ttl=100), True)
            self.assertEqual(await store.aget("key"), b"value")
            self.assertEqual(await store.aget_into("key", buffer), 5)
            self.assertEqual(buffer, b"value")
            self.assertIs(await store.aexists("key"), True)
            self.assertEqual((await store.astat("key")).size, 5)
            self.assertIs(await store.atouch("key"), True)
            self.assertIs(await store.adelete("key"), True)
            self.assertIsNone(await store.aget("key"))
            keys = ["key/%d" % i for i in range(300)]
            values = [key.encode() for key in keys]
            (await store.aset_many(keys, values, ttl=100)).check()
            self.assertEqual(list(await store.aget_many(keys)), values)
            buffers = [bytearray(len(value)) for value in values]
            (await store.aget_into_many(keys, buffers)).check()
            self.assertEqual(buffers, values)
            self.assertEqual(
                sorted([entry.key async for entry in store.ascan("key/")]),
                sorted(values))
            for reply in (await store.aexists_many(keys),
                          await store.atouch_many(keys),
                          await store.adelete_many(keys)):
                self.assertEqual(list(reply), [True] * 300)
            self.assertEqual((await store.astat_many(keys)).statuses,
                             ["miss"] * 300)

        self.over_each(check)

    def test_many_calls_at_once(self):
        async def one(store, i):
            key, value = "key/%d" % i, b"%d" % i * 1000
            await store.aset(key, value)
            return (await store.aget(key)) == value

        async def check(store):
            right = await asyncio.gather(*(one(store, i) for i in range(300)))
            self.assertEqual(right, [True] * 300)

        self.over_each(check)

    def test_the_loop_goes_on_meanwhile(self):
        async def check():
            with weir.Store("fault", delay="300ms") as store:
                call = asyncio.ensure_future(store.aget("key"))
                turns = 0
                while not call.done():
                    await asyncio.sleep(0.001)
                    turns += 1
                self.assertGreater(turns, 10)
                self.assertIsNone(await call)

        asyncio.run(check())

    def test_an_error_is_raised_where_it_is_awaited(self):
        async def check():
            with weir.Store("fault", rate="1") as store:
                with self.assertRaises(weir.Error) as caught:
                    await store.aget("key")
                self.assertEqual(caught.exception.code, "failed")
                self.assertEqual((await store.aget_many(["a", "b"])).errors, 2)

        asyncio.run(check())

    def test_a_call_that_is_cancelled_gives_its_memory_back(self):
        async def check():
            store = weir.Store("fault", hang="1")
            buffer = bytearray(8192)
            call = asyncio.ensure_future(store.aget_into("key", buffer))
            await asyncio.sleep(0.05)
            with self.assertRaises(BufferError):
                buffer.append(1)
            call.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await call
            buffer.append(1)
            channel = aio.channel_here()
            self.assertEqual((channel.waiting, channel.queue.drain()), ({}, []))
            store.close(0)

        asyncio.run(check())

    def test_loops_one_after_the_other_and_in_threads(self):
        async def check(store, i):
            await store.aset("key/%d" % i, b"%d" % i)
            return bytes(await store.aget("key/%d" % i))

        async def in_threads(store):
            loop = asyncio.get_running_loop()
            return await asyncio.gather(*(
                loop.run_in_executor(None, asyncio.run, check(store, i))
                for i in range(8)))

        with weir.Store("memory", inline=False, capacity="8MiB") as store:
            for i in range(5):
                self.assertEqual(asyncio.run(check(store, i)), b"%d" % i)
            self.assertEqual(asyncio.run(in_threads(store)),
                             [b"%d" % i for i in range(8)])

    def test_a_loop_that_ends_before_its_calls_leaves_nothing(self):
        store = weir.Store("fault", hang="1")
        buffer = bytearray(8192)
        loop = asyncio.new_event_loop()
        call = loop.create_task(store.aget_into("key", buffer))
        loop.run_until_complete(asyncio.sleep(0.05))
        call.cancel()
        loop.run_until_complete(asyncio.gather(call, return_exceptions=True))
        loop.close()
        buffer.append(1)
        store.close(0)
