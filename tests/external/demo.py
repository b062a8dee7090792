"""`almenarad demo` as somebody runs it who has only just built it, and the lists that it leaves."""

import re

import resolvers
from check import Checks
from federation import Federation

# What the demo itself finds as it must be, each with a tick: a node that refuses, a name that is gone, …
LEAST_TICKS = 8


def check(checks: Checks, federation: Federation) -> None:
    checks.about("almenarad demo")
    told = federation.run(["almenarad", "demo", "--dir", "demo"])
    if not checks.check("the demo ends well", told.returncode == 0, told.stdout + told.stderr):
        return
    ticks = told.stdout.count("✓")
    checks.check(f"and found at least {LEAST_TICKS} things as they must be", ticks >= LEAST_TICKS, told.stdout)
    lists = federation.folder / "demo" / "blocklists"
    names = re.findall(r"^(\S+) CNAME \.$", (lists / "rpz.zone").read_text(), re.MULTILINE)
    if checks.check("its zone lists names", bool(names)):
        resolvers.judge(checks, federation, lists / "rpz.zone", lists / "hosts", names[0])
