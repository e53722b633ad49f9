"""The calls of a store, over stores of each kind."""
import array
import copy
import gc
import mmap
import os
import pickle
import shutil
import sys
import tempfile
import threading
import unittest

import folders
import weir
from weir.batch import Batch
from weir.buffers import Lent
from weir.jobs import Jobs
from weir.queue import Queue

try:
    import numpy
except ImportError:
    numpy = None


class Calls:
    """Each test runs over each kind of store."""

    def setUp(self):
        self.store = weir.Store(folders.urls(self)[self.kind])
        self.addCleanup(self.store.close)

    def test_one_key(self):
        store = self.store
        self.assertIs(store.set("key", b"value"), True)
        self.assertEqual(store.get("key"), b"value")
        self.assertEqual(store.get(b"key"), b"value")
        self.assertIsNone(store.get("none"))
        self.assertIs(store.exists("key"), True)
        self.assertIs(store.exists("none"), False)
        self.assertEqual(store.stat("key"), (5, None))
        self.assertIsNone(store.stat("none"))
        self.assertIs(store.delete("key"), True)
        self.assertIs(store.delete("key"), False)
        self.assertIsNone(store.get("key"))

    def test_many_keys_of_mixed_sizes(self):
        sizes = [0, 1, 7, 4096, 4097, 65536, 1 << 20] * 20
        keys = ["key/%d" % i for i in range(len(sizes))]
        values = [bytes([i % 251]) * size for i, size in enumerate(sizes)]
        store = self.store
        reply = store.set_many(keys, values)
        self.assertEqual(list(reply), [True] * len(keys))
        reply = store.get_many(keys + ["none"])
        self.assertEqual([v.tobytes() for v in reply[:-1]], values)
        self.assertIsNone(reply[-1])
        self.assertEqual(reply.statuses, ["ok"] * len(keys) + ["miss"])
        self.assertEqual(reply.errors, 0)
        self.assertIs(reply.check(), reply)
        self.assertEqual([s.size for s in store.stat_many(keys)], sizes)
        reply = store.exists_many(["none", *keys, "none"])
        self.assertEqual(list(reply),
                         [False] + [True] * len(keys) + [False])
        self.assertEqual(list(store.delete_many(keys)), [True] * len(keys))

    def test_no_keys(self):
        store = self.store
        self.assertEqual(list(store.get_many([])), [])
        self.assertEqual(list(store.set_many([], [])), [])
        self.assertEqual(list(store.get_into_many([], [])), [])

    def test_any_bytes_are_a_key_and_str_is_utf8(self):
        keys = [bytes([i]) for i in range(256)] + [b"a" * 999]
        keys.append("grüße".encode())
        store = self.store
        store.set_many(keys, keys).check()
        self.assertEqual(list(map(bytes, store.get_many(keys))), keys)
        self.assertEqual(store.get("grüße"), "grüße".encode())
        self.assertEqual(store.get_many(["grüße", "A"])[1], b"A")

    def test_a_time_to_live(self):
        store = self.store
        store.set("key", b"value", ttl=100)
        self.assertAlmostEqual(store.stat("key").ttl, 100, delta=30)
        self.assertIs(store.touch("key", 1000), True)
        self.assertAlmostEqual(store.stat("key").ttl, 1000, delta=30)
        self.assertIs(store.touch("key"), True)
        self.assertIsNone(store.stat("key").ttl)
        self.assertEqual(list(store.touch_many(["key", "none"], 5)),
                         [True, False])

    def test_scan_finds_what_begins_with_a_prefix(self):
        keys = sorted(b"user/%03d" % i for i in range(300))
        store = self.store
        store.set_many(keys, keys).check()
        store.set("other", b"")
        found = {entry.key for entry in store.scan("user/", page=32)}
        self.assertEqual(sorted(found), keys)
        self.assertIn(b"other", {entry.key for entry in store.scan()})

    def test_many_threads(self):
        def work(store, i, wrong):
            for turn in range(30):
                keys = ["%d/%d/%d" % (i, turn, k) for k in range(10)]
                values = [key.encode() * 100 for key in keys]
                store.set_many(keys, values).check()
                if [bytes(v) for v in store.get_many(keys)] != values:
                    wrong.append(i)

        store = self.store
        wrong = []
        threads = [threading.Thread(target=work, args=(store, i, wrong))
                   for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(wrong, [])


class Atomic:
    """Each test runs over each kind of store that is atomic."""

    def setUp(self):
        self.store = weir.Store(self.url())
        self.addCleanup(self.store.close)

    def test_the_atomic_calls(self):
        store = self.store
        self.assertIs(store.replace("key", b"0"), False)
        self.assertIs(store.add("key", b"first", ttl=100), True)
        self.assertIs(store.add("key", b"second"), False)
        self.assertAlmostEqual(store.stat("key").ttl, 100, delta=30)
        self.assertIs(store.replace("key", b"third"), True)
        self.assertEqual(store.append("key", b"!" * 5000), 5005)
        self.assertEqual(store.append("new", b"ab"), 2)
        self.assertIs(store.cas("new", b"a", b"c"), False)
        self.assertIs(store.cas("new", store.get("new"), b"c\0d"), True)
        self.assertIs(store.cas("new", b"c\0d", b"e"), True)
        self.assertIs(store.cas("none", b"", b"e"), False)
        self.assertEqual(store.incr("n"), 1)
        self.assertEqual(store.incr("n", -11), -10)
        self.assertEqual(store.get("n"), b"-10")
        self.assertEqual(store.incr("n", 2 ** 63 - 1), 2 ** 63 - 11)
        with self.assertRaises(weir.Error) as raised:
            store.incr("n", 11)
        self.assertEqual(raised.exception.code, "invalid")
        self.assertEqual(store.take("new"), b"e")
        self.assertIsNone(store.take("new"))
        self.assertEqual(store.take("key"), b"third" + b"!" * 5000)

    def test_atomic_calls_of_many_threads_lose_nothing(self):
        def count():
            for _ in range(200):
                self.store.incr("n")

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(self.store.get("n"), b"800")

    def test_atomic_calls_refuse_what_is_no_number_and_no_value(self):
        for call, words in (
                (lambda: self.store.incr("n", "1"), "adds an int, not str"),
                (lambda: self.store.incr("n", 2 ** 63), "number of 64 bits"),
                (lambda: self.store.cas("n", "1", b"2"), "old must be")):
            with self.assertRaisesRegex((TypeError, ValueError), words):
                call()


class AtomicInPlace(Atomic, unittest.TestCase):
    def url(self):
        return folders.urls(self)["memory"]


class AtomicOfWorkers(Atomic, unittest.TestCase):
    def url(self):
        return folders.urls(self)["workers"]


class AtomicOfAPolicy(Atomic, unittest.TestCase):
    def url(self):
        return folders.policy(self, "return memory {} :deadline(30)")


class AtomicOfFiles(Atomic, unittest.TestCase):
    def url(self):
        return folders.urls(self)["fs"]


class NotAtomic(unittest.TestCase):
    def test_a_store_that_is_not_atomic_says_so(self):
        url = folders.policy(self, "return mirror { memory {}, memory {} }")
        with weir.Store(url) as store:
            for call in (lambda: store.incr("n"),
                         lambda: store.append("n", b"1"),
                         lambda: store.cas("n", b"1", b"2")):
                with self.assertRaises(weir.Error) as raised:
                    call()
                self.assertEqual(raised.exception.code, "unsupported")
                self.assertFalse(raised.exception.retryable)

    def test_a_url_is_a_str(self):
        with self.assertRaisesRegex(TypeError, "URL must be a str, not int"):
            weir.Store(5)


class CallsInPlace(Calls, unittest.TestCase):
    kind = "memory"


class CallsOfWorkers(Calls, unittest.TestCase):
    kind = "workers"


class CallsOfFiles(Calls, unittest.TestCase):
    kind = "fs"


class CallsOfAPolicy(Calls, unittest.TestCase):
    kind = "lua"


class Memory(unittest.TestCase):
    """Memory that goes in and out without a copy."""

    def kinds(self):
        """Objects that lend 8 KiB of memory: of each the bytes in it."""
        content = bytes(range(256)) * 32
        mapped = mmap.mmap(-1, len(content))
        mapped[:] = content
        self.addCleanup(mapped.close)
        kinds = {
            "bytes": content, "bytearray": bytearray(content),
            "memoryview": memoryview(content),
            "slice": memoryview(b"xx" + content + b"xx")[2:-2],
            "array": array.array("d", content), "mmap": mapped,
            "two dimensions": memoryview(content).cast("B", (64, 128)),
        }
        if numpy:
            kinds["numpy"] = numpy.frombuffer(content, "u4").reshape(32, 64)
        return content, kinds

    def test_values_of_any_kind(self):
        for name, url in folders.urls(self).items():
            with weir.Store(url) as store:
                content, kinds = self.kinds()
                for kind, value in kinds.items():
                    with self.subTest(store=name, kind=kind):
                        store.set(kind, value)
                        self.assertEqual(store.get(kind).tobytes(), content)
                store.set_many(list(kinds), list(kinds.values())).check()
                for value in store.get_many(list(kinds)):
                    self.assertEqual(value.tobytes(), content)

    def test_buffers_of_any_kind(self):
        content, _ = self.kinds()
        mapped = mmap.mmap(-1, len(content))
        self.addCleanup(mapped.close)
        for name, url in folders.urls(self).items():
            with weir.Store(url) as store:
                store.set("key", content)
                kinds = {
                    "bytearray": bytearray(len(content)), "mmap": mapped,
                    "array": array.array("d", bytes(len(content))),
                    "memoryview": memoryview(bytearray(len(content))),
                }
                if numpy:
                    kinds["numpy"] = numpy.zeros((64, 16), "f8")
                for kind, buffer in kinds.items():
                    with self.subTest(store=name, kind=kind):
                        self.assertEqual(store.get_into("key", buffer),
                                         len(content))
                        self.assertEqual(memoryview(buffer).tobytes(), content)

    @unittest.skipUnless(numpy, "numpy is not installed")
    def test_numpy_arrays_of_4_mib(self):
        with weir.Store("memory://?capacity=256MiB&inline=false") as store:
            arrays = [numpy.full((1 << 20,), i, "u4") for i in range(8)]
            keys = ["array/%d" % i for i in range(8)]
            store.set_many(keys, arrays).check()
            into = [numpy.zeros((1 << 20,), "u4") for _ in keys]
            store.get_into_many(keys, into).check()
            for i, array_ in enumerate(into):
                self.assertTrue((array_ == i).all())

    def test_one_value_is_not_copied(self):
        with weir.Store("memory://?capacity=64MiB") as store:
            store.set("key", bytes(1 << 20))
            first, second = store.get("key"), store.get("key")
            lent = Lent(2)
            lent.lend([first, second], "value", False)
            self.assertEqual(*lent.addresses())
            lent.give_back()

    def test_a_value_is_read_only(self):
        with weir.Store("memory://?capacity=64MiB") as store:
            for size in (1, 4096, 4097, 1 << 20):
                store.set("key", bytes(size))
                with self.assertRaises(TypeError):
                    store.get("key")[0] = 1

    def test_a_value_outlives_its_key_and_its_store(self):
        store = weir.Store("memory://?capacity=64MiB")
        content = bytes(range(256)) * 256
        store.set("key", content)
        part = store.get("key")[256:512]
        store.delete("key")
        store.close()
        del store
        self.assertEqual(part.tobytes(), bytes(range(256)))

    def test_memory_can_be_resized_after_a_call(self):
        with weir.Store("memory://?capacity=64MiB&inline=false") as store:
            value = bytearray(8192)
            store.set("key", value)
            value.append(1)
            buffer = bytearray(8192)
            store.get_into("key", buffer)
            buffer.append(1)

    def test_what_lends_no_memory_is_refused_by_name(self):
        crooked = memoryview(bytearray(64)).cast("B", (8, 8))[::2]
        with weir.Store("memory") as store:
            for value, kind, sentence in (
                    ("text", TypeError, "value 0 must be an object with the "
                     "buffer protocol, not str"),
                    (None, TypeError, "not NoneType"),
                    (crooked, ValueError, "value 0 must be contiguous memory, "
                     "not memoryview of format 'B', shape (4, 8), strides "
                     "(16, 1)")):
                with self.assertRaises(kind) as caught:
                    store.set("key", value)
                self.assertIn(sentence, str(caught.exception))
            with self.assertRaises(ValueError) as caught:
                store.get_into_many(["a", "b"], [bytearray(1), b"const"])
            self.assertIn("buffer 1 must be contiguous writable memory, not "
                          "bytes of format 'B', shape (5,), strides (1,), "
                          "read-only", str(caught.exception))
            kept = bytearray(9000)
            with self.assertRaises(TypeError):
                store.set_many(["a", "b"], [kept, 7])
            kept.append(1)


class Failures(unittest.TestCase):

    def test_a_wrong_option_names_the_nearest(self):
        with self.assertRaises(weir.Error) as caught:
            weir.Store("memory", capacty="1MiB")
        self.assertEqual(caught.exception.code, "invalid")
        self.assertIn("did you mean capacity?", str(caught.exception))
        with self.assertRaises(TypeError) as caught:
            weir.Store("memory", capacity=[1])
        self.assertIn("option capacity must be a str, a number or a bool, "
                      "not list", str(caught.exception))

    def test_options_are_words_numbers_and_truths(self):
        with weir.Store("memory", capacity="8MiB", inline=False, workers=2,
                        timeout=2.5) as store:
            self.assertTrue(store.set("key", b"value"))

    def test_an_error_has_a_code_a_message_and_says_whether_to_retry(self):
        for status, retryable in (("failed", False), ("busy", True),
                                  ("timeout", True), ("denied", False)):
            with weir.Store("fault", rate="1", status=status) as store:
                with self.assertRaises(weir.Error) as caught:
                    store.get("key")
                error = caught.exception
                self.assertEqual((error.code, error.retryable),
                                 (status, retryable))
                self.assertIn("memory", error.message)
                again = pickle.loads(pickle.dumps(error))
                self.assertEqual((again.code, str(again)), (status, str(error)))

    def test_each_key_has_a_status_of_its_own(self):
        with weir.Store("fault", rate="1", match="bad/") as store:
            reply = store.set_many(["good", "bad/1"], [b"1", b"2"])
            self.assertEqual(reply.statuses, ["ok", "failed"])
            reply = store.get_many(["good", "bad/1", "none"])
            self.assertEqual(reply.statuses, ["ok", "failed", "miss"])
            self.assertEqual((reply[0], reply[1], reply[2]), (b"1", None, None))
            self.assertEqual(reply.errors, 1)
            self.assertIsNone(reply.error(0))
            self.assertIsNone(reply.error(2))
            self.assertEqual(reply.error(1).code, "failed")
            with self.assertRaises(weir.Error):
                reply.check()

    def test_a_bad_key_fails_alone(self):
        for name, url in folders.urls(self).items():
            with self.subTest(store=name), weir.Store(url) as store:
                reply = store.set_many(["", "good"], [b"1", b"2"])
                self.assertEqual(reply.statuses, ["invalid", "ok"])
                with self.assertRaises(weir.Error) as caught:
                    store.get("")
                self.assertEqual(caught.exception.code, "invalid")

    def test_a_buffer_that_is_too_small(self):
        for name, url in folders.urls(self).items():
            with self.subTest(store=name), weir.Store(url) as store:
                store.set("key", bytes(10000))
                with self.assertRaises(weir.Error) as caught:
                    store.get_into("key", bytearray(100))
                self.assertEqual((caught.exception.code, caught.exception.size),
                                 ("toobig", 10000))

    def test_misuse_raises_at_the_caller(self):
        with weir.Store("memory") as store:
            for call, sentence in (
                    (lambda: store.get(7), "key 0 must be str or bytes, not "
                                           "int"),
                    (lambda: store.get_many("abc"), "keys must be a list, not "
                                                    "str"),
                    (lambda: store.set_many(["a"], [b"1", b"2"]),
                     "1 keys need as many values, not 2"),
                    (lambda: store.get_into_many(["a"], []),
                     "1 keys need as many buffers, not 0"),
                    (lambda: store.set("a", b"", ttl=0),
                     "ttl must be a finite number of seconds over 0, not 0"),
                    (lambda: store.set("a", b"", ttl="10m"),
                     "ttl must be a number of seconds, not str"),
                    (lambda: store.get("a", timeout="1s"),
                     "timeout must be a number of seconds, not str"),
                    (lambda: store.set("a", b"", ttl=float("inf")),
                     "ttl must be a finite number of seconds over 0, not inf"),
                    (lambda: store.get("a", timeout=float("nan")),
                     "timeout must be a finite number of seconds, not nan"),
                    (lambda: store.get_many(None),
                     "keys must be a list, not NoneType"),
                    (lambda: store.get_many(7), "keys must be a list, not int"),
                    (lambda: list(store.scan(page=-1)),
                     "page must be a number of keys from 0 to"),
                    (lambda: list(store.scan(page=2 ** 64)),
                     "page must be a number of keys from 0 to"),
                    (lambda: list(store.scan(page="10")),
                     "page must be an int, not str"),
                    (lambda: store.ask(b"tree"),
                     "what is asked must be a str, not bytes"),
                    (lambda: store.ask("tree\0s"), "what is asked has no NUL"),
                    (lambda: store.cas("a", None, b"1"),
                     "old must be an object with the buffer protocol, not "
                     "NoneType"),
                    (lambda: weir.Store("memory", capacity="8MiB\0x"),
                     "option capacity has no NUL"),
                    (lambda: weir.Store("memory", **{"capacity\0x": "8MiB"}),
                     "an option's name has no NUL"),
                    (lambda: weir.Store("memory\0"), "a URL has no NUL")):
                with self.assertRaises((TypeError, ValueError)) as caught:
                    call()
                self.assertIn(sentence, str(caught.exception))
            self.assertTrue(store.set("still", b"works"))

    def test_a_time_of_any_length(self):
        with weir.Store("memory") as store:
            for time in (1e30, 1e300, sys.float_info.max):
                self.assertTrue(
                    store.set("key", b"value", ttl=time, timeout=time))
                self.assertEqual(store.get("key", timeout=time), b"value")
                with self.assertRaises(weir.Error):
                    store.get("key", timeout=-time)

    def test_there_is_one_of_each(self):
        for url in ("memory", "memory://?inline=false"):
            store = weir.Store(url)
            store.set("key", b"value")
            for made in (store, Jobs(store), Queue(), Batch(1)):
                for again in (copy.copy, copy.deepcopy, pickle.dumps):
                    with self.assertRaises(TypeError) as caught:
                        again(made)
                    self.assertIn("cannot be copied or pickled",
                                  str(caught.exception))
            del made
            self.assertEqual(store.get("key"), b"value")
            store.close()

    def test_a_timeout_ends_a_call(self):
        with weir.Store("fault", hang="1") as store:
            with self.assertRaises(weir.Error) as caught:
                store.get("key", timeout=0.05)
            self.assertIn(caught.exception.code, ("timeout", "skipped"))

    def test_a_closed_store_refuses(self):
        for name, url in folders.urls(self).items():
            with self.subTest(store=name):
                store = weir.Store(url)
                store.close()
                store.close()
                with self.assertRaises(weir.Error) as caught:
                    store.get("key")
                self.assertEqual(caught.exception.code, "skipped")
                self.assertIn("closed", str(caught.exception))

    def test_a_store_that_was_never_opened_refuses(self):
        class Forgetful(weir.Store):
            def __init__(self):
                pass  # without super().__init__()

        store = Forgetful()
        self.assertEqual(repr(store), "<weir.Store unopened>")
        for call in (lambda: store.get("key"), lambda: store.name,
                     lambda: store.ask("tree"), lambda: store.close(),
                     lambda: list(store.scan())):
            with self.assertRaises(weir.Error) as caught:
                call()
            self.assertEqual(caught.exception.code, "skipped")
            self.assertIn("not open", str(caught.exception))
        with self.assertRaises(AttributeError):
            store.nothing

    def test_a_store_that_the_collector_ended_refuses(self):
        # In a cycle, the store may be finalized before those that use it.
        told = []

        class User:
            def __init__(self, used, call):
                self.used, self.call, used.user = used, call, self

            def __del__(self):
                try:
                    told.append(self.call(self.used))
                except weir.Error as error:
                    told.append(error.code)

        User(weir.Store("memory"), lambda store: store.set("key", b"value"))
        gc.collect()
        self.assertEqual(told, ["skipped"])
        User(Jobs(weir.Store("fault", hang="1")), Jobs.drain)
        gc.collect()
        self.assertEqual(told, ["skipped", []])
        User(Jobs(weir.Store("memory")), Jobs.close)
        gc.collect()
        self.assertEqual(told, ["skipped", [], None])

    def test_a_path_of_any_bytes(self):
        folder = os.fsencode(tempfile.mkdtemp()) + b"/caf\xe9"
        self.addCleanup(shutil.rmtree, os.path.dirname(folder))
        path = folder.decode("utf-8", "surrogateescape")
        for store in (weir.Store("fs://" + path), weir.Store("fs", path=path)):
            with store:
                self.assertTrue(store.set("key", b"value"))
                self.assertIn("caf\N{REPLACEMENT CHARACTER}", store.name)
                self.assertTrue(os.path.isdir(folder))

    def test_a_policy_file_with_a_mistake(self):
        with self.assertRaises(weir.Error) as caught:
            weir.Store(folders.policy(self, "return teir { memory {} }"))
        self.assertIn("kv.lua:1:", str(caught.exception))
        self.assertIn("tier", str(caught.exception))

    def test_words_that_a_policy_file_understands(self):
        with weir.Store(folders.policy(self)) as store:
            self.assertIn("tier", store.ask("tree"))
            self.assertIn("reload", store.ask("help"))
            with self.assertRaises(weir.Error) as caught:
                store.ask("relaod")
            self.assertIn("reload", str(caught.exception))
        with weir.Store("memory") as store:
            with self.assertRaises(weir.Error) as caught:
                store.ask("reload")
            self.assertEqual(caught.exception.code, "unsupported")
