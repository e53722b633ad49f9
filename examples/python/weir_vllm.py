"""weir as a secondary tier of vLLM's KV offloading:

    from vllm.v1.kv_offload.tiering.factory import SecondaryTierFactory
    SecondaryTierFactory.register_tier("weir", "weir_vllm", "WeirTier")

and in the list of secondary tiers of the connector's extra config:

    {"type": "weir", "url": "lua:/etc/weir/kv.lua", "namespace": "llama@0",
     "options": {"timeout": "2s"}}

What was read, of which version: vLLM's v1/kv_offload/tiering/base.py at
041410b, factory.py at 0411f95, fs/manager.py at 1d0a6c6 and example/manager.py
at 033af9c (2026). The interface still changes there: get_finished() became
get_finished_jobs(), and lookup() returns a LookupResult instead of True, False
or None. This class has both. Only stand-ins of vLLM were run, not vLLM itself.

All methods run in the scheduler and return at once. The first lookup of a
block asks the store and says "later"; the answer is there at a later one. Jobs
move blocks between the store and the primary tier's memory, which vLLM pins
until get_finished() tells that a job has ended.
"""
import select
from typing import (Any, Dict, Iterable, List, NamedTuple, Optional, Set,
                    Union)

import weir
from weir.asking import EXISTS, GET, SET, TOUCH, Call
from weir.jobs import Ended, Jobs

try:
    from vllm.v1.kv_offload.tiering.base import JobResult, SecondaryTierManager
except ImportError:  # for reading and tests
    SecondaryTierManager = object

    class JobResult(NamedTuple):
        """The end of a job."""
        job_id: int
        success: bool

try:
    from vllm.v1.kv_offload.base import LookupResult
    HIT, MISS, LATER = LookupResult.HIT, LookupResult.MISS, LookupResult.RETRY
except ImportError:
    HIT, MISS, LATER = True, False, None

# Requests, and keys without a request, whose answers are kept at most. The
# oldest is forgotten, and its blocks are looked up again.
REQUESTS, KEYS = 4096, 65536


class WeirTier(SecondaryTierManager):
    """A store of weir as a tier. Engines with another model, or another part
    of it, need another namespace."""

    def __init__(self, primary_kv_view: memoryview, tier_type: str = "weir",
                 url: str = "", namespace: str = "",
                 options: Optional[Dict[str, Any]] = None,
                 ttl: Optional[float] = None, **spec: Any):
        if SecondaryTierManager is not object:
            super().__init__(primary_kv_view=primary_kv_view,
                             tier_type=tier_type, **spec)
        if not url:
            raise ValueError('weir_vllm: the tier must have a "url"')
        self.block_size = primary_kv_view.strides[0]
        self.memory = primary_kv_view.cast("B")
        self.namespace = namespace.encode() + b"@" if namespace else b""
        self.ttl = ttl
        self.jobs = Jobs(weir.Store(url, **{"inline": False,
                                            **(options or {})}))
        self.asked: Dict[bytes, Set[Any]] = {}  # lookups in flight: requests
        self.looking: Dict[int, bytes] = {}     # the same, by number
        self.answers: Dict[Any, Dict[bytes, Any]] = {}  # by request
        self.running: Dict[int, int] = {}       # job ids, by number
        self.finished: List[JobResult] = []

    # ---- lookups ----

    def lookup(self, key: Union[bytes, str], req_context: Any = None) -> Any:
        """Whether a block is there: yes, no, or ask again later. A request
        gets the same answer until it has finished, because it has to ask for
        all of its blocks again when one was late."""
        self.take()
        key, request = self.key(key), getattr(req_context, "req_id", None)
        known = self.answers.get(request, {})
        if key in known:
            return known.pop(key) if request is None else known[key]
        if key not in self.asked:
            self.asked[key] = set()
            self.looking[self.jobs.submit(Call(EXISTS, [key]))] = key
        self.asked[key].add(request)
        return LATER

    def request_finished(self, req_context: Any) -> None:
        """Forgets the answers that a request got."""
        self.answers.pop(getattr(req_context, "req_id", None), None)

    on_request_finished = request_finished

    def touch(self, keys: Iterable[Any], req_context: Any = None) -> None:
        """Gives blocks a new time to live, if the tier has a ttl. What was
        used last is known to a store by its reads."""
        if self.ttl is not None:
            self.jobs.submit(Call(TOUCH, list(map(self.key, keys)),
                                  ttl=self.ttl))

    # ---- jobs ----

    def submit_store(self, job_metadata: Any) -> None:
        """Begins to store blocks of the primary tier."""
        self.begin(job_metadata, SET)

    def submit_load(self, job_metadata: Any) -> None:
        """Begins to load blocks into the primary tier."""
        self.begin(job_metadata, GET)

    def get_finished(self) -> List[JobResult]:
        """The jobs that have ended since the last call. A load has succeeded
        if all its blocks are there and whole."""
        self.take()
        finished, self.finished = self.finished, []
        return finished

    get_finished_jobs = get_finished

    def drain_jobs(self) -> None:
        """Waits until no job runs."""
        poller = select.poll()
        poller.register(self.jobs.fileno(), select.POLLIN)
        while self.running:
            poller.poll(500)
            self.take()

    def shutdown(self) -> None:
        """Ends the store. Jobs that run may end within five seconds."""
        self.jobs.close()
        self.take()

    # ---- inside ----

    def key(self, key: Union[bytes, str]) -> bytes:
        return self.namespace + (key.encode() if isinstance(key, str)
                                 else bytes(key))

    def begin(self, job: Any, op: int) -> None:
        keys = list(map(self.key, job.keys))
        size = self.block_size
        blocks = [self.memory[i * size:(i + 1) * size]
                  for i in map(int, job.block_ids)]
        if op == SET:
            call = Call(SET, keys, values=blocks, ttl=self.ttl)
        else:
            call = Call(GET, keys, buffers=blocks)
        self.running[self.jobs.submit(call)] = job.job_id

    def take(self) -> None:
        """Sorts what has ended into answers and finished jobs."""
        for ended in self.jobs.drain():
            key = self.looking.pop(ended.number, None)
            job_id = self.running.pop(ended.number, None)
            if key is not None:
                for request in self.asked.pop(key):
                    self.answer(request, key, HIT if ended.reply[0] else MISS)
            elif job_id is not None:
                self.finished.append(JobResult(job_id, self.succeeded(ended)))

    def answer(self, request: Any, key: bytes, answer: Any) -> None:
        known = self.answers.setdefault(request, {})
        known[key] = answer
        if request is None and len(known) > KEYS:
            del known[next(iter(known))]
        if len(self.answers) > REQUESTS:
            del self.answers[next(iter(self.answers))]

    def succeeded(self, ended: Ended) -> bool:
        if ended.call.op == GET:
            return all(size == self.block_size for size in ended.reply)
        return all(ended.reply)
