"""Finds libweir, checks that it is the one this module was written for, and
declares what the module uses of weir.h.

The library is looked for in this order:

1. where the variable WEIR_LIB says. If it is set, nowhere else.
2. beside this module: build/ of a source tree, lib/ of an installed prefix
3. lib/ of the prefix that pkg-config tells for weir
4. where the system's loader looks: LD_LIBRARY_PATH, and what ldconfig knows

The signatures below are those of runtime/weir.h, where they are documented.
"""
import ctypes
import os
import subprocess
from ctypes import (CDLL, POINTER, PyDLL, Structure, c_char, c_char_p, c_int,
                    c_int32, c_size_t, c_ssize_t, c_uint8, c_uint32, c_uint64,
                    c_void_p, py_object)
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

# WEIR_ABI of runtime/weir.h, which changes with any struct or function there.
# `make generate` writes it.
ABI = 11
SONAME = "libweir.so.%d" % ABI


# ---- structs ----

class Failure(Structure):
    """struct weir_error."""
    _fields_ = [("code", c_int32), ("message", c_char * 252)]


class Value(Structure):
    """struct weir_value."""
    _fields_ = [("data", c_void_p), ("size", c_uint64)]


class Item(Structure):
    """struct weir_item. batch.py reads and writes it by columns."""
    _fields_ = [("key", c_void_p), ("key_len", c_uint32), ("status", c_uint8),
                ("flags", c_uint8), ("reserved", ctypes.c_uint16),
                ("data", c_void_p), ("cap", c_uint64), ("size", c_uint64),
                ("value", c_void_p), ("ttl_ms", c_uint64),
                ("cursor", c_uint64)]


class Head(Structure):
    """struct weir_batch."""
    _fields_ = [("op", c_uint32), ("n", c_uint32), ("capacity", c_uint32),
                ("errors", c_uint32), ("items", c_void_p),
                ("deadline_ns", c_uint64), ("tag", c_uint64),
                ("error", Failure)]


class Setting(Structure):
    """struct weir_setting."""
    _fields_ = [("name", c_char_p), ("value", c_char_p)]


class StatusRow(Structure):
    """struct weir_status_info."""
    _fields_ = [("name", c_char_p), ("klass", c_uint8), ("retry", c_uint8),
                ("applied", c_uint8), ("reserved", c_uint8)]


class OpRow(Structure):
    """struct weir_op_info."""
    _fields_ = [("name", c_char_p), ("writes", c_uint8),
                ("idempotent", c_uint8), ("sends", c_uint8),
                ("returns", c_uint8), ("prefix", c_uint8),
                ("atomic", c_uint8), ("numbers", c_uint8),
                ("reserved", c_uint8)]


class Buffer(Structure):
    """Py_buffer of CPython: memory that a Python object lends."""
    _fields_ = [("buf", c_void_p), ("obj", c_void_p), ("len", c_ssize_t),
                ("itemsize", c_ssize_t), ("readonly", c_int), ("ndim", c_int),
                ("format", c_char_p), ("shape", c_void_p),
                ("strides", c_void_p), ("suboffsets", c_void_p),
                ("internal", c_void_p)]


# The place of each struct in the list that weir_layout writes.
LAYOUT = {0: Value, 1: Item, 3: Head, 4: Failure, 10: StatusRow, 12: OpRow}
LAYOUT_LENGTH = 13


# ---- finding ----

def beside(folder: str) -> Iterator[str]:
    """The places beside this module: a source tree, then a prefix."""
    tree = os.path.normpath(os.path.join(folder, "..", "..", ".."))
    if os.path.exists(os.path.join(tree, "runtime", "weir.h")):
        yield os.path.join(tree, "build", "libweir.so")
    # PREFIX/lib/python3.x/site-packages/weir
    yield os.path.join(tree, SONAME)


def known_to_pkg_config() -> Iterator[str]:
    """The place below the prefix of weir.pc."""
    try:
        prefix = subprocess.run(
            ["pkg-config", "--variable=prefix", "weir"], timeout=10,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    except (OSError, subprocess.SubprocessError):
        return
    if prefix.strip():
        yield os.path.join(os.fsdecode(prefix.strip()), "lib", SONAME)


def places() -> Iterator[str]:
    """Where the library may be, the best place first."""
    given = os.environ.get("WEIR_LIB")
    if given:
        yield given
        return
    yield from beside(os.path.dirname(os.path.abspath(__file__)))
    yield from known_to_pkg_config()
    yield SONAME


def load() -> Tuple[CDLL, PyDLL, str]:
    """The library twice: calls of the first release the interpreter's lock,
    calls of the second, which are short, do not."""
    tried: List[str] = []
    for path in places():
        if os.sep in path and not os.path.exists(path):
            tried.append(path)
            continue
        try:
            return CDLL(path), PyDLL(path), path
        except OSError as error:
            tried.append("%s (%s)" % (path, error))
    raise ImportError(
        "weir: cannot find libweir. Looked at: %s. Install weir, or set "
        "WEIR_LIB to the path of libweir.so" % ", ".join(tried))


def check(library: CDLL, path: str) -> None:
    """Raises ImportError unless the library has the ABI of this module."""
    try:
        layout = library.weir_layout
    except AttributeError:
        raise ImportError("weir: %s is not libweir" % path) from None
    sizes = (c_uint32 * LAYOUT_LENGTH)()
    layout.argtypes = [POINTER(c_uint32), c_size_t]
    abi = layout(sizes, LAYOUT_LENGTH)
    if abi != ABI:
        raise ImportError(
            "weir: %s has ABI %d, this module needs ABI %d: install both from "
            "one version of weir" % (path, abi, ABI))
    for place, struct in LAYOUT.items():
        if sizes[place] != ctypes.sizeof(struct):
            raise ImportError(
                "weir: a %s has %d bytes in %s and %d bytes in this module: "
                "install both from one version of weir" %
                (struct.__doc__, sizes[place], path, ctypes.sizeof(struct)))


library, short_calls, path = load()
check(library, path)


# ---- functions ----

def declare(owner: CDLL, name: str, result: object, *arguments: object):
    """A function of the library with its types."""
    function = getattr(owner, name)
    function.restype = result
    function.argtypes = list(arguments)
    return function


store_open = declare(library, "weir_open", c_int, POINTER(c_void_p), c_char_p,
                     POINTER(Setting), c_size_t, POINTER(Failure))
store_close = declare(library, "weir_close", c_int, c_void_p, c_uint64, c_int)
close_begin = declare(library, "weir_close_begin", c_int, c_void_p, c_void_p,
                      c_void_p, c_uint64, c_int)
store_free = declare(library, "weir_store_free", None, c_void_p)
store_drop = declare(library, "weir_store_drop", None, c_void_p)
store_name = declare(short_calls, "weir_store_name", c_char_p, c_void_p)
store_ask = declare(library, "weir_ask", c_int, c_void_p, c_char_p, c_uint64,
                    POINTER(c_void_p), POINTER(Failure))
submit = declare(library, "weir_submit", c_int, c_void_p, c_void_p, c_void_p)

batch_new = declare(short_calls, "weir_batch_new", c_void_p, c_uint32)
batch_reset = declare(short_calls, "weir_batch_reset", c_int, c_void_p,
                      c_uint32, c_uint32)
batch_free = declare(library, "weir_batch_free", None, c_void_p)

queue_new = declare(short_calls, "weir_cq_new", c_int, POINTER(c_void_p))
queue_free = declare(library, "weir_cq_free", None, c_void_p)
queue_fd = declare(short_calls, "weir_cq_fd", c_int, c_void_p)
queue_ring_socket = declare(short_calls, "weir_cq_notify_socket", c_int,
                            c_void_p, c_int)
queue_drain = declare(short_calls, "weir_cq_drain", c_int, c_void_p,
                      POINTER(c_void_p), c_int)

value_ref = declare(short_calls, "weir_value_ref", c_void_p, c_void_p)
value_unref = declare(short_calls, "weir_value_unref", None, c_void_p)

now = declare(short_calls, "weir_now", c_uint64)
version_of = declare(library, "weir_version_of", c_uint64, c_char_p, c_uint64)
version = declare(short_calls, "weir_version", c_char_p)
status_info = declare(short_calls, "weir_status_info", POINTER(StatusRow),
                      c_int)
op_info = declare(short_calls, "weir_op_info", POINTER(OpRow), c_uint32)

# ---- of Python itself: memory that an object lends, and views of memory ----

def python_function(name: str, result: object, *arguments: object):
    """A function of CPython with its types. [] makes a new object, so other
    users of ctypes.pythonapi do not see these types."""
    function = ctypes.pythonapi[name]
    function.restype = result
    function.argtypes = list(arguments)
    return function


bytes_address = python_function("PyBytes_AsString", c_void_p, py_object)
bytes_at = python_function("PyBytes_FromStringAndSize", py_object, c_void_p,
                           c_ssize_t)
# The address of a struct Buffer stands in these for a pointer to it.
buffer_get = python_function("PyObject_GetBuffer", c_int, py_object, c_void_p,
                             c_int)
buffer_release = python_function("PyBuffer_Release", None, c_void_p)
view_memory = python_function("PyMemoryView_FromMemory", py_object, c_void_p,
                              c_ssize_t, c_int)

PYBUF_SIMPLE, PYBUF_WRITABLE = 0, 1
VIEW_WRITE = 0x200

CLOSE_DRAIN, CLOSE_FAIL = 0, 1
FOREVER = 2 ** 64 - 1


# ---- tables ----

class Status(NamedTuple):
    """The facts of a status: weir_status_info."""
    name: str
    kind: str      # "good", "miss" or "error"
    retry: int     # 0: no, 1: idempotent ops only, 2: any op


KINDS = {1: "good", 2: "miss", 3: "error"}


def read_statuses() -> Dict[int, Status]:
    """The library's table of statuses, by number."""
    rows = {i: status_info(i) for i in range(16)}
    return {i: Status(row[0].name.decode(), KINDS[row[0].klass], row[0].retry)
            for i, row in rows.items() if row}


def read_ops() -> Dict[str, int]:
    """The numbers of the ops, by name."""
    rows = {i: op_info(i) for i in range(16)}
    return {row[0].name.decode(): i for i, row in rows.items() if row}


STATUSES = read_statuses()
OPS = read_ops()
IDEMPOTENT = {op for op in OPS.values() if op_info(op)[0].idempotent}
OK = next(i for i, status in STATUSES.items() if status.name == "ok")
NUMBERS = {status.name: i for i, status in STATUSES.items()}


def told(failure: Failure, default: Optional[str] = None) -> str:
    """The sentence of a struct weir_error."""
    return failure.message.decode(errors="replace") or default or "no reason"
