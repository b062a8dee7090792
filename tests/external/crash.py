"""Nodes and readers killed in the middle of their work: nothing that was acknowledged is lost, nothing comes twice, and
everybody goes on from where they were."""

import subprocess

from check import Checks
from federation import PATIENCE, Federation

ORIGIN = "police.th.example"
# Fifteen batches: enough to be killed in between, and a few seconds of work.
STATEMENTS = 15 * 4_096


def check(checks: Checks, federation: Federation) -> None:
    checks.about(f"kill -9, with {STATEMENTS} statements under way")
    names = {f"n{number}.crash-{number % 97}.example" for number in range(STATEMENTS)}
    (federation.folder / "many.txt").write_text("".join(f"{name}\n" for name in sorted(names)))
    federation.shell(
        "almenara --home desk import many.txt --kind domain --category scam.phishing --basis observed "
        "--tlp clear --pap clear -o many.jsonl"
    )
    federation.shell("almenara --home desk sign many.jsonl -o many.signed")
    before = federation.size("th", ORIGIN)
    last = before + STATEMENTS // 4_096

    publisher = federation.begin("almenara --home desk submit many.signed --yes")
    federation.wait("some of it is in the log", lambda: federation.size("th", ORIGIN) > before)
    federation.kill("th")
    federation.restart("th")
    settle(publisher)
    # Whatever became of the first run: the same signed file again brings the first receipts.
    federation.shell("almenara --home desk submit many.signed --yes")
    size = federation.size("th", ORIGIN)
    checks.check("each batch is in the log once, though its node was killed", size == last, f"{size}, not {last}")

    federation.kill("nl")
    federation.restart("nl")
    federation.wait("the replica has caught up", lambda: federation.size("nl", ORIGIN) == last)
    checks.check("a killed replica catches up", federation.size("nl", ORIGIN) == last)

    reader = federation.begin("almenara --home app pull")
    try:
        reader.wait(timeout=0.3)
    except subprocess.TimeoutExpired:
        pass
    reader.kill()
    reader.communicate()
    # The node nearest to the reader dies as well: the other one serves the same log.
    federation.kill("nl")
    federation.shell("almenara --home app pull")
    federation.restart("nl")
    federation.shell("almenara --home app export hosts -o blocked.hosts")
    exported = {line.split()[1] for line in (federation.folder / "blocked.hosts").read_text().splitlines()}
    missing = names - exported
    found = f"{len(missing)} are missing"
    checks.check("a killed reader resumes at another node and misses nothing", not missing, found)


def settle(process: subprocess.Popen) -> None:
    """Waits for a command whatever its outcome."""
    process.communicate(timeout=PATIENCE)
