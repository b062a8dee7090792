"""A witness that nobody here wrote (`aics-witness`, C2SP tlog-witness) cosigns the checkpoints of a node that brings them:
the first, the next with its proof of consistency, and after a restart of either side; and refuses another history."""

import json
import re
import signal
import subprocess

import tlog
from check import Checks
from federation import Federation, free_port

MEMBER = "solo.example"
WITNESS = "witness.example/w1"
ENTRIES = 1_000


def check(checks: Checks, federation: Federation) -> None:
    checks.about("A witness outside the federation, which nobody here wrote")
    if not checks.has("aics-witness", "openssl", "curl"):
        return
    federation = federation.elsewhere("witness")
    port, place = free_port(), f"127.0.0.1:{free_port()}"
    federation.solo(MEMBER, port, ENTRIES)
    said = federation.shell(f"aics-witness init --config w.json --name {WITNESS} --listen {place}")
    key = re.search(rf"{re.escape(WITNESS)}\+[0-9a-f]{{8}}\+[A-Za-z0-9+/=]+", said)
    if not checks.check("the witness tells its key", key is not None, said):
        return
    vkey = tlog.verifier_key(federation)
    federation.shell(f"aics-witness add-log --config w.json --origin {MEMBER}/almenara --vkey '{vkey}'")
    with open(federation.folder / "solo/almenarad.toml", "a") as settings:
        settings.write(f'\n[witnesses.outside]\nurl = "http://{place}"\nkey = "{key[0]}"\n')

    look = f"curl --silent --fail --cacert solo/tls/authority.pem https://127.0.0.1:{port}/log"

    def page(name: str) -> str:
        return federation.run([*f"{look}/{name}".split()]).stdout

    def known() -> dict:
        """What the witness itself says that it cosigned last."""
        told = json.loads(federation.shell("aics-witness status --json --config w.json"))
        return next(log for log in told["logs"] if log["origin"] == f"{MEMBER}/almenara")

    def cosigned(size: int) -> bool:
        note = page("checkpoint")
        return note.startswith(f"{MEMBER}/almenara\n{size}\n") and f"\n— {WITNESS} " in note

    witness = serve(federation)
    try:
        # A node that starts faster would rightly say that it cannot be reached.
        listens = f"curl --silent --output /dev/null http://{place}/"
        federation.wait("the witness listens", lambda: federation.run(listens.split()).returncode == 0)
        federation.start("almenarad --home solo run")
        shown = federation.within(30, lambda: cosigned(ENTRIES))
        checks.check("it cosigns the checkpoint, and /log/checkpoint shows its line", shown, page("checkpoint"))
        checks.check("it has the same size", known()["size"] == ENTRIES, known())
        (federation.folder / "first.note").write_text(page("checkpoint"))

        federation.shell(
            "almenarad --home solo cert issue --role operator --name ops --client-home ops && "
            "almenarad --home solo cert issue --role publisher --name desk --client-home desk && "
            f"almenara --home desk keygen --purpose publisher --name {MEMBER}/desk && "
            f"almenara --home desk grant --root-key solo/keys/root.pem --publisher {MEMBER}/desk "
            "--key desk/keys/desk.pub.pem -o grant.signed && almenara --home ops submit grant.signed --yes"
        )
        shown = federation.within(30, lambda: cosigned(ENTRIES + 1))
        checks.check("and the next one, which is proven to extend it", shown, page("checkpoint"))

        federation.kill("solo")
        federation.start("almenarad --home solo run")
        checks.check("a restarted node still shows the line", cosigned(ENTRIES + 1), page("checkpoint"))

        verified = verify(federation, vkey, key[0])
        checks.check("another's verifier accepts the note, its line and its time", verified.returncode == 0, verified)
    finally:
        stop(witness)

    checks.check("without the witness the node goes on", federation.status("solo") is not None)
    log = (federation.folder / "solo.log").read_text()
    checks.check("and nothing of it was refused", "not witnessed" not in log, log[-2000:])
    federation.stop()


def serve(federation: Federation) -> subprocess.Popen:
    with open(federation.folder / "witness.log", "ab") as log:
        return subprocess.Popen(
            ["aics-witness", "serve", "--config", "w.json"], cwd=federation.folder, env=federation.environment,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )


def stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()


def verify(federation: Federation, log_key: str, witness_key: str) -> subprocess.CompletedProcess:
    """The cosigned note, read by the library that the witness is made with."""
    return federation.run(["python3", "-c", VERIFY, "first.note", log_key, witness_key])


# Not older than a minute, so that the time is checked too.
VERIFY = """
import sys
from aics_tlog import parse_note, parse_vkey, verify_checkpoint
note = parse_note(open(sys.argv[1], encoding="utf-8", newline="").read())
log, witness = map(parse_vkey, sys.argv[2:4])
judged = verify_checkpoint(note, log, [witness], quorum=1, expected_origin=log.name, max_age_seconds=60)
print(judged)
sys.exit(not judged.ok)
"""
