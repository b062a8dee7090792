"""What an operator tells a running node by signals: SIGHUP brings what may change without a restart, SIGTERM and SIGINT
end it in order."""

import json
import signal
import ssl

from check import Checks
from federation import Federation

ORIGIN = "police.th.example"
# The node lets requests end for ten seconds at most.
ENDS_WITHIN = 15


def check(checks: Checks, federation: Federation) -> None:
    checks.about("SIGHUP")
    before = certificate(federation)
    federation.shell("almenarad --home th cert renew")
    checks.check("a renewed certificate waits to be taken up", certificate(federation) == before)
    hang_up(federation)
    renewed = federation.within(10, lambda: certificate(federation) != before)
    checks.check("and is, when the node is told", renewed)
    held = federation.size("th", ORIGIN)
    told, code = publish(federation, "before-the-list.example")
    checks.check("the desk publishes through it", code == 0, told)
    lists = federation.folder / "th" / "safeguards"
    ours = {"name": "Ours", "type": "hostname", "list": ["our-partner.example"], "matching_attributes": ["domain"]}
    (lists / "ours.json").write_text(json.dumps(ours))
    hang_up(federation)
    read = federation.within(10, lambda: logged(federation, "the safeguards were read again") > 1)
    checks.check("a list that was added is read", read)
    told, code = publish(federation, "our-partner.example")
    checks.check("and what stands on it is refused", code == 1 and "our-partner.example" in told, (code, told))
    (lists / "ours.json").write_text("{ no list")
    hang_up(federation)
    named = federation.within(10, lambda: logged(federation, "ours.json") > 0)
    checks.check("a list that is none is named in the log", named)
    told, code = publish(federation, "our-partner.example")
    checks.check("and the lists before stay in force", code == 1, (code, told))
    (lists / "ours.json").unlink()
    checks.check("the log has grown by what was accepted", federation.size("th", ORIGIN) == held + 1)

    checks.about("SIGTERM and SIGINT")
    for way in (signal.SIGTERM, signal.SIGINT):
        seen = federation.folder / f"{way.name}.seen"
        watcher = federation.begin(f"bash -c 'exec almenara --home app watch {ORIGIN} > {seen}'")
        federation.wait("somebody reads", lambda: seen.exists() and watcher.poll() is None)
        publish(federation, f"{way.name.lower()}.example")
        federation.wait("and is shown what is new", lambda: f"{way.name.lower()}.example" in seen.read_text())
        node = federation.nodes.pop("th")
        node.send_signal(way)
        ended = node.wait(timeout=ENDS_WITHIN)
        checks.check(f"{way.name} ends the node with 0, though somebody reads", ended == 0, ended)
        watcher.kill()
        watcher.communicate()
        federation.restart("th")
    checks.check("what it held it still holds", federation.size("th", ORIGIN) == held + 3)


def certificate(federation: Federation) -> str:
    """What the node in `th` presents to whoever connects now."""
    return ssl.get_server_certificate(("127.0.0.1", federation.ports["7443"]), timeout=10)


def hang_up(federation: Federation) -> None:
    federation.nodes["th"].send_signal(signal.SIGHUP)


def logged(federation: Federation, words: str) -> int:
    """How many lines of the node's log say so."""
    return (federation.folder / "th.log").read_text().count(words)


def publish(federation: Federation, domain: str) -> tuple[str, int]:
    """What the desk was told of one domain, and the exit code."""
    drafts = federation.draft("desk", domain)
    done = federation.run(["almenara", "--home", "desk", "publish", drafts, "--yes"])
    return done.stdout + done.stderr, done.returncode
