#!/usr/bin/env python3
"""Drives weir from Python as LMCache's adapter does, and compares: with a
plain copy of memory, with weir's C API, and with redis-py at the same server.

    PYTHONPATH=examples/python python3 examples/python/drive.py [REDIS-URL]

Without a URL it starts a redis-server of its own on a unix socket. As LMCache
does, it keeps a few tasks in flight, each a batch (--tasks 1: one at a time).
redis-py sends one pipeline for each. The ways take turns, and each figure is
the best of many rounds. Only the ratios of one run can be compared.
"""
import argparse
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

import weir
from weir import library
from weir.asking import GET, SET, Call
from weir.batch import Batch
from weir.queue import Queue
from weir_lmcache import WeirConnector

# Bytes of a value, keys in a task.
SIZES = [(64, 256), (64 << 10, 64), (4 << 20, 8)]
NAMES = {64: "64 B", 64 << 10: "64 KiB", 4 << 20: "4 MiB"}


# ---- the ways to move tasks: lists of (keys, views) ----

class Connector:
    """Through the connector of LMCache: submit, poll, drain."""

    def __init__(self, url):
        self.connector = WeirConnector(url)
        self.poller = select.poll()
        self.poller.register(self.connector.event_fd(), select.POLLIN)

    def run(self, submit, tasks):
        left = len([submit(keys, views) for keys, views in tasks])
        while left:
            self.poller.poll(500)
            for _, ok, error, _ in self.connector.drain_completions():
                assert ok, error
                left -= 1

    def set(self, tasks):
        self.run(self.connector.submit_batch_set, tasks)

    def get(self, tasks):
        self.run(self.connector.submit_batch_get, tasks)


class Bare:
    """The C API alone: the batches are filled before the clock runs."""

    def __init__(self, url):
        self.store = weir.Store(url, inline=False)
        self.queue = Queue()
        self.poller = select.poll()
        self.poller.register(self.queue.fd, select.POLLIN)
        self.batches = {}

    def run(self, name, calls):
        batches = self.batches.get(name)
        if batches is None or batches[0].n != len(calls[0].keys):
            batches = self.batches[name] = [Batch(len(c.keys)) for c in calls]
            for batch, call in zip(batches, calls):
                call.fill(batch)
        for batch in batches:
            code = library.submit(self.store._pointer, self.queue.pointer,
                                  batch.pointer)
            assert code == 0, batch.message()
        left = len(batches)
        while left:
            self.poller.poll()
            left -= len(self.queue.drain())

    def set(self, tasks):
        self.run("set", [Call(SET, k, values=v) for k, v in tasks])

    def get(self, tasks):
        self.run("get", [Call(GET, k, buffers=v) for k, v in tasks])


class RedisPy:
    """redis-py: one pipeline for each task."""

    def __init__(self, url):
        import redis
        self.client = redis.Redis.from_url(url.replace("redis+unix", "unix"))

    def set(self, tasks):
        for keys, views in tasks:
            pipe = self.client.pipeline(transaction=False)
            for key, view in zip(keys, views):
                pipe.set(key, view)
            pipe.execute()

    def get(self, tasks):
        for keys, views in tasks:
            pipe = self.client.pipeline(transaction=False)
            for key in keys:
                pipe.get(key)
            for view, value in zip(views, pipe.execute()):
                view[:] = value


class Copy:
    """A plain copy of memory."""

    def __init__(self):
        self.stored = {}

    def set(self, tasks):
        for keys, views in tasks:
            for key, view in zip(keys, views):
                self.stored.setdefault(key, bytearray(view))[:] = view

    def get(self, tasks):
        for keys, views in tasks:
            for key, view in zip(keys, views):
                view[:] = self.stored[key]


# ---- measuring ----

def measure(ways, tasks, others, seconds):
    """The shortest time of each way for a set and for a get."""
    best = {name: [float("inf")] * 2 for name in ways}
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < 2 or time.perf_counter() < end:
        rounds += 1
        for name, way in ways.items():
            for i, work in enumerate((lambda: way.set(tasks),
                                      lambda: way.get(others))):
                start = time.perf_counter()
                work()
                best[name][i] = min(best[name][i],
                                    time.perf_counter() - start)
            if rounds == 1:
                assert tasks == others, name
                for view in others[0][1]:
                    view[:] = bytes(len(view))
    return best


def compare(size, count, ways, options):
    """Prints the figures of one size."""
    tasks, others = [], []
    for task in range(options.tasks):
        keys = ["chunk/%d/%d/%d" % (size, task, i) for i in range(count)]
        tasks.append((keys, [memoryview(bytearray(os.urandom(size)))
                             for _ in keys]))
        others.append((keys, [memoryview(bytearray(size)) for _ in keys]))
    best = measure(ways, tasks, others, options.seconds)
    amount = count * options.tasks
    unit, by = ("M keys/s", 1e6) if size < 4096 else ("GB/s", 1e9 / size)
    print("\n%-32s %8s%8s" % ("%d x %d values of %s" % (
        options.tasks, count, NAMES[size]), "set", "get"))
    for name, times in best.items():
        print("%-32s %s %-9s%s" % (name, "".join(
            "%8.3f" % (amount / by / t) for t in times), unit,
            ratios(name, best)))


def ratios(name, best):
    """How fast a way is in relation to its reference, in words."""
    store = name.split(",")[0]
    found = ""
    for other, short in (("memcpy", "memcpy"), (store + ", C API", "C API"),
                         ("redis-py", "redis-py")):
        if name == store + ", connector" and other in best and (
                short == "C API" or (short == "memcpy") == (store == "memory")):
            found += "  %.2fx %.2fx %s" % (
                best[other][0] / best[name][0], best[other][1] / best[name][1],
                short)
    return found


def own_server():
    """Starts a redis-server: (process, folder, URL)."""
    folder = tempfile.mkdtemp()
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", folder + "/socket",
         "--save", "", "--dir", folder], stdout=subprocess.DEVNULL)
    end = time.monotonic() + 10
    while not os.path.exists(folder + "/socket"):
        if time.monotonic() > end:
            sys.exit("redis-server does not start")
        time.sleep(0.01)
    return process, folder, "redis+unix://%s/socket" % folder


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url", nargs="?", help="redis://HOST:PORT, "
                        "redis+unix:///PATH; default: a server of its own")
    parser.add_argument("--tasks", type=int, default=4, help="in flight")
    parser.add_argument("--seconds", type=float, default=4, help="a size")
    options, process = parser.parse_args(), None
    url = options.url
    try:
        if url is None:
            process, folder, url = own_server()
        memory = "memory://?capacity=1GiB"
        ways = {"memcpy": Copy(), "memory, C API": Bare(memory),
                "memory, connector": Connector(memory),
                "redis, C API": Bare(url), "redis, connector": Connector(url)}
        try:
            ways["redis-py"] = RedisPy(url)
        except ImportError:
            print("redis-py is not installed: no comparison with it")
        for size, count in SIZES:
            compare(size, count, ways, options)
    finally:
        if process:
            process.terminate()
            process.wait()
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
