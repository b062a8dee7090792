"""What the crates do not know: invariants that are absences, read from what cargo says of them.

deny.toml says who may name a crate; this says what a crate must not reach by any way. And that no test stands where none
would run.
"""

import json
import subprocess
import sys
from pathlib import Path

NETWORK = {"tokio", "tonic", "hyper", "h2", "axum", "rustls", "socket2", "mio"}
SQL = {"sqlx", "sqlx-core", "libsqlite3-sys"}
RANDOMNESS = {"getrandom", "rand"}
CLOCK = {"jiff", "chrono", "time"}

ABSENT = {
    "almenara-proto": NETWORK | SQL | RANDOMNESS | CLOCK,
    "almenara-certs": {"tokio", "tonic", "hyper", "axum"} | SQL,
    "almenara-client": SQL,
}


def reaches(crate: str) -> set[str]:
    """Every crate that is compiled into `crate`."""
    tree = ["cargo", "tree", "--locked", "--package", crate, "--edges", "normal", "--prefix", "none"]
    lines = subprocess.run(tree, check=True, capture_output=True, text=True).stdout.splitlines()
    return {line.split()[0] for line in lines if line}


def unrun() -> list[Path]:
    """Files of targets without a test harness that have tests nevertheless."""
    words = ["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"]
    found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    files: list[Path] = []
    for target in (target for package in found["packages"] for target in package["targets"]):
        source = Path(target["src_path"])
        if not target["test"] and target["kind"] != ["custom-build"]:
            files += source.parent.rglob("*.rs") if "lib" in target["kind"] else [source]
    assert files, "cargo metadata names no target without a harness"
    return sorted(file for file in files if "#[test]" in (code := file.read_text()) or "#[tokio::test" in code)


def main() -> int:
    broken = False
    for file in unrun():
        print(f"{file} has a test, and its target no harness that would run it: move it")
        broken = True
    for crate, absent in ABSENT.items():
        found = reaches(crate)
        assert crate in found, f"cargo tree says nothing about {crate}"
        for name in sorted(found & absent):
            print(f"{crate} reaches {name}: cargo tree --package {crate} --invert {name}")
            broken = True
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
