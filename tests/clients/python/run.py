"""The suite "python": starts Lockstep, runs pytest against it, ends with the line that bin/test counts."""

import sys
from pathlib import Path

import pytest


class Count:
    """Counts outcomes, errors of fixtures included."""

    passed = failed = skipped = 0

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed += 1
        elif report.skipped:
            self.skipped += 1
        elif report.when == "call":
            self.passed += 1

    def pytest_collectreport(self, report):
        self.failed += report.failed


if __name__ == "__main__":
    count = Count()
    folder = str(Path(__file__).parent)
    status = pytest.main(["--rootdir", folder, "-p", "no:cacheprovider", *(sys.argv[1:] or [folder])], plugins=[count])
    if status not in (0, 1) and not count.failed:
        count.failed = 1
    skipped = f", {count.skipped} skipped" if count.skipped else ""
    print(f"python: {count.passed} passed, {count.failed} failed{skipped}")
    sys.exit(0 if count.passed and not count.failed else 1)
