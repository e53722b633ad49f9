"""weir for Python: stores of memory, files, Redis and policy files.

    import weir

    with weir.Store("lua:kv.lua") as store:
        store.set_many(["a", "b"], [b"1", b"2"])
        reply = store.get_many(["a", "b", "c"])
        print(bytes(reply[0]), reply.status(2))    # b'1' miss

The module needs libweir and CPython 3.9 or newer, and nothing else. Read
weir.Store for the calls, weir.Reply for their results, weir.Error for their
failures. `python -m weir` is a small command.

The files, in the order in which to read them:

library.py   finds libweir, checks it, declares its functions
batch.py     n keys with one op, filled and read in columns
buffers.py   memory of Python objects that is lent to a batch
values.py    values that come back, and what keeps them alive
reply.py     the results of a call
asking.py    the calls before they are sent
waiting.py   a thread waits for a call
aio.py       asyncio awaits one
atomic.py    the atomic calls
store.py     weir.Store
jobs.py      calls in the background, for engines that poll a descriptor
"""
from .asking import Entry
from .errors import Error
from .library import version as _version
from .reply import Reply, Stat
from .store import Store

__all__ = ["Entry", "Error", "Reply", "Stat", "Store", "__version__"]

__version__: str = _version().decode()
