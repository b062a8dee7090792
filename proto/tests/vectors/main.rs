//! The test vectors of the protocol: `proto/vectors/*.json`.
//!
//! Whoever writes Almenara in another language needs docs/protocol.md and these files, nothing of this crate. They
//! come out of fixed seeds; `cargo test -p almenara-proto --test vectors -- --ignored` writes them anew, and the
//! test beside it recomputes all of them and compares.

mod batches;
mod canonical;
mod custody;
mod evidence;
mod logs;
mod proofs;
mod releases;
mod rosters;
mod trees;
mod verdicts;
mod voids;
mod world;

use std::path::PathBuf;

use serde_json::Value;

/// Name of the file, and what stands in it.
fn files() -> Vec<(&'static str, Value)> {
    vec![
        ("keys", world::keys()),
        ("statements", batches::statements()),
        ("batch", batches::batch()),
        ("disclosures", batches::disclosures()),
        ("entries", logs::entries()),
        ("log", logs::log()),
        ("trees", trees::trees()),
        ("checkpoints", trees::checkpoints()),
        ("rosters", rosters::rosters()),
        ("releases", releases::releases()),
        ("custody", custody::custody()),
        ("evidence", evidence::evidence()),
        ("proof", proofs::proof()),
        ("verdicts", verdicts::verdicts()),
        ("canonical", canonical::canonical()),
        ("voids", voids::voids()),
    ]
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "vectors", &format!("{name}.json")].iter().collect()
}

#[test]
fn every_vector_is_what_this_crate_computes() {
    for (name, computed) in files() {
        let text = std::fs::read_to_string(path(name)).unwrap();
        assert!(text.len() < 100 * 1_024, "{name}.json is for people to read");
        let kept: Value = serde_json::from_str(&text).unwrap();
        assert!(
            kept["description"].as_str().is_some_and(|text| text.len() > 80),
            "{name}.json says what it is"
        );
        assert_eq!(kept, computed, "{name}.json");
    }
}

#[test]
#[ignore = "writes proto/vectors; look at the difference before you commit it"]
fn write_the_vectors() {
    for (name, computed) in files() {
        let text = serde_json::to_string_pretty(&computed).unwrap();
        std::fs::write(path(name), text + "\n").unwrap();
    }
}
