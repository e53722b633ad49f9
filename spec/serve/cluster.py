# cluster.py PORT CASE: redis-py's client of Redis Cluster on a weir serve --processes.
# Raises what is wrong.
import sys
import threading
import time
from redis.cluster import RedisCluster
from redis.exceptions import RedisClusterException

PORT = int(sys.argv[1])


def client():
    return RedisCluster(host="127.0.0.1", port=PORT, socket_timeout=30)


def commands():
    r = client()
    n = len(r.get_nodes())
    assert n == int(sys.argv[3]), n
    for i in range(300):
        assert r.set("py%d" % i, "v%d" % i)
    for i in range(300):
        assert r.get("py%d" % i) == b"v%d" % i
    assert r.mget_nonatomic("py1", "nothing", "py2") == [b"v1", None, b"v2"]
    assert r.mset({"{tag}1": "1", "{tag}2": "2"})
    assert r.mget("{tag}1", "{tag}2") == [b"1", b"2"]
    try:
        r.mget("py1", "py2")
        raise AssertionError("keys of several slots")
    except RedisClusterException:
        pass
    p = r.pipeline()
    for i in range(300):
        p.get("py%d" % i)
    assert p.execute() == [b"v%d" % i for i in range(300)]
    assert len(set(r.scan_iter("py*"))) == 300
    assert r.set("big", b"x" * 300000) and len(r.get("big")) == 300000
    assert r.expire("big", 100) and r.persist("big") and r.ttl("big") == -1
    assert r.delete("big") == 1 and r.cluster_keyslot("a") == 15495
    assert r.cluster_info()["cluster_state"] == "ok"
    counts = [r.dbsize(target_nodes=node) for node in r.get_primaries()]
    assert min(counts) > 50, counts


# Sets and gets by keys of each process until the file that argv[3] names is there, and
# prints for each process how many operations were right and what failed.
def load():
    n = int(sys.argv[4])
    counts, failed = [0] * n, [[] for _ in range(n)]

    def done():
        try:
            open(sys.argv[3]).close()
            return True
        except OSError:
            return False

    def work(at):
        r = client()
        key = next(k for k in ("load%d" % i for i in range(10000))
                   if r.keyslot(k) * n // 16384 == at)
        while not done():
            value = b"%d" % counts[at]
            try:
                assert r.set(key, value)
                # A process that started again has lost its memory.
                assert r.get(key) in (value, None)
                counts[at] += 1
            except AssertionError:
                raise
            except Exception as e:
                failed[at].append(repr(e))
                time.sleep(0.01)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for i in range(n):
        print("process %d: %s, %s" % (i + 1, "served" if counts[i] > 0 else "dead",
                                      failed[i] or "no failures"))


globals()[sys.argv[2]]()
print("done")
