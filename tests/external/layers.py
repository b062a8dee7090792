"""What the crates do not know: invariants that are absences, read from cargo's own tree.

deny.toml says who may name a crate; this says what a crate must not reach by any way.
"""

import subprocess
import sys

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


def main() -> int:
    broken = False
    for crate, absent in ABSENT.items():
        found = reaches(crate)
        assert crate in found, f"cargo tree says nothing about {crate}"
        for name in sorted(found & absent):
            print(f"{crate} reaches {name}: cargo tree --package {crate} --invert {name}")
            broken = True
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
