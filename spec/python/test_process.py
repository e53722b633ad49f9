"""Ctrl-C, forks, threads that end, and memory over time."""
import gc
import os
import signal
import threading
import time
import unittest

import folders
import weir
from weir import batch, waiting
from weir.asking import GET, Call
from weir.jobs import Jobs


def resident():
    """The memory of this process, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Interrupting(unittest.TestCase):

    def interrupt(self, call, then):
        """Runs a call that Ctrl-C ends, then something else while the
        exception is still there. Returns how long the call took."""
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        start = time.monotonic()
        try:
            call()
        except KeyboardInterrupt:
            took = time.monotonic() - start
            then()
        timer.join()
        return took

    def test_ends_a_call_at_once_and_gives_its_memory_back(self):
        store = weir.Store("fault", hang="1")
        self.addCleanup(store.close, 0)
        buffer, value = bytearray(8192), bytearray(8192)
        took = self.interrupt(lambda: store.get_into("key", buffer),
                              lambda: buffer.append(1))
        self.assertLess(took, 10)
        self.interrupt(lambda: store.set("key", value),
                       lambda: value.append(1))

    def test_ends_a_close_at_once_and_the_store_closes_all_the_same(self):
        jobs = Jobs(weir.Store("fault", hang="1"))
        jobs.submit(Call(GET, ["key"]))
        took = self.interrupt(lambda: jobs.store.close(30), lambda: None)
        self.assertLess(took, 15)
        with self.assertRaises(weir.Error) as caught:
            jobs.store.get("other")
        self.assertIn("closed", str(caught.exception))
        jobs.store.close(0)
        replies = [ended.reply for ended in jobs.drain()]
        self.assertEqual([reply.errors for reply in replies], [1])
        self.assertIn("close", str(replies[0].error(0)))

    def test_at_any_time_leaves_a_store_that_works(self):
        with weir.Store("memory", inline=False, capacity="32MiB") as store:
            keys = ["key/%d" % i for i in range(50)]
            values = [bytearray(b"%d" % i * 5000) for i in range(50)]
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            self.addCleanup(signal.setitimer, signal.ITIMER_REAL, 0)
            interrupted = 0
            for turn in range(800):
                try:
                    signal.setitimer(signal.ITIMER_REAL, (turn + 20) * 1e-6)
                    store.set_many(keys, values)
                    kept = list(store.get_many(keys))
                    kept.clear()
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    time.sleep(0)
                except KeyboardInterrupt:
                    interrupted += 1
            self.assertGreater(interrupted, 10)
            store.set_many(keys, values).check()
            self.assertEqual(list(store.get_many(keys)), values)

    def test_a_signal_handler_may_use_the_store_that_it_interrupts(self):
        with weir.Store("fault", delay="300ms") as slow, \
                weir.Store("memory", inline=False) as quick:
            seen = []
            before = signal.signal(
                signal.SIGALRM, lambda *_: seen.append(
                    (quick.set("key", b"value"), slow.get("other"))))
            self.addCleanup(signal.signal, signal.SIGALRM, before)
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            self.assertIsNone(slow.get("key"))
            self.assertEqual(seen, [(True, None)])


class Forking(unittest.TestCase):

    def in_child(self, work):
        """Runs work in a child: its result as text."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writing, work().encode())
            except BaseException as error:  # the child must not run the tests
                os.write(writing, repr(error).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as file:
            text = file.read().decode()
        os.waitpid(child, 0)
        return text

    def test_a_store_of_the_parent_is_refused_in_the_runtimes_words(self):
        with weir.Store("memory", inline=False) as store:
            store.set("key", b"value")

            def said(call):
                try:
                    return "got %r" % call()
                except weir.Error as error:
                    return "%s %s" % (error.code, error)

            self.assertIn("invalid memory: cannot close: opened before a fork",
                          self.in_child(lambda: said(store.close)))
            text = self.in_child(lambda: said(lambda: store.get("key")))
            self.assertIn("invalid memory: opened before a fork: its threads "
                          "are not in this process; open it here", text)
            self.assertEqual(store.get("key"), b"value")

    def test_a_child_may_open_stores_of_its_own(self):
        with weir.Store("memory", inline=False) as store:
            store.set("key", b"value")
            value = store.get("key")

            def work():
                with weir.Store("memory", inline=False) as own:
                    own.set("key", b"own")
                    return "%s %s" % (bytes(own.get("key")).decode(),
                                      bytes(value).decode())

            self.assertEqual(self.in_child(work), "own value")


class Lasting(unittest.TestCase):

    def test_a_spare_batch_keeps_no_value(self):
        with weir.Store("memory", capacity="8MiB") as store:
            store.set_many(["a", "b"], [b"small", bytes(20000)])
            store.get_many(["a", "b"])
            self.assertEqual({spare.head.n for spares
                              in batch.spare.lists.values()
                              for spare in spares}, {0})

    def test_memory_is_flat(self):
        url = "memory://?capacity=8MiB&inline=false"
        with weir.Store(url) as store:
            keys = ["key/%d" % i for i in range(100)]
            small = [b"x" * 64] * 100
            large = [bytearray(20000)] * 100

            def turn(times):
                for _ in range(times):
                    store.set_many(keys, small)
                    store.get_many(keys)
                    store.set_many(keys, large)
                    store.get_many(keys)
                    store.get_into_many(keys, [bytearray(20000)] * 100)
                    store.get_many(["none"] * 100)
                gc.collect()

            turn(30)
            before = resident()
            turn(150)
            # Kept values alone would be 300 MB.
            self.assertLess(resident() - before, 10 << 20)

    def test_calls_leave_no_descriptor(self):
        def open_now():
            return len(os.listdir("/proc/self/fd"))

        def work(store):
            store.set("key", b"value")

        gc.collect()
        before = open_now()
        spare = len(waiting.desks)
        for _ in range(5):
            store = weir.Store("memory", inline=False)
            threads = [threading.Thread(target=work, args=(store,))
                       for _ in range(10)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            store.close()
        del store, threads
        gc.collect()
        grown = len(waiting.desks) - spare
        self.assertLessEqual(grown, 10)
        self.assertTrue(folders.wait_until(
            lambda: open_now() - before <= grown))
