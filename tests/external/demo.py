"""`almenarad demo` as somebody runs it who has only just built it."""

import json

from check import Checks
from federation import Federation


def check(checks: Checks, federation: Federation) -> None:
    checks.about("almenarad demo")
    told = federation.run(["almenarad", "demo"])
    checks.check("the demo ends well", told.returncode == 0, told.stdout + told.stderr)
    checks.check("and says what it did", len(told.stdout.splitlines()) >= 5, told.stdout)
    for_machines = federation.run(["almenarad", "demo", "--json"])
    lines = [line for line in for_machines.stdout.splitlines() if line]
    checks.check("with --json every line is an object", bool(lines) and all(is_object(line) for line in lines), lines)


def is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except json.JSONDecodeError:
        return False
