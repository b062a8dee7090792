"""The README's own commands: two nodes by hand, a desk that publishes on one, a reader that pulls from the other. And
that no document points to a file that is not there."""

import re

from check import Checks
from federation import README, Federation

MOST_COMMANDS = 10


def check(checks: Checks, federation: Federation) -> None:
    checks.about("The documents")
    broken = [link for link in links() if not link.exists()]
    checks.check("every link between them leads somewhere", not broken, broken)

    checks.about("The README's commands")
    commands = federation.follow("nodes")
    few = len(commands) <= MOST_COMMANDS
    checks.check(f"two nodes run after at most {MOST_COMMANDS} commands", few, len(commands))
    federation.follow("desk")
    origin = "police.th.example"
    published = federation.size("th", origin)
    checks.check("the desk's key grant and its batch are in the log", published == 2, published)
    # At once, as somebody who pastes them: what is pending is for the commands to wait for.
    federation.follow("reader")
    checks.check("the other node holds them", (held := federation.size("nl", origin)) == published, held)
    settled = {home: federation.settled(home, origin) for home in ("th", "nl")}
    checks.check("and both know that they are settled", set(settled.values()) == {published}, settled)
    found = federation.shell("almenara --home app lookup fake-broker.example")
    checks.check("a lookup names who said it", "police.th.example/cyber-desk" in found, found)
    unknown = federation.run(["almenara", "--home", "app", "lookup", "never-reported.example"])
    checks.check("of an unknown name the answer is no", unknown.returncode == 1, unknown)
    zone = (federation.folder / "blocked.rpz").read_text()
    listed = "\nfake-broker.example CNAME .\n" in zone
    checks.check("the defanged name of the list is in the exported zone", listed, zone)


def links() -> list:
    """What the README, ARCHITECTURE.md and docs/ point to in this repository."""
    root = README.parent
    pages = [README, root / "ARCHITECTURE.md", *sorted((root / "docs").rglob("*.md"))]
    found = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#\s]+)", page.read_text())]
    return [page.parent / link for page, link in found if not re.match(r"[a-z]+:", link)]
