# clients.py PORT: what redis-py of Debian does with a weir serve. Raises what is wrong.
import sys
import redis

r = redis.Redis(port=int(sys.argv[1]), socket_timeout=20)

assert r.ping()
assert r.set("py", "value") and r.get("py") == b"value"
assert r.get("py nothing") is None
assert r.set("py ttl", "x", ex=100) and 95 < r.ttl("py ttl") <= 100
assert r.mset({"py1": "1", "py2": "2"})
assert r.mget("py1", "nothing", "py2") == [b"1", None, b"2"]
assert r.delete("py1", "py2", "nothing") == 2
assert r.exists("py", "py", "nothing") == 2
assert r.expire("py", 50) and r.persist("py") and r.ttl("py") == -1
assert r.type("py") == b"string" and r.strlen("py") == 5

# Its default pipeline is a transaction.
p = r.pipeline()
p.set("py", "2")
p.get("py")
p.get("py nothing")
assert p.execute() == [True, b"2", None]

p = r.pipeline(transaction=False)
for i in range(20000):
    p.set("py:%d" % i, "v%d" % i)
for i in range(20000):
    p.get("py:%d" % i)
replies = p.execute()
assert replies[:20000] == [True] * 20000
assert replies[20000:] == [b"v%d" % i for i in range(20000)]
assert len(set(r.scan_iter("py:1*", count=100))) == 11111

for size in (0, 1, 8191, 8192, 100000, 3000000):
    value = bytes(i * 7 % 256 for i in range(1000)) * (size // 1000 + 1)
    value = value[:size]
    assert r.set("py big", value) and r.get("py big") == value

try:
    r.incrbyfloat("py", 1.5)
    raise AssertionError("INCRBYFLOAT was not refused")
except redis.ResponseError as e:
    assert "INCRBYFLOAT is refused" in str(e), e

# Pipelined changes of one key: each is done, in order.
p = r.pipeline(transaction=False)
for i in range(1000):
    p.incr("py count")
    p.append("py log", "%03d" % i)
replies = p.execute()
assert replies[::2] == list(range(1, 1001)), replies[:20]
assert replies[1::2] == list(range(3, 3001, 3)), replies[:20]
assert r.get("py log") == b"".join(b"%03d" % i for i in range(1000))
assert r.set("py lock", "me", nx=True, ex=100) is True
assert r.set("py lock", "you", nx=True) is None
assert r.set("py lock", "me", xx=True) is True
assert r.setnx("py lock", "you") is False
assert r.getex("py lock", ex=50) == b"me" and 40 < r.ttl("py lock") <= 50
assert r.getdel("py lock") == b"me" and r.getdel("py lock") is None
assert r.decrby("py count", 999) == 1
r.delete("py count", "py log")

info = r.info()
assert info["role"] == "master" and info["loading"] == 0
assert r.client_list()[0]["addr"].startswith("127.0.0.1:")
assert r.config_get("save") == {"save": ""}
assert r.client_setname("python") and r.client_getname() == "python"
other = redis.Redis(port=int(sys.argv[1]), db=1)
assert other.set("py", "other") and r.get("py") == b"2"
assert other.dbsize() >= 1
print("done")
