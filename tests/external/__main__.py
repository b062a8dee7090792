"""Checks from outside: the binaries as people run them, judged by programs that nobody here wrote.

    python3 tests/external --binaries target/release

The federation of the README is made by the README's own commands, so that they cannot go stale. The last line of the
output is `N passed, N failed`.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import crash
import demo
import readme
import reflection
import resolvers
from check import Checks
from federation import Federation


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", type=Path, required=True, help="folder with almenara and almenarad")
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it there")
    arguments = parser.parse_args()
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="almenara-") as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(exist_ok=True)
        federation = Federation(arguments.binaries.resolve(), folder)
        try:
            readme.check(checks, federation)
            resolvers.check(checks, federation)
            reflection.check(checks, federation)
            crash.check(checks, federation)
            demo.check(checks, federation)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired, TimeoutError) as error:
            # What comes later builds on it, and would only say the same again.
            checks.check("the checks reach their end", False, getattr(error, "output", None) or error)
        finally:
            federation.stop()
    print(f"\n{checks.passed} passed, {checks.failed} failed")
    return int(checks.failed > 0 or checks.passed == 0)


if __name__ == "__main__":
    sys.exit(main())
