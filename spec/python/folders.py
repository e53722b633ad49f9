"""Folders and stores for the tests."""
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time

TREE = "return tier { memory { capacity = '32MiB' }, fs { path = '%s' } }\n"


def folder(test):
    """A folder that ends with the test, in memory where there is such a
    place."""
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = tempfile.mkdtemp(prefix="weir-python-", dir=shared)
    test.addCleanup(shutil.rmtree, path, ignore_errors=True)
    return path


def policy(test, text=None):
    """The URL of a policy file: by default memory over files."""
    path = folder(test)
    with open(path + "/kv.lua", "w", encoding="utf-8") as file:
        file.write(text or TREE % (path + "/values"))
    return "lua:%s/kv.lua" % path


def free_port():
    """A port of 127.0.0.1 where nobody listens just now, below those that the
    kernel gives to clients."""
    while True:
        port = random.SystemRandom().randrange(10000, 20000)
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Redis:
    """A redis-server at a port of 127.0.0.1."""

    def __init__(self, test):
        self.port, place = free_port(), folder(test)
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
             "--save", "", "--dir", place, "--logfile", place + "/log"],
            env={k: v for k, v in os.environ.items() if k != "LD_PRELOAD"})
        test.addCleanup(self.stop)
        if not wait_until(self.answers):
            with open(place + "/log", encoding="utf-8") as log:
                test.fail("redis-server does not start: " + log.read())

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait()


def urls(test):
    """A store of each kind: one that answers in place, one with workers, one
    that may answer at once, one whose answers come from Lua."""
    return {
        "memory": "memory://?capacity=64MiB",
        "workers": "memory://?capacity=64MiB&inline=false",
        "fs": "fs://%s" % folder(test),
        "lua": policy(test),
    }


def wait_until(what, seconds=20):
    """Waits until what() is true. False: it did not become true in time."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True
