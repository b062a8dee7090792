"""What a federation goes through, told by its own commands: who joins and leaves, who tries to capture it, and what
becomes of a stolen key, of a withdrawal that is held back, and of a log with two histories. With `--transcript FILE` the commands and what they printed are written down: docs/stories.md."""

import json
import re
import shutil
from pathlib import Path

from check import Checks
from federation import Federation, free_port

MEMBERS = {
    "th": ("police.th.example", "police", "TH"),
    "nl": ("ngo.nl.example", "ngo", "NL"),
    "us": ("platform.us.example", "platform", "US"),
}
POLICE = "police.th.example"
LISTED = {"fake-broker.example", "romance-app.example"}


class Story(Federation):
    """A federation whose commands are written down as they are typed."""

    def __init__(self, checks: Checks, binaries: Path, folder: Path) -> None:
        super().__init__(binaries, folder)
        self.checks = checks
        self.lines: list[str] = []
        self.addresses: dict[str, str] = {}

    def about(self, title: str, sentence: str) -> None:
        self.checks.about(title)
        self.lines += ["", f"## {title}", "", sentence]

    def tell(self, command: str, expected: int = 0, says: str = "") -> str:
        """Types a command, which must end so and say that; writes both down."""
        done = self.run(["bash", "-uo", "pipefail", "-c", f"{{ {command}; }} 2>&1"])
        said = done.stdout.strip()
        self.lines += ["", "```console", f"$ {command}", *said.splitlines()]
        self.lines += [*([f"[exit {done.returncode}]"] if done.returncode else []), "```"]
        held = done.returncode == expected and says in said
        wanted = f"ends with {expected}" + (f" and says `{says}`" if says else "")
        self.checks.check(f"`{short(command)}` {wanted}", held, f"{done.returncode}: {said}")
        return said

    def words(self, command: str) -> str:
        done = self.run(command.split())
        return done.stdout + done.stderr

    def remark(self, sentence: str) -> None:
        self.lines += ["", sentence]

    def create(self, home: str, member: str, kind: str, jurisdiction: str) -> None:
        self.addresses[home] = f"127.0.0.1:{free_port()}"
        self.shell(
            f"almenarad --home {home} init --federation scamwatch.example --member {member} --organisation-type {kind} "
            f"--jurisdiction {jurisdiction} --address {self.addresses[home]}"
        )

    def sign(self, roster: str, *homes: str) -> None:
        for home in homes:
            self.shell(f"almenara --home ops roster sign {roster} --key {home}/keys/root.pem --yes")

    def grant(self, desk: str, home: str, ops: str, publisher: str) -> None:
        """Makes a desk that can publish."""
        name = publisher.split("/")[1]
        self.shell(f"almenarad --home {home} cert issue --role publisher --name {name} --client-home {desk}")
        self.shell(f"almenara --home {desk} keygen --purpose publisher --name {publisher}")
        self.shell(
            f"almenara --home {desk} grant --root-key {home}/keys/root.pem --publisher {publisher} "
            f"--key {desk}/keys/{name}.pub.pem -o {desk}.signed && almenara --home {ops} submit {desk}.signed --yes"
        )

    def everywhere(self, version: int, but: str = "") -> None:
        """Waits until every running node is under this roster, as its folder shows."""
        rosters = [self.folder / home / "rosters" / f"{version}.roster" for home in self.nodes if home != but]
        self.wait(f"all nodes have roster version {version}", lambda: all(file.exists() for file in rosters))

    def publish(self, desk: str, name: str) -> None:
        self.shell(f"almenara --home {desk} publish {self.draft(desk, name)} --yes")

    def copy(self, home: str, to: str) -> None:
        """A backup of a stopped node's store."""
        shutil.copytree(self.folder / home / "store", self.folder / to)

    def put_back(self, copy: str, home: str) -> None:
        shutil.rmtree(self.folder / home / "store")
        shutil.copytree(self.folder / copy, self.folder / home / "store")

    def address(self, app: str, name: str) -> str:
        """Of the one statement about a domain."""
        self.shell(f"almenara --home {app} pull --wait 20")
        return json.loads(self.shell(f"almenara --home {app} show domain {name} --json").splitlines()[0])["address"]

    def listed(self, app: str) -> set[str]:
        self.shell(f"almenara --home {app} pull --wait 20")
        self.shell(f"rm -f {app}.hosts; almenara --home {app} export --format hosts -o {app}.hosts")
        lines = (self.folder / f"{app}.hosts").read_text().splitlines()
        return {line.split()[1] for line in lines if line and not line.startswith("#")}

    def transcript(self) -> str:
        """As Markdown; what differs from run to run is shortened."""
        text = "\n".join(self.lines).replace(str(self.folder), "")
        text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:7443", text)
        return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1…", text)


def short(command: str) -> str:
    return command if len(command) < 70 else command[:67] + "…"


def check(checks: Checks, federation: Federation, transcript: Path | None = None) -> None:
    folder = federation.folder / "stories"
    folder.mkdir()
    story = Story(checks, Path(federation.environment["PATH"].split(":")[0]), folder)
    try:
        begin(story)
        joins(story)
        captures(story)
        is_stolen(story)
        leaves(story)
        hides(story)
        forks(story)
    finally:
        story.stop()
    if transcript:
        transcript.write_text(HEAD + story.transcript() + "\n")


HEAD = """# What happens when …

A federation of a police desk (`th`), an NGO (`nl`) and a platform (`us`), on one machine. Everything below was typed by
`tests/external/stories.py`, which checks each answer; `python3 tests/external --binaries DIR --transcript docs/stories.md`
writes this page anew. Long hashes are cut; `--home ops` is an operator's folder with the rosters, `--home app` a platform's
reader, `--home desk` and `--home night` are desks of the police.
"""


def begin(story: Story) -> None:
    story.checks.about("Three members agree on roster version 1")
    for home, (member, kind, jurisdiction) in MEMBERS.items():
        story.create(home, member, kind, jurisdiction)
    entries = " ".join(f"{home}/member.entry" for home in MEMBERS)
    story.shell(f"almenara roster new --federation scamwatch.example --member-entry {entries} -o v1.roster")
    for home in MEMBERS:
        story.shell(f"almenara roster sign v1.roster --key {home}/keys/root.pem --yes")
    for home in MEMBERS:
        story.shell(f"almenarad --home {home} join v1.roster --yes")
        story.restart(home)
    story.shell("almenarad --home th cert issue --role operator --name ops --client-home ops")
    story.shell("almenarad --home nl cert issue --role consumer --name app-1 --client-home app")
    story.shell("almenarad --home us cert issue --role consumer --name app-1 --client-home us-app")
    story.shell("almenarad --home us cert issue --role operator --name ops --client-home us-ops")
    story.grant("desk", "th", "ops", f"{POLICE}/cyber-desk")
    story.grant("us-desk", "us", "us-ops", "platform.us.example/trust-desk")
    story.publish("desk", "fake-broker.example")
    story.publish("us-desk", "romance-app.example")
    story.checks.check("a reader lists what was published", story.listed("app") == LISTED, story.listed("app"))


def joins(story: Story) -> None:
    story.about(
        "An organisation joins",
        "The response team of Singapore made its node with `almenarad init` and sent its entry. One member proposes the "
        "next roster; everybody reads what they sign.",
    )
    story.create("sg", "cert.sg.example", "cert", "SG")
    story.tell("almenara --home ops roster propose --add-member sg/member.entry -o v2.roster", 0, "cert.sg.example")
    story.tell("almenara --home ops roster sign v2.roster --key th/keys/root.pem --yes", 0, "Still needed")
    story.tell("almenara --home ops roster submit v2.roster --yes", 1)
    story.remark("One jurisdiction is not more than half of three. The NGO and the newcomer sign as well:")
    story.sign("v2.roster", "nl", "sg")
    story.tell("almenara --home ops roster verify v2.roster", 0)
    story.tell("almenara --home ops roster submit v2.roster --yes", 0)
    story.everywhere(2)
    story.shell("almenarad --home sg join v1.roster v2.roster --yes")
    story.restart("sg")
    story.wait("the newcomer holds the police's log", lambda: story.size("sg", POLICE) == story.size("th", POLICE))
    story.wait("it is settled there", lambda: story.settled("sg", POLICE) == story.size("th", POLICE))
    story.remark("Every node heard of it from the others, without a restart. The newcomer's node, some seconds later:")
    story.tell("almenarad --home sg status", 0, "roster version 2")


def captures(story: Story) -> None:
    story.about(
        "One jurisdiction fills itself with members",
        "Four more members, all in the United States, all signing as the platform does, try to outvote the others.",
    )
    names = [f"us{number}" for number in range(4)]
    for name in names:
        story.create(name, f"{name}.us.example", "platform", "US")
    entries = " ".join(f"--add-member {name}/member.entry" for name in names)
    story.shell(f"almenara --home ops roster propose {entries} -o capture.roster")
    story.sign("capture.roster", "us", *names)
    story.tell("almenara --home ops roster verify capture.roster", 1)
    story.tell("almenara --home ops roster submit capture.roster --yes", 1)
    story.remark("Votes are jurisdictions': five signatures of one are one vote. The roster in force stays:")
    story.tell("almenarad --home us status", 0, "roster version 2")


def is_stolen(story: Story) -> None:
    story.about(
        "A desk's key is stolen",
        "Whoever has a copy of the police desk's key reports a charity as a scam.",
    )
    good = story.size("th", POLICE)
    shutil.copytree(story.folder / "desk", story.folder / "thief")
    story.publish("thief", "charity.example")
    before = story.listed("app")
    story.checks.check("the list has what the thief said", before == LISTED | {"charity.example"}, before)
    story.tell("almenara --home app lookup charity.example", 0, POLICE)
    story.remark(f"The desk's last own entry was {good - 1}. The member revokes the key from entry {good} on:")
    story.tell(
        f"almenara --home ops revoke --root-key th/keys/root.pem --key desk/keys/cyber-desk.pub.pem --since-index {good} "
        "--reason stolen -o revoke.signed --yes"
    )
    story.tell("almenara --home ops submit revoke.signed --yes", 0)
    story.tell("almenara --home app pull --wait 20", 0)
    story.tell("almenara --home app lookup charity.example", 1)
    story.tell("almenara --home app lookup fake-broker.example", 0, "LISTED")
    after = story.listed("app")
    story.checks.check("what was said before the theft still counts, and nothing after", after == LISTED, after)
    story.remark("The thief still has the key, and it is of no use any more:")
    drafts = story.draft("thief", "hospital.example")
    story.tell(f"almenara --home thief publish {drafts} --yes", 1, "is revoked since index")


def leaves(story: Story) -> None:
    story.about("A member is removed", "The other three jurisdictions decide that the platform no longer belongs.")
    story.tell("almenara --home ops roster propose --remove-member platform.us.example -o v3.roster", 0, "platform.us.example")
    story.sign("v3.roster", "th", "nl", "sg")
    story.tell("almenara --home ops roster submit v3.roster --yes", 0)
    story.everywhere(3, but="us")
    story.remark("Its program asks the others' nodes for what is new, and gets nothing:")
    story.tell(f"almenara --home us-app pull {POLICE}", 1, "not on their current roster")
    story.remark("What it said before stays in everybody's logs, and can be verified:")
    story.shell("almenara --home app pull --wait 20")
    story.tell("almenara --home app show domain romance-app.example", 0, "platform.us.example/trust-desk")


def hides(story: Story) -> None:
    story.about(
        "A relay holds back a withdrawal",
        "The police withdraw a mistake. The NGO's node runs a copy of its store from before that, and every other node is "
        "down: it is a relay that shows a log without its end.",
    )
    story.grant("night", "th", "ops", f"{POLICE}/night-desk")
    story.publish("night", "mistake.example")
    story.wait("the NGO has it settled", lambda: story.settled("nl", POLICE) == story.size("th", POLICE))
    story.kill("nl")
    story.copy("nl", "nl-old")
    story.restart("nl")
    address = story.address("app", "mistake.example")
    story.tell(f"almenara --home night withdraw {address} --reason false_positive --yes", 0)
    after = story.listed("app")
    story.checks.check("the withdrawal is everywhere", after == LISTED, after)
    for home in list(story.nodes):
        story.kill(home)
    story.put_back("nl-old", "nl")
    story.restart("nl")
    story.remark("The platform's reader has seen more than this node shows, and does not go back:")
    story.tell(f"almenara --home app pull {POLICE}", 3, "behind")
    story.tell("almenara --home app lookup mistake.example", 1, "not listed")
    story.remark("The node of Singapore comes back. The NGO's node compares notes with it, and reads from it what it misses:")
    story.restart("sg")
    size = story.size("sg", POLICE)
    story.wait("the NGO's node has the withdrawal again", lambda: story.size("nl", POLICE) == size)
    story.tell("almenarad --home nl status", 0, POLICE)
    story.tell(f"almenara --home app pull {POLICE}", 0)


def forks(story: Story) -> None:
    story.about(
        "A log gets two histories",
        "The police's node is restored from an old copy while nobody can warn it, and says something else in a place of its "
        "log that was taken.",
    )
    story.restart("th")
    story.wait("the police's node holds its log", lambda: story.size("th", POLICE) == story.size("sg", POLICE))
    story.kill("th")
    story.copy("th", "th-old")
    story.restart("th")
    story.publish("night", "said.example")
    size = story.size("th", POLICE)
    story.wait("it is settled", lambda: story.settled("th", POLICE) == size)
    for home in list(story.nodes):
        story.kill(home)
    story.put_back("th-old", "th")
    story.restart("th")
    story.remark("Nobody answers, so after a few seconds the node goes on as it is:")
    story.publish("night", "rewritten.example")
    story.checks.check("the copy gave away a place that was taken", story.size("th", POLICE) == size, size)
    story.restart("nl")
    story.wait("the NGO has evidence", lambda: list((story.folder / "nl/evidence").glob("*.evidence")) != [])
    story.tell("almenarad --home nl status", 1, "QUARANTINE")
    story.tell("almenara --home app evidence verify nl/evidence/*.evidence", 0, POLICE)
    story.remark("The old copy has learned it too, and signs nothing more:")
    story.wait("the police's node knows", lambda: "histories" in story.words("almenarad --home th status"))
    story.tell("almenarad --home th status", 1, "two histories")

