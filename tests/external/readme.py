"""The README's own commands: two nodes by hand, a desk that publishes on one, a reader that pulls from the other."""

from check import Checks
from federation import Federation

MOST_COMMANDS = 10


def check(checks: Checks, federation: Federation) -> None:
    checks.about("The README's commands")
    commands = federation.follow("nodes")
    few = len(commands) <= MOST_COMMANDS
    checks.check(f"two nodes run after at most {MOST_COMMANDS} commands", few, len(commands))
    federation.follow("desk")
    origin = "police.th.example"
    published = federation.size("th", origin)
    checks.check("the desk's key grant and its batch are in the log", published == 2, published)
    federation.wait("the other node holds them", lambda: federation.size("nl", origin) == published)
    federation.follow("reader")
    found = federation.shell("almenara --home app lookup fake-broker.example")
    checks.check("a lookup names who said it", "police.th.example/cyber-desk" in found, found)
    unknown = federation.run(["almenara", "--home", "app", "lookup", "never-reported.example"])
    checks.check("of an unknown name the answer is no", unknown.returncode == 1, unknown)
    zone = (federation.folder / "blocked.rpz").read_text()
    listed = "\nfake-broker.example CNAME .\n" in zone
    checks.check("the defanged name of the list is in the exported zone", listed, zone)
