"""Checks from outside: the binaries as people run them, judged by programs that nobody here wrote.

    python3 tests/external --binaries target/release

The federation of the README is made by the README's own commands, so that they cannot go stale. The last line of the
output is `N passed, N failed`.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import auditing
import crash
import demo
import readme
import reflection
import resolvers
import signals
import stories
import tlog
import witness
from check import Checks
from federation import Federation


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", type=Path, required=True, help="folder with almenara and almenarad")
    parser.add_argument("--transcript", type=Path, help="write docs/stories.md anew, and check nothing else")
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it there")
    arguments = parser.parse_args()
    checks = Checks()
    with tempfile.TemporaryDirectory(prefix="almenara-") as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(exist_ok=True)
        federation = Federation(arguments.binaries.resolve(), folder)
        try:
            if arguments.transcript:
                attempt(checks, federation, lambda *where: stories.check(*where, arguments.transcript), "stories")
            else:
                for part in (readme, resolvers, reflection, tlog, witness, auditing, crash, signals, demo, stories):
                    attempt(checks, federation, part.check, part.__name__)
        finally:
            federation.stop()
    print(f"\n{checks.passed} passed, {checks.failed} failed")
    return int(checks.failed > 0 or checks.passed == 0)


def attempt(checks: Checks, federation: Federation, part: Callable, name: str) -> None:
    """Runs one part; what keeps it from its end is a failure, and the next part still runs."""
    try:
        part(checks, federation)
    except (subprocess.SubprocessError, TimeoutError, OSError) as error:
        checks.check(f"{name} reaches its end", False, getattr(error, "output", None) or error)


if __name__ == "__main__":
    sys.exit(main())
