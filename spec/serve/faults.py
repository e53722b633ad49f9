# faults.py PORT CASE: clients that do what clients should not. Raises what is wrong.
import os
import resource
import signal
import socket
import sys
import time

PORT = int(sys.argv[1])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def dial():
    s = socket.create_connection(("127.0.0.1", PORT), timeout=60)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def read(s, n):
    data = b""
    while len(data) < n:
        got = s.recv(min(n - len(data), 1 << 20))
        assert got, "closed after %r" % data[-100:]
        data += got
    return data


def expect(s, sent, reply):
    if sent:
        s.sendall(sent)
    got = read(s, len(reply))
    assert got == reply, got


def closes(s):
    try:
        while s.recv(65536):
            pass
    except ConnectionResetError:
        pass


def info(field):
    with dial() as s:
        s.sendall(b"*1\r\n$4\r\nINFO\r\n")
        data = b""
        while b"\r\n# Keyspace" not in data:
            data += s.recv(65536)
    for line in data.split(b"\r\n"):
        if line.startswith(field.encode() + b":"):
            return int(line.split(b":")[1])
    raise AssertionError("no " + field)


def eventually(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def command(*words):
    out = b"*%d\r\n" % len(words)
    for word in words:
        out += b"$%d\r\n%s\r\n" % (len(word), word)
    return out


def one_byte():
    s = dial()
    for sent, reply in (
        (command(b"SET", b"k", b"value"), b"+OK\r\n"),
        (command(b"GET", b"k"), b"$5\r\nvalue\r\n"),
        (b"get k\r\n", b"$5\r\nvalue\r\n"),
    ):
        for i in range(len(sent)):
            s.sendall(sent[i:i + 1])
        expect(s, b"", reply)


def half():
    s, other = dial(), dial()
    s.sendall(b"*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$10\r\n12345")
    expect(other, command(b"GET", b"half"), b"$-1\r\n")
    expect(s, b"67890\r\n", b"+OK\r\n")
    expect(other, command(b"GET", b"half"), b"$10\r\n1234567890\r\n")
    s.sendall(b"*2\r\n$3\r\nGET\r\n$4\r\nha")
    s.close()
    # What was sent before the end is answered.
    s = dial()
    s.sendall(command(b"GET", b"half") * 3)
    s.shutdown(socket.SHUT_WR)
    expect(s, b"", b"$10\r\n1234567890\r\n" * 3)
    assert s.recv(1) == b""


def announced():
    before = info("used_memory")
    s = dial()
    expect(s, b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1073741824\r\n",
           b"-ERR Protocol error: invalid bulk length\r\n")
    assert s.recv(1) == b""
    many = []
    for _ in range(200):
        s = dial()
        s.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$209715200\r\nabc")
        many.append(s)
    eventually(lambda: info("connected_clients") >= 200)
    assert info("used_memory") < before + 64e6
    for s in many:
        s.close()
    eventually(lambda: info("connected_clients") == 1)


def connections():
    n = min(9990, hard - 200)
    many = [dial() for _ in range(n)]
    for s in many:
        s.sendall(b"PING\r\n")
    for s in many:
        expect(s, b"", b"+PONG\r\n")
    assert info("connected_clients") == n + 1
    for s in many:
        s.close()
    eventually(lambda: info("connected_clients") == 1)


def unread():
    value = b"v" * 1000000
    first = dial()
    expect(first, command(b"SET", b"big", value), b"+OK\r\n")
    many = []
    for _ in range(1000):
        s = dial()
        s.settimeout(0.5)
        try:
            s.sendall(command(b"GET", b"big") * 50)
        except (socket.timeout, ConnectionError):
            pass
        many.append(s)
    # A client that reads gets its replies meanwhile.
    for _ in range(100):
        expect(first, command(b"PING"), b"+PONG\r\n")
    assert info("used_memory_clients") <= info("maxmemory_clients")
    assert info("evicted_clients") > 0
    for s in many:
        s.close()
    eventually(lambda: info("connected_clients") == 2)
    assert info("used_memory_clients") < 1e6
    assert info("clients_not_reading") == 0


def killed():
    pid = os.fork()
    if pid == 0:
        s = dial()
        s.sendall(command(b"SET", b"before", b"1"))
        s.sendall(b"*3\r\n$3\r\nSET\r\n$6\r\nkilled\r\n$1000000\r\n" + b"x" * 500000)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    s = dial()

    def before():
        s.sendall(command(b"GET", b"before"))
        return read(s, 4)[:2] == b"$1" and read(s, 3)

    eventually(lambda: info("connected_clients") == 2)
    expect(s, command(b"GET", b"killed"), b"$-1\r\n")
    expect(s, command(b"GET", b"before"), b"$1\r\n1\r\n")


def pipelines():
    n = 100000
    s = dial()
    pid = os.fork()
    if pid == 0:
        s.sendall(b"".join(command(b"SET", b"p%d" % i, b"%d" % i) for i in range(n)))
        s.sendall(b"".join(command(b"GET", b"p%d" % i) for i in range(n)))
        os._exit(0)
    expected = b"+OK\r\n" * n + b"".join(
        b"$%d\r\n%d\r\n" % (len(str(i)), i) for i in range(n))
    assert read(s, len(expected)) == expected
    os.waitpid(pid, 0)
    keys = [b"p%d" % i for i in range(n)]
    s.sendall(command(b"EXISTS", *keys))
    expect(s, b"", b":%d\r\n" % n)


def mute():
    s = dial()
    s.sendall(b"client reply off\r\nset mute 1\r\nget mute\r\nnosuch\r\nping\r\n"
              b"client reply on\r\nclient reply skip\r\nget mute\r\nget mute\r\n")
    expect(s, b"", b"+OK\r\n$1\r\n1\r\n")
    s.sendall(b"client reply skip\r\nclient reply on\r\nget mute\r\n"
              b"client reply off\r\nclient reply skip\r\nreset\r\nget mute\r\n")
    expect(s, b"", b"+OK\r\n$1\r\n1\r\n+RESET\r\n$1\r\n1\r\n")


def mute_multi():
    s = dial()
    s.sendall(b"client reply off\r\nmulti\r\nset muted 1\r\nexec\r\n"
              b"multi\r\ndiscard\r\n"
              b"client reply on\r\nclient reply skip\r\nmulti\r\nget muted\r\nexec\r\n")
    expect(s, b"", b"+OK\r\n+QUEUED\r\n*1\r\n$1\r\n1\r\n")


# A browser that a web page makes send commands.
def http():
    for head in (b"POST / HTTP/1.1\r\nHost: x\r\n",
                 b"PUT / HTTP/1.1\r\nUser-Agent: y\r\nhost: x\r\n"):
        s = dial()
        s.sendall(head + b"Content-Length: 20\r\n\r\nSET http 1\r\nPING\r\n")
        data = b""
        while not data.endswith(b"-ERR Protocol error: this is HTTP, not RESP\r\n"):
            got = s.recv(65536)
            assert got, data
            data += got
        closes(s)
        expect(dial(), command(b"GET", b"http"), b"$-1\r\n")


def nonsense():
    good = dial()
    for bytes_ in (b"*1\r\nfoo\r\n", b"*-5\r\n*x\r\n", b"$5\r\nhello\r\n\"",
                   b"*2\r\n$3\r\nGET\r\n$-7\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\n",
                   b"a" * 200000, b"*1\r\n$" + b"1" * 100000,
                   b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\""):
        s = dial()
        try:
            s.sendall(bytes_)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        closes(s)
        expect(good, b"PING\r\n", b"+PONG\r\n")


globals()[sys.argv[2]]()
print("done")
