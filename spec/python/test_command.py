"""python -m weir."""
import contextlib
import io
import os
import subprocess
import sys
import unittest

import folders
from weir.__main__ import main

MODULES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                       "examples", "python")


def run(*words, given=b""):
    """Runs the command in this process: (exit code, stdout, stderr)."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    stdin, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(given))
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(list(words))
    finally:
        sys.stdin = stdin
    out.flush()
    return code, out.buffer.getvalue(), err.getvalue()


class Command(unittest.TestCase):

    def test_the_calls_of_a_store(self):
        url = "fs://" + folders.folder(self)
        for words, expected in (
                (("set", url, "user/1", "ada"), (0, b"", "")),
                (("get", url, "user/1"), (0, b"ada", "")),
                (("get", url, "none"), (1, b"", "")),
                (("exists", url, "user/1"), (0, b"", "")),
                (("exists", url, "none"), (1, b"", "")),
                (("stat", url, "user/1"), (0, b"3 bytes, ttl -\n", "")),
                (("ls", url, "user/"), (0, b"user/1\n", "")),
                (("rm", url, "user/1"), (0, b"", "")),
                (("rm", url, "user/1"), (1, b"", ""))):
            with self.subTest(words=words):
                self.assertEqual(run(*words), expected)

    def test_runs_as_a_module(self):
        done = subprocess.run(
            [sys.executable, "-m", "weir", "get", "memory", "none"],
            env={**os.environ, "PYTHONPATH": MODULES}, timeout=60)
        self.assertEqual(done.returncode, 1)

    def test_an_output_that_takes_nothing(self):
        url = "fs://" + folders.folder(self)
        self.assertEqual(run("set", url, "key", "v" * 70000)[0], 0)
        self.assertEqual(run("set", url, "small", "v")[0], 0)
        for words in (("get", url, "key"), ("get", url, "small"),
                      ("ls", url), ("stat", url, "key")):
            for name, expected in (
                    ("/dev/full", "weir: cannot read or write: No space "
                                  "left on device\n"),
                    ("a closed pipe", "")):
                with self.subTest(words=words, output=name):
                    done = self.run_into(name, words)
                    self.assertEqual((done.returncode, done.stderr),
                                     (2, expected))

    def run_into(self, name, words):
        """Runs the command with an output that refuses what is written."""
        if name == "/dev/full":
            output = os.open(name, os.O_WRONLY)
        else:
            reading, output = os.pipe()
            os.close(reading)
        try:
            return subprocess.run(
                [sys.executable, "-m", "weir", *words], stdout=output,
                env={**os.environ, "PYTHONPATH": MODULES}, timeout=60,
                stderr=subprocess.PIPE, universal_newlines=True)
        finally:
            os.close(output)

    def test_a_value_from_stdin(self):
        url = "fs://" + folders.folder(self)
        self.assertEqual(run("set", url, "key", "-", given=b"\0\xff")[0], 0)
        self.assertEqual(run("get", url, "key"), (0, b"\0\xff", ""))

    def test_an_error_is_one_line(self):
        code, out, err = run("get", "memroy", "key")
        self.assertEqual((code, out), (2, b""))
        self.assertTrue(err.startswith("weir: "), err)
        self.assertEqual(err.count("\n"), 1, err)

    def test_words_for_a_policy_file(self):
        code, out, err = run("ask", folders.policy(self), "tree")
        self.assertEqual((code, err), (0, ""))
        self.assertIn(b"tier", out)


class Drive(unittest.TestCase):

    def test_compares_the_ways_and_finds_each_byte_right(self):
        done = subprocess.run(
            [sys.executable, os.path.join(MODULES, "drive.py"), "--tasks", "1",
             "--seconds", "0"], env={**os.environ, "PYTHONPATH": MODULES},
            timeout=60, stdout=subprocess.PIPE, universal_newlines=True)
        self.assertEqual(done.returncode, 0)
        for line in ("1 x 256 values of 64 B", "1 x 8 values of 4 MiB",
                     "redis, connector "):
            self.assertIn(line, done.stdout)
        self.assertRegex(done.stdout, r"memory, connector .* \d\.\d\dx C API")
