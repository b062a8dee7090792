"""Two nodes on this machine, made by the commands of the README."""

import copy
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
# A command on files takes milliseconds; one over the network is given up after this many seconds.
PATIENCE = 120
# How `status` ends when the node answers: all is well, or something is to be looked at (a quarantine, say).
ANSWERED = (0, 1)


class Federation:
    """The homes `th` and `nl` with their nodes, and whatever else the README makes beside them."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.folder = folder
        self.ports = {port: free_port() for port in ("7443", "7444")}
        self.nodes: dict[str, subprocess.Popen] = {}
        path = os.pathsep.join([str(binaries), os.environ["PATH"]])
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ALMENARA")}
        self.environment = {**clean, "PATH": path, "NO_COLOR": "1"}

    def elsewhere(self, name: str) -> "Federation":
        """The same binaries in a folder of their own, so that no part finds what another left."""
        other = copy.copy(self)
        other.folder, other.nodes = self.folder / name, {}
        other.folder.mkdir()
        return other

    def follow(self, part: str) -> list[str]:
        """Runs the commands of one part of the README, and answers them."""
        commands = [self.with_ports(command) for command in commands_of(part)]
        for command in commands:
            if command.endswith(" &"):
                self.start(command.removesuffix(" &"))
            else:
                self.shell(command)
        return commands

    def with_ports(self, command: str) -> str:
        for written, free in self.ports.items():
            command = command.replace(f":{written}", f":{free}")
        return command

    def start(self, command: str) -> None:
        """Starts `almenarad --home NAME run` and waits until it answers."""
        words = shlex.split(command)
        home = words[words.index("--home") + 1]
        with open(self.folder / f"{home}.log", "ab") as log:
            self.nodes[home] = subprocess.Popen(
                words, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        self.wait(f"the node in {home} answers", lambda: self.status(home) is not None)

    def solo(self, member: str, port: int, entries: int) -> None:
        """Makes the home `solo` of a federation of one, whose log has so many entries."""
        address = f"127.0.0.1:{port}"
        self.shell(
            f"almenarad --home solo init --federation solo-federation.example --member {member} --organisation-type ngo "
            f"--jurisdiction NL --address {address} --listen {address} && "
            "almenara roster new --federation solo-federation.example --member-entry solo/member.entry --quorum 0 "
            "-o solo.roster && almenara roster sign solo.roster --key solo/keys/root.pem --yes && "
            f"almenarad --home solo join solo.roster --yes && long-log --home solo --entries {entries}"
        )

    def draft(self, desk: str, domain: str) -> str:
        """Writes drafts of a report on one domain, to be published by a desk, and gives the file's name."""
        (self.folder / "one.txt").write_text(f"{domain}\n")
        (self.folder / "one.jsonl").unlink(missing_ok=True)
        self.shell(
            f"almenara --home {desk} import one.txt --kind domain --category scam.investment --observed --tlp CLEAR "
            "--pap CLEAR -o one.jsonl"
        )
        return "one.jsonl"

    def restart(self, home: str) -> None:
        self.start(f"almenarad --home {home} run")

    def kill(self, home: str) -> None:
        """As a power cut or the kernel would: no time for anything."""
        node = self.nodes.pop(home)
        node.send_signal(signal.SIGKILL)
        node.wait()

    def stop(self) -> None:
        for node in self.nodes.values():
            node.terminate()
        for node in self.nodes.values():
            try:
                node.wait(timeout=20)
            except subprocess.TimeoutExpired:
                node.kill()
                node.wait()
        self.nodes.clear()

    def shell(self, command: str) -> str:
        """What a command printed.

        Raises subprocess.CalledProcessError with its words, when it fails."""
        done = self.run(["bash", "-euo", "pipefail", "-c", command])
        if done.returncode != 0:
            raise subprocess.CalledProcessError(
                done.returncode, command, f"`{command}` ended with {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done.stdout

    def run(self, words: list[str]) -> subprocess.CompletedProcess:
        return subprocess.run(
            words, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=PATIENCE,
        )

    def begin(self, command: str) -> subprocess.Popen:
        """Starts a command and does not wait for it."""
        return subprocess.Popen(
            shlex.split(command), cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )

    def status(self, home: str) -> dict[str, dict] | None:
        """What a node holds of each log; nothing while it does not answer."""
        done = self.run(["almenarad", "--home", home, "status", "--json"])
        if done.returncode not in ANSWERED:
            return None
        return {log["origin"]: log for log in json.loads(done.stdout)}

    def size(self, home: str, origin: str) -> int:
        """Entries of a log at a node."""
        return (self.status(home) or {}).get(origin, {}).get("size") or 0

    def settled(self, home: str, origin: str) -> int:
        """Those of them that the other member has cosigned, as this node knows."""
        return (self.status(home) or {}).get(origin, {}).get("settled") or 0

    def wait(self, sentence: str, holds, seconds: float = 60) -> None:
        """Waits until `holds()`.

        Raises TimeoutError after so many seconds."""
        if not self.within(seconds, holds):
            raise TimeoutError(f"not within {seconds} s: {sentence}")

    def within(self, seconds: float, holds) -> bool:
        """Whether `holds()` within so many seconds."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True


def commands_of(part: str, page: Path = README) -> list[str]:
    """The commands in a page's block that follows `<!-- checked: PART -->`, one a line, without comments."""
    found = re.search(rf"<!-- checked: {part} -->\s*```sh\n(.*?)```", page.read_text(), re.DOTALL)
    assert found, f"{page.name} has no block `checked: {part}`"
    whole_lines = found[1].replace("\\\n", " ").splitlines()
    lines = (re.sub(r"\s+#\s.*$", "", line).strip() for line in whole_lines)
    return [re.sub(r"\s+", " ", line) for line in lines if line and not line.startswith("#")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
