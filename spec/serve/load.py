# load.py PORT SECONDS: sets and gets by 4 connections until the time is up or the
# server says goodbye; prints how many operations, and raises what failed.
import sys
import threading
import time
import redis

port, until = int(sys.argv[1]), time.time() + float(sys.argv[2])
counts, failed = [], []


def work(name):
    r = redis.Redis(port=port, socket_timeout=20)
    n = 0
    try:
        while time.time() < until:
            key, value = "load:%d:%d" % (name, n % 500), "%d" % n
            assert r.set(key, value)
            assert r.get(key) == value.encode(), key
            n += 1
    except Exception as e:
        failed.append(repr(e))
    counts.append(n)


threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(sum(counts), failed)
