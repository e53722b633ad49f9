"""Runs the test cases of this folder, all or those of the modules named, and
prints a line for each: passed, failed or skipped, the test, and why. They find
the library by WEIR_LIB and the modules below examples/python."""
import faulthandler
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "..", "examples", "python"))


class Lines(unittest.TestResult):
    """Prints the result of each test as one line."""

    def startTest(self, test):
        super().startTest(test)
        self.bad = None

    def told(self, word, test, why=""):
        print("\t".join([word, test.id(), why.replace("\t", " ")
                         .replace("\n", "\\n")]), flush=True)

    def addSuccess(self, test):
        if self.bad is None:
            self.told("passed", test)

    def addSkip(self, test, reason):
        self.told("skipped", test, reason)

    def addError(self, test, err):
        self.bad = True
        self.told("failed", test, self._exc_info_to_string(err, test))

    addFailure = addError

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.bad = True
            self.told("failed", test, "%s: %s" % (
                subtest, self._exc_info_to_string(err, test)))


def main():
    faulthandler.dump_traceback_later(
        300 + int(os.environ.get("WEIR_SOAK", 0)), exit=True)
    loader = unittest.TestLoader()
    if len(sys.argv) > 1:
        suite = loader.loadTestsFromNames(sys.argv[1:])
    else:
        suite = loader.discover(HERE, top_level_dir=HERE)
    suite.run(Lines())
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main()
