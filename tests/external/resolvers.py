"""The exported lists in the programs that people load them into: named, unbound and dnsmasq."""

import getpass
import re
import secrets
import socket
import struct
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from check import Checks
from federation import Federation, free_port

LISTED = "fake-broker.example"
UNLISTED = "honest.example"
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


def check(checks: Checks, federation: Federation) -> None:
    checks.about("Exported lists in resolvers")
    federation.shell("almenara --home app export --format hosts -o blocked.hosts")
    judge(checks, federation, federation.folder / "blocked.rpz", federation.folder / "blocked.hosts", LISTED)


def judge(checks: Checks, federation: Federation, zone: Path, hosts: Path, listed: str) -> None:
    """Loads a response policy zone and a hosts file, and asks for a name that stands in both and for one in neither."""
    origin = re.search(r"^\$ORIGIN (\S+)\.$", zone.read_text(), re.MULTILINE)[1]
    if checks.has("named-checkzone"):
        done = federation.run(["named-checkzone", origin, str(zone)])
        checks.check("named-checkzone accepts the response policy zone", done.returncode == 0, done.stdout)
    if checks.has("unbound"):
        with unbound(federation, zone, origin) as port:
            code, _ = ask(port, listed)
            checks.check("unbound answers NXDOMAIN for a listed name", code == NXDOMAIN, code)
            # Nobody answers what it forwards, so it cannot resolve any other name.
            code, _ = ask(port, UNLISTED)
            checks.check("and does not for another name", code == SERVFAIL, code)
    if checks.has("dnsmasq"):
        with dnsmasq(federation, hosts) as port:
            answer = ask(port, listed)
            checks.check("dnsmasq answers 0.0.0.0 for a listed name", answer == (NOERROR, "0.0.0.0"), answer)
            code, _ = ask(port, UNLISTED)
            checks.check("and refuses another name", code == REFUSED, code)


@contextmanager
def unbound(federation: Federation, zone: Path, origin: str):
    port = free_port()
    config = federation.folder / "unbound.conf"
    config.write_text(f"""
server:
  interface: 127.0.0.1@{port}
  do-daemonize: no
  use-syslog: no
  chroot: ""
  username: ""
  directory: "{federation.folder}"
  pidfile: ""
  module-config: "respip iterator"
  num-threads: 1
  # Of unbound's own empty zones: it answers NXDOMAIN for all of example. without asking anybody.
  local-zone: "example." transparent
rpz:
  name: {origin}
  zonefile: {zone}
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{free_port()}
remote-control:
  control-enable: no
""")
    with running(federation, ["unbound", "-d", "-c", str(config)], port):
        yield port


@contextmanager
def dnsmasq(federation: Federation, hosts: Path):
    port = free_port()
    command = [
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", f"--port={port}", "--listen-address=127.0.0.1",
        "--bind-interfaces", "--no-resolv", "--no-hosts", f"--addn-hosts={hosts}", "--pid-file",
        f"--user={getpass.getuser()}", "--log-facility=-",
    ]
    with running(federation, command, port):
        yield port


@contextmanager
def running(federation: Federation, command: list[str], port: int):
    """A resolver that answers on `port` of this machine, until the end of the block."""
    with open(federation.folder / f"{command[0]}.log", "wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        federation.wait(f"{command[0]} answers", lambda: ask(port, UNLISTED) is not None, seconds=20)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def ask(port: int, name: str) -> tuple[int, str | None] | None:
    """The response code and the first IPv4 address for a name (RFC 1035, section 4); nothing when nobody answers."""
    number = secrets.randbits(16)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = labels + b"\0" + struct.pack("!HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(10)
        try:
            client.send(struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + question)
            answer = client.recv(4096)
        except (ConnectionRefusedError, TimeoutError):
            time.sleep(0.05)
            return None
    identifier, flags, _, answers = struct.unpack("!HHHH", answer[:8])
    assert identifier == number, "an answer to another question"
    # The first record follows the question: a pointer to the name, type, class, time to live, length, address.
    address = answer[12 + len(question) :][12:16] if answers else None
    return flags & 0x0F, socket.inet_ntoa(address) if address else None
