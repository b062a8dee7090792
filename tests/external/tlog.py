"""A log of 70,000 entries, read over HTTPS by the packages note and tlog of golang.org/x/mod as the Go toolchain vendors
them: two full levels of tiles and a third, partial tiles and bundles, over HTTP/1.1 and HTTP/2. And one byte changed in a
page of each kind: those packages refuse it, and `almenara audit` names the place."""

import base64
import hashlib
import os
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import report
from check import Checks
from federation import Federation, free_port

MEMBER = "solo.example"
ENTRIES = 70_000
# What is changed: a page, a byte of it, and how the audit names the place.
DAMAGE = {
    "a tile of level 0": ("tile/0/100", 40, "tile/0/100, hash 1"),
    "a partial tile of level 0": ("tile/0/273.p/112", 64, "tile/0/273.p/112, hash 2"),
    "a tile of level 1": ("tile/1/000", 8191, "tile/1/000, hash 255"),
    "a partial tile of level 1": ("tile/1/001.p/17", 0, "tile/1/001.p/17, hash 0"),
    "a tile of level 2": ("tile/2/000.p/1", 9, "tile/2/000.p/1, hash 0"),
    "an entry": ("tile/entries/100", 50, "entry 25600"),
    "an entry of the partial bundle": ("tile/entries/273.p/112", 50, "entry 69888"),
    "the checkpoint": ("checkpoint", -5, "checkpoint"),
}


def check(checks: Checks, federation: Federation) -> None:
    checks.about("A log of 70,000 entries, read by the packages of Go's own transparency log")
    if not checks.has("openssl"):
        return
    port = free_port()
    federation.solo(MEMBER, port, ENTRIES)
    federation.start("almenarad --home solo run")
    prefix = f"https://127.0.0.1:{port}/log"
    curl(checks, federation, prefix)

    federation.shell("almenarad --home solo cert issue --role auditor --name court --client-home court")
    audited = federation.run(["almenara", "--home", "court", "audit", "--keep", "kept", "--html", "clean.html"])
    checks.check("an audit of all of it holds", audited.returncode == 0, audited)

    program = build(checks, federation)
    if program is None:
        return
    words = [str(program), prefix, "solo/tls/authority.pem", verifier_key(federation)]
    read = federation.run(words)
    checks.check("the stock packages accept checkpoint, tiles, entries and proofs", read.returncode == 0, read)
    other = federation.run([*words[:3], verifier_key(federation, MEMBER + "/another")])
    checks.check("and refuse it under another name", other.returncode == 1, other)

    log = federation.folder / "kept" / MEMBER / "log" / MEMBER
    with Mirror(log) as mirror:
        words[1] = mirror.prefix
        read = federation.run(words)
        checks.check("they accept the pages that the audit kept", read.returncode == 0, read)
        for what, (page, at, place) in DAMAGE.items():
            whole = (log / page).read_bytes()
            changed = bytearray(whole)
            changed[at] ^= 1
            (log / page).write_bytes(changed)
            read = federation.run(words)
            checks.check(f"with one byte of {what} changed they refuse it", read.returncode == 1, read)
            audit = ["almenara", "--home", "court", "audit", f"kept/{MEMBER}", "--full", "--html", "damaged.html"]
            audited = federation.run(audit)
            named = audited.returncode == 1 and f"{MEMBER}: {place}" in audited.stdout
            checks.check(f"and the audit says `{place}`", named, audited)
            (log / page).write_bytes(whole)
    for kind, page in {"clean": "clean.html", "findings": "damaged.html"}.items():
        report.look(checks, federation, kind, federation.folder / page)


def curl(checks: Checks, federation: Federation, prefix: str) -> None:
    """What a person sees who looks with curl."""
    if not checks.has("curl"):
        return
    look = f"curl --silent --fail --cacert solo/tls/authority.pem {prefix}"
    note = federation.shell(f"{look}/checkpoint")
    checks.check("curl shows the checkpoint", note.startswith(f"{MEMBER}/almenara\n{ENTRIES}\n"), note)
    head = federation.shell(f"{look}/tile/0/000 --head").lower()
    wanted = ("200", "content-type: application/octet-stream", "cache-control: public, immutable", "content-length: 8192")
    checks.check("a full tile may be kept for ever", all(word in head for word in wanted), head)
    for method in ("POST", "PUT", "DELETE"):
        done = federation.run([*look.split(), "--request", method])
        checks.check(f"nothing can be changed with {method}", done.returncode == 22, done)


def build(checks: Checks, federation: Federation) -> Path | None:
    """The program in tlog.go, with the packages that the Go toolchain has beside its own sources."""
    if not checks.has("go"):
        return None
    here = federation.folder / "tlog"
    environment = {
        **federation.environment,
        "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0",
        "GOCACHE": str(here / "cache"), "GOPATH": str(here / "path"),
    }
    root = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True, env=environment)
    vendored = Path(root.stdout.strip()) / "src/cmd/vendor/golang.org/x/mod/sumdb"
    for package in ("note", "tlog"):
        (here / "mod/sumdb" / package).mkdir(parents=True)
        for source in (vendored / package).glob("*.go"):
            shutil.copy(source, here / "mod/sumdb" / package)
    (here / "mod/go.mod").write_text("module golang.org/x/mod\n\ngo 1.24\n")
    (here / "go.mod").write_text(
        "module check\n\ngo 1.24\n\nrequire golang.org/x/mod v0.0.0\n\nreplace golang.org/x/mod => ./mod\n"
    )
    shutil.copy(Path(__file__).with_name("tlog.go"), here / "main.go")
    built = subprocess.run(
        ["go", "build", "-o", "check", "."], cwd=here, env=environment, capture_output=True, text=True, timeout=600,
    )
    checks.check("the program with the stock packages builds", built.returncode == 0, built.stderr)
    return here / "check" if built.returncode == 0 else None


def verifier_key(federation: Federation, name: str = MEMBER + "/almenara") -> str:
    """The log's key as C2SP signed-note writes it: name, id, and the base64 of type and key."""
    pem = federation.folder / "solo/keys/log.pem"
    der = subprocess.run(["openssl", "pkey", "-in", pem, "-pubout", "-outform", "DER"], capture_output=True, check=True)
    typed = b"\x01" + der.stdout[-32:]
    identity = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
    return f"{name}+{identity.hex()}+{base64.b64encode(typed).decode()}"


class Mirror:
    """A folder as a web server that nobody trusts would show it."""

    def __init__(self, folder: Path) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = folder / os.path.normpath(self.path).lstrip("/")
                found = path.is_file()
                body = path.read_bytes() if found else b""
                self.send_response(200 if found else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.prefix = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "Mirror":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
