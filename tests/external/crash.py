"""Nodes and readers killed in the middle of their work: nothing that was acknowledged is lost, nothing comes twice, and
everybody goes on from where they were."""

import json
import subprocess

from check import Checks
from federation import PATIENCE, Federation

ORIGIN = "police.th.example"
# Forty batches, of which eight are under way at once: enough for a kill in between, and a few seconds of work.
STATEMENTS = 40 * 4_096


def check(checks: Checks, federation: Federation) -> None:
    checks.about(f"kill -9, with {STATEMENTS} statements under way")
    names = {f"n{number}.crash-{number % 97}.example" for number in range(STATEMENTS)}
    (federation.folder / "many.txt").write_text("".join(f"{name}\n" for name in sorted(names)))
    federation.shell(
        "almenara --home desk import many.txt --kind domain --category scam.phishing --observed "
        "--tlp CLEAR --pap CLEAR -o many.jsonl"
    )
    federation.shell("almenara --home desk sign many.jsonl -o many.signed")
    before = federation.size("th", ORIGIN)
    last = before + STATEMENTS // 4_096

    publisher = federation.begin("almenara --home desk submit many.signed --yes")
    federation.wait("some of it is in the log", lambda: federation.size("th", ORIGIN) > before)
    reached = federation.size("th", ORIGIN)
    federation.kill("th")
    federation.restart("th")
    print(f"          killed when {reached - before} of {last - before} batches were in the log", flush=True)
    told, _ = publisher.communicate(timeout=PATIENCE)
    checks.check("a publisher outlives its node", publisher.returncode == 0, told)
    again = json.loads(federation.shell("almenara --home desk submit many.signed --yes --json"))
    kept = again["repeated"] == again["statements"] == STATEMENTS
    checks.check("all that was acknowledged is still there, and brings its first receipts", kept, again)
    size = federation.size("th", ORIGIN)
    checks.check("each batch is in the log once, though its node was killed", size == last, f"{size}, not {last}")

    federation.kill("nl")
    federation.restart("nl")
    caught_up = federation.within(60, lambda: federation.size("nl", ORIGIN) == last)
    checks.check("a killed replica catches up", caught_up, federation.size("nl", ORIGIN))
    settled = federation.within(60, lambda: federation.settled("th", ORIGIN) == last)
    checks.check("and cosigns what it had missed", settled, federation.settled("th", ORIGIN))

    reader = federation.begin("almenara --home app pull")
    try:
        reader.wait(timeout=0.3)
    except subprocess.TimeoutExpired:
        pass
    reader.kill()
    reader.communicate()
    # The node nearest to the reader dies as well: the other one serves the same log.
    federation.kill("nl")
    federation.shell(f"almenara --home app pull {ORIGIN}")
    federation.restart("nl")
    idle = json.loads(federation.shell("almenara --home app pull --json"))
    new = sum(log["new_entries"] for log in idle["logs"])
    checks.check("when all is held, a pull fetches nothing", new == 0, idle)
    waiting = sum(log["entries"] - log["settled"] for log in idle["logs"])
    checks.check("and nothing waits for cosignatures", waiting == 0, idle)
    federation.shell("almenara --home app export --format hosts -o blocked.hosts")
    exported = {line.split()[1] for line in (federation.folder / "blocked.hosts").read_text().splitlines()}
    missing = names - exported
    found = f"{len(missing)} are missing"
    checks.check("a killed reader resumes at another node and misses nothing", not missing, found)
