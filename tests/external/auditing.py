"""The commands of docs/auditing.md, pasted one after another on the directory of a running demo; and what an auditor's
report says of a federation with a forged page."""

import re
import shlex
import signal
import subprocess

from check import Checks
from federation import README, Federation, commands_of

PAGE = README.parent / "docs/auditing.md"
PATIENCE = 300


def check(checks: Checks, federation: Federation) -> None:
    checks.about("The commands of docs/auditing.md, on the demo")
    federation = federation.elsewhere("auditing")
    with open(federation.folder / "demo.out", "w") as out:
        demo = subprocess.Popen(
            shlex.split("almenarad demo --dir demo --stay"), cwd=federation.folder, env=federation.environment,
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
        )
    try:
        told = federation.folder / "demo.out"
        runs = federation.within(PATIENCE, lambda: "until you press Ctrl-C" in told.read_text())
        if not checks.check("the demo runs and stays", runs, told.read_text()[-2000:]):
            return
        commands = commands_of("auditing", PAGE)
        done = federation.run(["bash", "-euo", "pipefail", "-c", "\n".join(commands)])
        checks.check("an auditor without an account finds that everything holds", done.returncode == 0, done)
        holds = done.stdout.count("everything holds.")
        checks.check("of all nodes, again, kept, and without a network", holds == 4, done.stdout)
        done = federation.run(["bash", "-euo", "pipefail", "-c", "\n".join(commands_of("proving", PAGE))])
        proven = done.returncode == 0 and "it holds" in done.stdout and "existed by" in done.stdout
        checks.check("a statement is proven offline", proven, done)
        size = (federation.folder / "said.proof").stat().st_size
        checks.check("by a file of at most 8 KiB", size <= 8192, size)
        page = (federation.folder / "report.html").read_text()
        checks.check("the report is a page that says so", "Everything that was looked at holds." in page, page[:2000])
        alone = not re.search(r"<script|<link|<img|src=|href=", page)
        checks.check("and needs nothing else", alone, page[:2000])
    finally:
        demo.send_signal(signal.SIGINT)
        try:
            demo.wait(timeout=30)
        except subprocess.TimeoutExpired:
            demo.kill()
