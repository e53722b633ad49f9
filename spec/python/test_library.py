"""Which library the module loads, and which it refuses."""
import os
import re
import shutil
import subprocess
import sys
import unittest

import folders

from weir import library

MODULES = os.path.dirname(os.path.dirname(os.path.abspath(library.__file__)))
TREE = os.path.normpath(os.path.join(MODULES, "..", ".."))
SHOW = "from weir import library; print(library.path)"


def python(code, modules=MODULES, **variables):
    """Runs a program: (exit code, stdout, stderr)."""
    env = {**os.environ, "PYTHONPATH": modules}
    env.pop("WEIR_LIB", None)
    env.pop("LD_PRELOAD", None)
    env.update(variables)
    done = subprocess.run([sys.executable, "-c", code], env=env, timeout=60,
                          cwd="/", stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


class Finding(unittest.TestCase):

    def copy(self, prefix, place):
        """Installs a copy of the module and of the library."""
        modules = os.path.join(prefix, place)
        shutil.copytree(os.path.join(MODULES, "weir"),
                        os.path.join(modules, "weir"))
        return modules

    def library_at(self, path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy(os.path.join(TREE, "build", "libweir.so"), path)
        return path

    def test_takes_the_build_of_its_source_tree(self):
        self.assertEqual(python(SHOW),
                         (0, os.path.join(TREE, "build", "libweir.so"), ""))

    def test_takes_what_WEIR_LIB_names_and_nothing_else(self):
        here = folders.folder(self)
        path = self.library_at(here + "/own.so")
        self.assertEqual(python(SHOW, WEIR_LIB=path), (0, path, ""))
        code, _, err = python(SHOW, WEIR_LIB=here + "/none.so")
        self.assertEqual(code, 1)
        self.assertIn("cannot find libweir. Looked at: %s/none.so. Install"
                      % here, err)

    def test_takes_the_library_of_its_own_prefix(self):
        here = folders.folder(self)
        modules = self.copy(here, "lib/python3.9/site-packages")
        path = self.library_at("%s/lib/%s" % (here, library.SONAME))
        self.assertEqual(python(SHOW, modules), (0, path, ""))

    def test_takes_the_library_that_pkg_config_knows(self):
        here = folders.folder(self)
        modules = self.copy(here, "elsewhere")
        path = self.library_at("%s/prefix/lib/%s" % (here, library.SONAME))
        with open(here + "/weir.pc", "w", encoding="utf-8") as file:
            file.write("prefix=%s/prefix\nName: weir\nDescription: weir\n"
                       "Version: 0\n" % here)
        self.assertEqual(python(SHOW, modules, PKG_CONFIG_PATH=here),
                         (0, path, ""))

    def test_takes_the_library_that_the_loader_knows(self):
        here = folders.folder(self)
        modules = self.copy(here, "elsewhere")
        self.library_at("%s/%s" % (here, library.SONAME))
        self.assertEqual(
            python(SHOW, modules, LD_LIBRARY_PATH=here, PKG_CONFIG_LIBDIR="/"),
            (0, library.SONAME, ""))

    def test_says_where_it_looked(self):
        here = folders.folder(self)
        modules = self.copy(here, "elsewhere")
        code, _, err = python(SHOW, modules, PKG_CONFIG_LIBDIR="/")
        self.assertEqual(code, 1)
        self.assertIn(library.SONAME, err)
        self.assertIn("set WEIR_LIB to the path of libweir.so", err)


class Refusing(unittest.TestCase):

    def refusal(self, source):
        here = folders.folder(self)
        with open(here + "/other.c", "w", encoding="utf-8") as file:
            file.write(source)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", here + "/other.so",
                        here + "/other.c"], check=True, timeout=60)
        code, _, err = python(SHOW, WEIR_LIB=here + "/other.so")
        self.assertEqual(code, 1)
        return err.replace(here, "")

    def test_another_abi(self):
        self.assertIn(
            "weir: /other.so has ABI 3, this module needs ABI %d: install "
            "both from one version of weir" % library.ABI,
            self.refusal("unsigned weir_layout(unsigned *s, unsigned long n)"
                         "{ return 3; }"))

    def test_another_struct(self):
        self.assertIn(
            "a struct weir_value. has 1 bytes in /other.so and 16 bytes in "
            "this module",
            self.refusal("unsigned weir_layout(unsigned *s, unsigned long n)"
                         "{ *s = 1; return %d; }" % library.ABI))

    def test_a_library_that_is_another(self):
        self.assertIn("weir: /other.so is not libweir",
                      self.refusal("int other;"))

    def test_the_abi_is_that_of_the_header(self):
        with open(os.path.join(TREE, "runtime", "weir.h"),
                  encoding="utf-8") as file:
            abi = re.search(r"WEIR_ABI = (\d+)", file.read()).group(1)
        self.assertEqual(int(abi), library.ABI)
