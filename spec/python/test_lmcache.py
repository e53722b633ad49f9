"""LMCache's contract with a native connector, promise by promise."""
import gc
import os
import random
import select
import subprocess
import sys
import threading
import time
import unittest
import unittest.mock
import weakref

import folders
from adapter import Adapter, load
from test_process import resident

import weir
from weir import library

TREE = os.path.normpath(os.path.join(os.path.dirname(
    os.path.abspath(__file__)), "..", ".."))
SOAK = int(os.environ.get("WEIR_SOAK", 0))


def readable(connector, milliseconds=0):
    """Whether the connector's descriptor says that completions wait."""
    poller = select.poll()
    poller.register(connector.event_fd(), select.POLLIN)
    return bool(poller.poll(milliseconds))


def chunk(size, seed):
    """Memory of a size, as a view that can be written to."""
    return memoryview(bytearray(random.Random(seed).randbytes(size)))


class Held(bytearray):
    """Memory that can be watched."""


class Case(unittest.TestCase):

    def connector(self, url="memory://?capacity=256MiB", **options):
        params = {"url": url, **options}
        connector = load("weir_lmcache", "WeirConnector", params)
        self.addCleanup(connector.close)
        return connector

    def adapter(self, url="memory://?capacity=256MiB", **options):
        adapter = Adapter(self.connector(url, **options))
        self.addCleanup(adapter.close)
        return adapter

    def completions(self, connector, count, seconds=20):
        """Drains until so many have come, or time is up."""
        ended, end = [], time.monotonic() + seconds
        while len(ended) < count and time.monotonic() < end:
            readable(connector, 100)
            ended += connector.drain_completions()
        return ended


class Batches(Case):

    def round_trip(self, adapter, count, sizes):
        keys = ["m@%08x@0@%064x" % (count, i) for i in range(count)]
        chunks = [chunk(sizes[i % len(sizes)], i) for i in range(count)]
        result, = adapter.wait(adapter.store(keys, chunks))
        self.assertEqual(result, (True, "", [True] * count))
        result, = adapter.wait(adapter.lookup(keys))
        self.assertEqual(result, (True, "", [True] * count))
        into = [memoryview(bytearray(c.nbytes)) for c in chunks]
        result, = adapter.wait(adapter.load(keys, into))
        self.assertEqual(result, (True, "", [True] * count))
        self.assertTrue(all(a == b for a, b in zip(into, chunks)))

    def test_of_1_to_1000_keys_and_of_mixed_sizes(self):
        for name, url in folders.urls(self).items():
            with self.subTest(store=name):
                adapter = self.adapter(url)
                for count in (1, 2, 63, 1000):
                    self.round_trip(adapter, count, [4096])
                self.round_trip(adapter, 50, [1, 64, 65536, 4096, 300001])
                self.assertEqual(adapter.unknown, [])

    def test_of_chunks_of_4_mib(self):
        self.round_trip(self.adapter(), 8, [4 << 20])

    def test_of_no_keys(self):
        adapter = self.adapter()
        for task in (adapter.store([], []), adapter.load([], []),
                     adapter.lookup([]), adapter.delete([])):
            self.assertEqual(adapter.wait(task), [(True, "", [])])


class Threads(Case):

    def work(self, adapter, i, turns, wrong):
        rng = random.Random(i)
        for turn in range(turns):
            keys = ["m@%d@%d@%d" % (i, turn % 7, k)
                    for k in range(rng.randint(1, 20))]
            chunks = [chunk(rng.choice([64, 5000, 70000]), turn + k)
                      for k in range(len(keys))]
            into = [memoryview(bytearray(c.nbytes)) for c in chunks]
            stored, = adapter.wait(adapter.store(keys, chunks))
            found, loaded = adapter.wait(adapter.lookup(keys),
                                         adapter.load(keys, into))
            if not (stored[0] and all(found[2]) and all(loaded[2])
                    and into == chunks):
                wrong.append((i, turn, stored, found, loaded))
            if turn % 5 == 0:
                adapter.wait(adapter.delete(keys))

    def run_threads(self, adapter, turns, threads=6):
        wrong = []
        running = [threading.Thread(target=self.work,
                                    args=(adapter, i, turns, wrong))
                   for i in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        self.assertEqual((wrong, adapter.unknown, adapter.pending),
                         ([], [], {}))

    def test_many_submit_and_one_polls(self):
        for name, url in folders.urls(self).items():
            with self.subTest(store=name):
                self.run_threads(self.adapter(url), 15)

    def test_the_interpreter_may_switch_at_any_time(self):
        """For WEIR_SOAK seconds, if that is set."""
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-6)
        start, before = time.monotonic(), None
        urls = folders.urls(self) if SOAK else {"": "memory"}
        adapters = [self.adapter(url) for url in urls.values()]
        while True:
            for adapter in adapters:
                self.run_threads(adapter, 15)
                adapter.ended.clear()
            gc.collect()
            spent = time.monotonic() - start
            if before is None and spent > SOAK / 2:  # the stores are full
                before = resident()
            if spent >= SOAK:
                break
        self.assertLess(resident() - before, 64 << 20)

    def test_the_descriptor_rings_for_completions_only(self):
        adapter = self.adapter()
        for i in range(200):
            adapter.wait(adapter.lookup(["key/%d" % i]))
        # A ring may come once more for nothing, never again and again.
        self.assertLess(adapter.empty, 200)
        wakes = adapter.wakes
        time.sleep(0.2)
        self.assertLessEqual(adapter.wakes - wakes, 1)


class Results(Case):

    def test_a_miss_is_no_error(self):
        adapter = self.adapter()
        adapter.wait(adapter.store(["a", "c"], [chunk(100, 1), chunk(100, 2)]))
        buffers = [memoryview(bytearray(b"\7" * 100)) for _ in range(3)]
        for task, expected in (
                (adapter.lookup(["a", "b", "c"]), [True, False, True]),
                (adapter.load(["a", "b", "c"], buffers), [True, False, True])):
            self.assertEqual(adapter.wait(task), [(True, "", expected)])
        self.assertEqual(buffers[1], b"\7" * 100)

    def test_an_error_has_its_reason_and_leaves_other_keys_alone(self):
        adapter = self.adapter("fault", rate="1", match="bad")
        (ok, error, results), = adapter.wait(
            adapter.store(["good", "bad"], [chunk(10, 1), chunk(10, 2)]))
        self.assertEqual((ok, results), (False, [True, False]))
        self.assertIn("memory", error)
        (ok, error, results), = adapter.wait(adapter.load(
            ["good", "bad"], [chunk(10, 3), chunk(10, 4)]))
        self.assertEqual((ok, results), (False, [True, False]))
        # LMCache finds nothing in a lookup that is not ok.
        (ok, error, results), = adapter.wait(adapter.lookup(["good", "bad"]))
        self.assertEqual((ok, results), (True, [True, False]))
        self.assertNotEqual(error, "")
        (ok, error, results), = adapter.wait(adapter.lookup(["bad"]))
        self.assertEqual((ok, results), (False, [False]))

    def test_a_value_of_another_size_is_not_loaded(self):
        adapter = self.adapter()
        adapter.wait(adapter.store(["key"], [chunk(100, 1)]))
        for size in (50, 200):
            (ok, error, results), = adapter.wait(
                adapter.load(["key"], [memoryview(bytearray(size))]))
            self.assertEqual((ok, results), (False, [False]))
            self.assertIn("100 bytes", error)

    def test_a_value_that_is_not_admitted_is_not_stored(self):
        adapter = self.adapter("memory://?capacity=1MiB&max_value=8MiB")
        (ok, error, results), = adapter.wait(
            adapter.store(["small", "big"], [chunk(10, 1), chunk(4 << 20, 2)]))
        self.assertEqual((ok, results), (False, [True, False]))
        self.assertNotEqual(error, "")

    def test_a_key_that_is_gone_is_deleted(self):
        adapter = self.adapter()
        adapter.wait(adapter.store(["key"], [chunk(10, 1)]))
        self.assertEqual(adapter.wait(adapter.delete(["key", "none"])),
                         [(True, "", [True, True])])
        self.assertEqual(adapter.wait(adapter.lookup(["key"])),
                         [(True, "", [False])])

    def test_listeners_keep_the_usage(self):
        for name, url in folders.urls(self).items():
            with self.subTest(store=name):
                adapter, told = self.adapter(url), []
                adapter.listeners.append(lambda *event: told.append(event))
                keys = ["key/%d" % i for i in range(10)]
                chunks = [chunk(1000 + i, i) for i in range(10)]
                adapter.wait(adapter.store(keys, chunks))
                adapter.wait(adapter.store(keys[:2], chunks[:2]))
                self.assertEqual(adapter.usage(), 10045)
                adapter.wait(adapter.load(keys, chunks))
                adapter.wait(adapter.delete(keys[:4]))
                self.assertEqual(adapter.usage(), 10045 - 4006)
                self.assertEqual(told, [
                    ("stored", keys), ("stored", keys[:2]),
                    ("accessed", keys), ("deleted", keys[:4])])


class Memory(Case):

    def test_that_is_not_contiguous_bytes_is_refused_by_name(self):
        connector = self.connector()
        crooked = memoryview(bytearray(100))[::2]
        for call, buffer, words in (
                (connector.submit_batch_set, crooked,
                 "value 0 must be contiguous memory, not memoryview of format "
                 "'B', shape (50,), strides (2,)"),
                (connector.submit_batch_get, crooked,
                 "buffer 0 must be contiguous writable memory"),
                (connector.submit_batch_get, memoryview(b"const"),
                 "read-only"),
                (connector.submit_batch_set, "text", "not str")):
            with self.assertRaises((TypeError, ValueError)) as caught:
                call(["key"], [buffer])
            self.assertIn(words, str(caught.exception))
        with self.assertRaises(ValueError):
            connector.submit_batch_set(["a", "b"], [chunk(1, 1)])
        self.assertEqual(connector.drain_completions(), [])
        self.assertFalse(readable(connector))

    def test_is_kept_until_the_completion_when_the_caller_forgets_it(self):
        connector = self.connector("fault", delay="2s")
        kept = []
        for submit in (connector.submit_batch_set, connector.submit_batch_get):
            memory = Held(b"x" * 9000)
            kept.append(weakref.ref(memory))
            submit(["key/%d" % len(kept)], [memoryview(memory)])
            del memory
        gc.collect()
        self.assertTrue(all(ref() is not None for ref in kept))
        self.assertEqual(len(self.completions(connector, 2)), 2)
        gc.collect()
        self.assertEqual([ref() for ref in kept], [None, None])

    def test_late_answers_find_the_memory_that_they_go_to(self):
        connector = self.connector("fault", delay="100ms")
        connector.submit_batch_set(["key"], [chunk(1 << 20, 1)])
        self.completions(connector, 1)
        for _ in range(4):
            connector.submit_batch_get(["key"],
                                       [memoryview(bytearray(1 << 20))])
        gc.collect()
        noise = [bytearray(1 << 20) for _ in range(8)]
        self.assertEqual([results for _, _, _, results
                          in self.completions(connector, 4)], [[True]] * 4)
        self.assertTrue(all(not any(n[:4096]) for n in noise))

    def test_is_flat(self):
        connector = self.connector("memory://?capacity=8MiB")
        keys = ["key/%d" % i for i in range(100)]
        chunks = [chunk(20000, i) for i in range(100)]

        def turn(times):
            for _ in range(times):
                connector.submit_batch_set(keys, chunks)
                connector.submit_batch_get(keys, chunks)
                connector.submit_batch_exists(keys)
                self.completions(connector, 3)

        turn(30)
        gc.collect()
        before = resident()
        turn(100)
        gc.collect()
        self.assertLess(resident() - before, 10 << 20)


# A connector (spec/connectors/scripted.h) that holds a call, and is deaf to
# interrupts and deadlines until the end.
DEAF = """
import ctypes, weir_lmcache
script = (ctypes.c_uint8 * 8192)()
script[4] = script[5] = 1
connector = weir_lmcache.WeirConnector("scripted",
                                       script="%x" % ctypes.addressof(script))
memory = bytearray(9000)
connector.submit_batch_get(["key"], [memoryview(memory)])
connector.close(0.1)
print(connector.drain_completions(), connector.drain_completions())
memory.append(1)
script[4] = script[5] = 0
"""


class Ends(Case):

    def test_a_full_queue_completes_what_it_refuses(self):
        connector = self.connector("fault", delay="20ms", queue=4, workers=1)
        ids = [connector.submit_batch_set(["key/%d" % i], [chunk(10, i)])
               for i in range(40)]
        ended = self.completions(connector, 40)
        self.assertEqual(sorted(e[0] for e in ended), sorted(ids))
        busy = [e for e in ended if not e[1]]
        self.assertGreater(len(busy), 0)
        self.assertLess(len(busy), 40)
        self.assertTrue(all("full" in e[2] and e[3] == [False] for e in busy),
                        busy[:1])

    def test_what_is_refused_at_submit_rings_too(self):
        connector = self.connector()
        for submit, arguments in (
                (connector.submit_batch_exists, ([""],)),
                (connector.submit_batch_exists, ([],)),
                (connector.submit_batch_set, (["k" * 70000], [chunk(1, 1)]))):
            number = submit(*arguments)
            self.assertTrue(folders.wait_until(lambda: readable(connector)))
            self.assertEqual([e[0] for e in self.completions(connector, 1)],
                             [number])
            self.assertFalse(readable(connector))

    def test_workers_do_what_memory_could_do_in_place(self):
        connector = self.connector()
        for _ in range(20):
            connector.submit_batch_set(["key"], [chunk(1 << 20, 1)])
        # What is answered at submit stands there.
        self.assertEqual(len(connector._jobs._ended), 0)
        self.assertEqual(len(self.completions(connector, 20)), 20)

    def test_close_completes_what_is_in_flight(self):
        for options in ({"delay": "50ms"}, {"hang": "1"},
                        {"connect_failures": 9, "connect_hang": True}):
            with self.subTest(**options):
                connector = self.connector("fault", **options)
                memory = [bytearray(9000) for _ in range(20)]
                ids = [connector.submit_batch_get(["key/%d" % i],
                                                  [memoryview(memory[i])])
                       for i in range(20)]
                connector.close(0.3)
                connector.close()
                self.assertTrue(readable(connector))
                ended = connector.drain_completions()
                self.assertEqual(sorted(e[0] for e in ended), ids)
                self.assertEqual(connector.drain_completions(), [])
                for buffer in memory:
                    buffer.append(1)

    def test_close_completes_what_a_connector_never_ends(self):
        done = subprocess.run(
            [sys.executable, "-c", DEAF], timeout=60, stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path),
                 "WEIR_CONNECTORS": os.path.join(os.path.dirname(library.path),
                                                 "spec", "connectors")})
        self.assertEqual(
            done.stdout.decode(),
            "[(1, False, 'closed without an answer', [False])] []\n")

    def test_after_close_submissions_complete_with_an_error(self):
        connector = self.connector()
        connector.close()
        number = connector.submit_batch_set(["key"], [chunk(10, 1)])
        self.assertTrue(readable(connector))
        (ended, ok, error, results), = connector.drain_completions()
        self.assertEqual((ended, ok, results), (number, False, [False]))
        self.assertIn("closed", error)

    def test_a_connector_that_is_forgotten_leaves_nothing(self):
        before = len(os.listdir("/proc/self/fd"))
        memory = bytearray(9000)
        connector = load("weir_lmcache", "WeirConnector",
                         {"url": "fault", "hang": "1"})
        connector.submit_batch_get(["key"], [memoryview(memory)])
        del connector
        gc.collect()
        memory.append(1)
        self.assertTrue(folders.wait_until(
            lambda: len(os.listdir("/proc/self/fd")) <= before))

    def test_the_child_of_a_fork_is_refused(self):
        connector = self.connector()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                connector.submit_batch_exists(["key"])
            except Exception as error:
                code = 0 if "before a fork" in str(error) else 2
            finally:
                os._exit(code)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        number = connector.submit_batch_exists(["key"])
        self.assertEqual(self.completions(connector, 1),
                         [(number, True, "", [False])])

    def test_the_child_of_a_fork_takes_nothing_from_its_parent(self):
        connector = self.connector()
        number = connector.submit_batch_exists(["key"])
        self.assertTrue(readable(connector, 10000))
        child = os.fork()
        if child == 0:
            os._exit(len(connector.drain_completions()))
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertTrue(readable(connector))
        self.assertEqual(connector.drain_completions(),
                         [(number, True, "", [False])])


class ExamplePolicy(Case):

    def test_of_examples_lmcache_goes_on_without_redis(self):
        redis = folders.Redis(self)
        variables = {"KV_DIR": folders.folder(self),
                     "KV_REDIS": "127.0.0.1:%d" % redis.port}
        with unittest.mock.patch.dict(os.environ, variables):
            adapter = self.adapter("lua:%s/examples/lmcache/kv.lua" % TREE)
        keys, chunks = ["hot", "cold"], [chunk(70000, 1), chunk(70000, 2)]
        into = [memoryview(bytearray(70000)) for _ in keys]
        self.assertEqual(adapter.wait(adapter.store(keys, chunks)),
                         [(True, "", [True, True])])
        # The second read of a chunk brings it up, in the background.
        adapter.wait(adapter.load(keys[:1], into[:1]))
        adapter.wait(adapter.load(keys[:1], into[:1]))
        self.assertTrue(folders.wait_until(
            lambda: 'node="coalesce.tier[1].memory",op="set"} 1' in
            self.sets(adapter), 20), self.sets(adapter))
        redis.stop()
        for _ in range(3):
            (_, _, found), = adapter.wait(adapter.load(keys, into))
            self.assertEqual(found, [True, False])
            self.assertEqual(into[0], chunks[0])
            (_, _, found), = adapter.wait(adapter.lookup(keys))
            self.assertEqual(found, [True, False])
        (ok, error, _), = adapter.wait(adapter.store(["new"], chunks[:1]))
        self.assertIs(ok, False)
        self.assertNotEqual(error, "")

    def test_of_examples_lmcache_says_what_kv_redis_must_be(self):
        with unittest.mock.patch.dict(os.environ, {"KV_REDIS": "redis1"}):
            with self.assertRaisesRegex(
                    weir.Error, "KV_REDIS: expected HOST:PORT, got redis1"):
                weir.Store("lua:%s/examples/lmcache/kv.lua" % TREE)

    def sets(self, adapter):
        return "\n".join(line for line
                         in adapter.connector.ask("stats").split("\n")
                         if line.startswith("weir_batches_total")
                         and '"set"' in line)
