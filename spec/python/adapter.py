"""An adapter over a connector as LMCache has one: it submits under a lock from
any thread, one thread polls the connector's descriptor and drains it, and
listeners are told what was stored, read and deleted. Written from what LMCache
promises its connectors; the head of weir_lmcache.py names what was read."""
import collections
import importlib
import select
import threading


def load(module_path, class_name, params):
    """Makes a connector as LMCache's native_plugin does."""
    connector = getattr(importlib.import_module(module_path),
                        class_name)(**params)
    for name in ("event_fd", "submit_batch_get", "submit_batch_set",
                 "submit_batch_exists", "submit_batch_delete",
                 "drain_completions", "close"):
        assert callable(getattr(connector, name)), name
    return connector


class Adapter:
    """Tasks by their ids. ended[id] is (ok, error, results)."""

    def __init__(self, connector):
        self.connector = connector
        self.lock = threading.Lock()
        self.pending = {}
        self.ended = {}
        self.unknown = []
        self.wakes = self.empty = 0
        self.sizes = {}      # of the keys that are stored
        self.listeners = []
        self.some_ended = threading.Condition()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.demultiplex, daemon=True)
        self.thread.start()

    # ---- what engines call ----

    def store(self, keys, buffers):
        sizes = [buffer.nbytes for buffer in buffers]
        with self.lock:
            task = self.connector.submit_batch_set(keys, buffers)
            self.pending[task] = "stored", keys, sizes
        return task

    def load(self, keys, buffers):
        with self.lock:
            task = self.connector.submit_batch_get(keys, buffers)
            self.pending[task] = "accessed", list(keys), None
        return task

    def lookup(self, keys):
        with self.lock:
            task = self.connector.submit_batch_exists(keys)
            self.pending[task] = None, list(keys), None
        return task

    def delete(self, keys):
        with self.lock:
            task = self.connector.submit_batch_delete(keys)
            self.pending[task] = "deleted", list(keys), None
        return task

    def wait(self, *tasks, seconds=30):
        """The results of tasks: (ok, error, results) of each."""
        with self.some_ended:
            done = self.some_ended.wait_for(
                lambda: all(task in self.ended for task in tasks), seconds)
        assert done, "no completion in %d s" % seconds
        return [self.ended[task] for task in tasks]

    def usage(self):
        return sum(self.sizes.values())

    def close(self):
        self.stop.set()
        self.thread.join(10)
        self.connector.close()

    # ---- the thread that polls ----

    def demultiplex(self):
        poller = select.poll()
        poller.register(self.connector.event_fd(), select.POLLIN)
        while not self.stop.is_set():
            if poller.poll(100):
                self.wakes += 1
                self.take(self.connector.drain_completions())

    def take(self, completions):
        self.empty += not completions
        told = collections.defaultdict(list)
        with self.lock:
            for task, ok, error, results in completions:
                if self.pending.get(task) is None:
                    self.unknown.append(task)
                    continue
                event, keys, sizes = self.pending.pop(task)
                self.account(told, event, keys, sizes, ok, results)
                self.ended[task] = ok, error, results
        for event, keys in told.items():
            for listener in self.listeners:
                listener(event, keys)
        with self.some_ended:
            self.some_ended.notify_all()

    def account(self, told, event, keys, sizes, ok, results):
        if event == "stored" and ok:
            self.sizes.update(zip(keys, sizes))
            told[event] += keys
        elif event == "accessed":
            told[event] += [k for k, good in zip(keys, results) if good]
        elif event == "deleted":
            gone = [k for k, good in zip(keys, results) if good]
            for key in gone:
                self.sizes.pop(key, None)
            told[event] += gone
