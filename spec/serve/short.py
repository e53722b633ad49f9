# short.py PORT: a client as LMCache's: it reads 5 bytes after SET, 4 after EXISTS and
# DEL, after GET a line and what that says, and goes on after an error. Prints how many
# errors it saw, and how often it got another key's bytes.
import random
import socket
import sys

s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
random.seed(7)


def read(n):
    data = b""
    while len(data) < n:
        got = s.recv(n - len(data))
        if not got:
            raise EOFError
        data += got
    return data


def ask(*words):
    out = b"*%d\r\n" % len(words)
    for word in words:
        out += b"$%d\r\n%s\r\n" % (len(word), word)
    s.sendall(out)


def get(key, size):
    ask(b"GET", key)
    head = b""
    while not head.endswith(b"\r\n"):
        head += read(1)
    if head[:1] != b"$" or head == b"$-1\r\n":
        return None if head == b"$-1\r\n" else False
    return read(int(head[1:-2]) + 2)[:-2]


errors = wrong = lost = 0
try:
    for i in range(3000):
        key = b"key%d" % random.randrange(50)
        value = key * 10
        what = random.randrange(4)
        if what == 0:
            ask(b"SET", key, value)
            reply = read(5)
            errors += reply[:1] == b"-"
            lost += reply not in (b"+OK\r\n", b"-ER\r\n")
        elif what == 1:
            ask(b"EXISTS" if i % 2 else b"DEL", key)
            reply = read(4)
            errors += reply[:1] == b"-"
            lost += reply not in (b":0\r\n", b":1\r\n", b"-E\r\n")
        else:
            got = get(key, len(value))
            errors += got is False
            wrong += got not in (None, False, value)
        if lost:
            break
except (EOFError, ValueError, socket.timeout):
    lost += 1
print("errors" if errors > 100 else errors, "in step" if not lost else "out of step",
      wrong)
