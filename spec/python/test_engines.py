"""The classes for SGLang and vLLM, over stand-ins of what they pass."""
import ctypes
import types
import unittest
import unittest.mock

import folders
import weir_vllm
from weir_sglang import WeirStorage, memory_of
from weir_vllm import WeirTier

PAGE = 8192


class Tensor:
    """What is used of a tensor: it lends no buffer, but has an address."""

    def __init__(self, content, device="cpu", contiguous=True):
        self.memory = ctypes.create_string_buffer(bytes(content), len(content))
        self.device = types.SimpleNamespace(type=device)
        self.is_contiguous = lambda: contiguous
        self.shape, self.stride = (len(content),), lambda: (1,)

    def data_ptr(self):
        return ctypes.addressof(self.memory)

    def numel(self):
        return len(self.memory) // 2

    def element_size(self):
        return 2

    def contiguous(self):
        return self

    @property
    def content(self):
        return self.memory.raw


class SGLang(unittest.TestCase):

    def storage(self, url=None, **facts):
        config = {"tp_rank": 0, "tp_size": 2, "pp_rank": 0, "pp_size": 1,
                  "is_mla_model": False, "model_name": "org/model",
                  "extra_config": {
                      "url": url or "fs://" + folders.folder(self)}}
        config.update(facts)
        storage = WeirStorage(types.SimpleNamespace(**config), {})
        self.addCleanup(storage.close)
        return storage

    def pages(self, n):
        return [Tensor(bytes([i + 1]) * PAGE) for i in range(n)]

    def test_pages_are_stored_and_read_into_tensors(self):
        storage = self.storage()
        keys, pages = ["a", "b", "c"], self.pages(3)
        self.assertIs(storage.batch_set(keys, pages), True)
        into = [Tensor(bytes(PAGE)) for _ in range(4)]
        read = storage.batch_get(keys + ["none"], into)
        self.assertEqual(read, into[:3] + [None])
        self.assertEqual([t.content for t in into[:3]],
                         [t.content for t in pages])
        self.assertIs(storage.set("d", pages[0]), True)
        self.assertIs(storage.get("d", into[3]), into[3])
        self.assertEqual(into[3].content, pages[0].content)
        self.assertIs(storage.exists("d"), True)
        self.assertIs(storage.exists("e"), False)

    def test_a_lookup_counts_the_pages_from_the_start(self):
        storage = self.storage()
        storage.batch_set(["a", "b", "d"], self.pages(3))
        for keys, n in ((["a", "b", "c", "d"], 2), (["c", "a"], 0),
                        (["a", "b", "d"], 3), ([], 0)):
            self.assertEqual(storage.batch_exists(keys), n)

    def test_a_page_of_another_size_is_not_read(self):
        storage = self.storage()
        storage.batch_set(["a"], self.pages(1))
        self.assertIsNone(storage.get("a", Tensor(bytes(PAGE * 2))))
        with self.assertLogs("weir_sglang", "WARNING"):
            self.assertIsNone(storage.get("a", Tensor(bytes(PAGE // 2))))

    def test_an_error_is_logged_and_ends_no_thread(self):
        storage = self.storage("fault://?rate=1")
        with self.assertLogs("weir_sglang", "WARNING") as logged:
            self.assertIs(storage.batch_set(["a"], self.pages(1)), False)
            self.assertEqual(storage.batch_get(["a"], self.pages(1)), [None])
            self.assertEqual(storage.batch_exists(["a"]), 0)
            storage.clear()
        self.assertEqual(len(logged.output), 4)

    def test_ranks_and_models_do_not_share_pages_but_mla_ranks_do(self):
        url = "fs://" + folders.folder(self)
        self.storage(url).batch_set(["a"], self.pages(1))
        for facts, shared in (({}, True), ({"tp_rank": 1}, False),
                              ({"model_name": "other"}, False),
                              ({"pp_size": 2}, False)):
            self.assertIs(self.storage(url, **facts).exists("a"), shared)
        self.storage(url, is_mla_model=True).batch_set(["m"], self.pages(1))
        self.assertIs(self.storage(url, is_mla_model=True, tp_rank=1)
                      .exists("m"), True)

    def test_clear_removes_the_pages_of_its_rank(self):
        url = "fs://" + folders.folder(self)
        mine, other = self.storage(url), self.storage(url, tp_rank=1)
        keys = ["page/%d" % i for i in range(700)]
        mine.batch_set(keys, [b"x"] * 700)
        other.batch_set(keys[:1], [b"x"])
        mine.clear()
        self.assertEqual(mine.store.exists_many(mine.keys(keys)).statuses,
                         ["miss"] * 700)
        self.assertIs(other.exists(keys[0]), True)

    def test_tensors_that_cannot_be_lent_are_refused(self):
        for facts, words in (({"device": "cuda"}, "in host memory"),
                             ({"contiguous": False}, "must be contiguous")):
            with self.assertRaises(ValueError) as caught:
                memory_of(Tensor(b"12", **facts))
            self.assertIn(words, str(caught.exception))
        with self.assertRaises(ValueError) as caught:
            self.storage(extra_config={})
        self.assertIn('"url"', str(caught.exception))


class VLLM(unittest.TestCase):

    BLOCKS = 16

    def tier(self, url="memory://?capacity=64MiB", **config):
        self.primary = bytearray(self.BLOCKS * PAGE)
        view = memoryview(self.primary).cast("B", (self.BLOCKS, PAGE))
        tier = WeirTier(primary_kv_view=view, tier_type="weir", url=url,
                        **config)
        self.addCleanup(tier.shutdown)
        return tier

    def job(self, number, keys, block_ids):
        return types.SimpleNamespace(
            job_id=number, keys=keys, block_ids=block_ids, is_promotion=False,
            req_context=None)

    def block(self, i):
        return self.primary[i * PAGE:(i + 1) * PAGE]

    def finished(self, tier, count=1):
        ended = []
        folders.wait_until(lambda: ended.extend(tier.get_finished())
                           or len(ended) >= count)
        return sorted((job.job_id, job.success) for job in ended)

    def look(self, tier, key):
        answers = []
        folders.wait_until(lambda: answers.append(tier.lookup(key, None))
                           or answers[-1] is not None)
        return answers[-1]

    def test_blocks_go_to_the_store_and_back(self):
        tier = self.tier()
        for i in range(3):
            self.primary[i * PAGE:(i + 1) * PAGE] = bytes([i + 1]) * PAGE
        tier.submit_store(self.job(7, [b"a", b"b", b"c"], [0, 1, 2]))
        self.assertEqual(self.finished(tier), [(7, True)])
        tier.submit_load(self.job(8, [b"c", b"a"], [5, 9]))
        self.assertEqual(self.finished(tier), [(8, True)])
        self.assertEqual(self.block(5), b"\3" * PAGE)
        self.assertEqual(self.block(9), b"\1" * PAGE)
        self.assertEqual(self.block(6), bytes(PAGE))
        self.assertEqual(list(tier.get_finished_jobs()), [])

    def test_a_lookup_says_later_then_the_answer(self):
        tier = self.tier()
        tier.submit_store(self.job(1, [b"a"], [0]))
        self.finished(tier)
        with unittest.mock.patch.object(tier, "take"):  # nothing has ended yet
            self.assertIsNone(tier.lookup(b"a", None))
            self.assertIsNone(tier.lookup(b"a", None))
            self.assertEqual(len(tier.looking), 1)
        self.assertIs(self.look(tier, b"a"), True)
        self.assertIs(self.look(tier, b"none"), False)
        self.assertEqual((tier.asked, tier.looking, tier.answers),
                         ({}, {}, {None: {}}))

    def test_a_request_gets_the_same_answer_until_it_has_finished(self):
        tier, request = self.tier(), types.SimpleNamespace(req_id="r1")
        self.assertIsNone(tier.lookup(b"a", request))
        self.assertTrue(folders.wait_until(
            lambda: tier.lookup(b"a", request) is False))
        tier.submit_store(self.job(1, [b"a"], [0]))
        self.finished(tier)
        self.assertIs(tier.lookup(b"a", request), False)
        tier.request_finished(request)
        self.assertIsNone(tier.lookup(b"a", request))
        self.assertTrue(folders.wait_until(
            lambda: tier.lookup(b"a", request) is True))
        tier.on_request_finished(request)
        self.assertEqual(tier.answers, {})

    def test_a_load_with_a_block_missing_has_failed(self):
        tier = self.tier()
        tier.submit_store(self.job(1, [b"a"], [0]))
        self.finished(tier)
        tier.submit_load(self.job(2, [b"a", b"none"], [1, 2]))
        self.assertEqual(self.finished(tier), [(2, False)])

    def test_a_job_that_the_store_refuses_has_failed(self):
        tier = self.tier("fault", options={"rate": "1"})
        tier.submit_store(self.job(1, [b"a"], [0]))
        self.assertEqual(self.finished(tier), [(1, False)])

    def test_namespaces_are_apart(self):
        url = "fs://" + folders.folder(self)
        one, other = self.tier(url, namespace="a"), \
            self.tier(url, namespace="b")
        one.submit_store(self.job(1, [b"key"], [0]))
        self.finished(one)
        self.assertIs(self.look(one, b"key"), True)
        self.assertIs(self.look(other, b"key"), False)

    def test_a_touch_renews_the_time_to_live(self):
        tier = self.tier(ttl=1000)
        tier.submit_store(self.job(1, [b"a"], [0]))
        self.finished(tier)
        store = tier.jobs.store
        store.touch("a", 5)
        tier.touch([b"a"], None)
        self.assertTrue(folders.wait_until(
            lambda: tier.get_finished() == [] and store.stat("a").ttl > 500))

    def test_drain_jobs_waits_for_all(self):
        tier = self.tier("fault", options={"delay": "50ms"})
        for i in range(10):
            tier.submit_store(self.job(i, [b"key/%d" % i], [i]))
        tier.drain_jobs()
        self.assertEqual(sorted((job.job_id, job.success)
                                for job in tier.get_finished()),
                         [(i, True) for i in range(10)])
        self.assertEqual(tier.running, {})

    def test_shutdown_ends_what_runs(self):
        tier = self.tier("fault", options={"hang": "1", "timeout": "100ms"})
        tier.submit_load(self.job(1, [b"a"], [0]))
        tier.shutdown()
        self.assertEqual(self.finished(tier), [(1, False)])

    def test_answers_that_nobody_takes_are_bounded(self):
        tier = self.tier()
        for name in ("KEYS", "REQUESTS"):
            self.addCleanup(setattr, weir_vllm, name, getattr(weir_vllm, name))
            setattr(weir_vllm, name, 10)
        for i in range(100):
            tier.lookup(b"key/%d" % i, None)
            tier.lookup(b"key", types.SimpleNamespace(req_id=i))
        self.assertTrue(folders.wait_until(
            lambda: tier.get_finished() == [] and not tier.asked))
        self.assertLessEqual(len(tier.answers), 10)
        self.assertLessEqual(len(tier.answers.get(None, {})), 10)
