# `just` lists these; each is one line that works without `just` as well.

# everything that CI checks
check *flags:
    tests/run {{flags}}

# install what the checks need, then check
check-all:
    tests/run --install

# a federation of three nodes on this machine
demo:
    cargo build --release && target/release/almenarad demo

# the figures of the README (writes target/bench.json)
bench statements="100000":
    cargo run --release -p almenara-tests --bin bench -- --statements {{statements}} --json target/bench.json

fmt:
    cargo fmt

# known vulnerabilities in dependencies (asks GitHub for the RustSec database)
advisories:
    cargo deny check advisories
