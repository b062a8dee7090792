//! Runs the proof vectors of transparency-dev/merkle (`testdata/`) when `ALMENARA_MERKLE_VECTORS` names the folder
//! into which they are unpacked: inclusion, consistency, and of its subtree proofs those that a log can be asked.

use std::path::{Path, PathBuf};

use almenara_proto::merkle::{Hash, sha256, verify_consistency, verify_inclusion};
use data_encoding::BASE64;
use serde_json::Value;

#[test]
fn every_vector_is_judged_as_its_authors_do() {
    let Some(folder) = std::env::var_os("ALMENARA_MERKLE_VECTORS") else {
        println!("skipped: ALMENARA_MERKLE_VECTORS does not name the folder of the vectors");
        return;
    };
    let mut files = Vec::new();
    find(Path::new(&folder), &mut files);
    assert!(!files.is_empty(), "no vectors below {}", folder.display());
    let (mut held, mut refused, mut left_out, mut wrong) = (0, 0, 0, Vec::new());
    for file in &files {
        let vector: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let required = !vector["wantErr"].as_bool().unwrap();
        match judge(file, &vector) {
            None => left_out += 1,
            Some(found) if found != required => wrong.push(format!("{}: {}", file.display(), vector["desc"])),
            Some(true) => held += 1,
            Some(false) => refused += 1,
        }
    }
    println!("{} vectors: {held} hold, {refused} are refused, {left_out} left out", files.len());
    assert!(wrong.is_empty(), "judged otherwise:\n{}", wrong.join("\n"));
}

/// Whether the vector's proof holds; `None` where a log of ours is never asked: for the consistency of a subtree
/// that is empty or does not begin the tree, and for that of the empty tree, which the vectors' authors refuse to
/// judge while C2SP tlog-witness, and we, take it to be the beginning of every log.
fn judge(file: &Path, vector: &Value) -> Option<bool> {
    let number = |name: &str| vector[name].as_u64().expect(name);
    let named = |kind: &str| file.iter().any(|part| part == kind);
    let proof: Vec<Hash> = vector["proof"].as_array().into_iter().flatten().map(stand_in).collect();
    let included = |index, size| match (hash(&vector["leafHash"]), hash(&vector["root"])) {
        (Ok(leaf), Ok(root)) => verify_inclusion(&leaf, index, size, &proof, &root).is_ok(),
        _ => false, // not 32 bytes: our type refuses it
    };
    let consistent = |old, new| {
        verify_consistency(old, &stand_in(&vector["root1"]), new, &stand_in(&vector["root2"]), &proof).is_ok()
    };
    if named("inclusion") {
        Some(included(number("leafIdx"), number("treeSize")))
    } else if named("subtreeinclusion") {
        // A subtree [start, end) is a tree of its own where start is a multiple of the power of two that holds it.
        let (start, end) = (number("start"), number("end"));
        let holder = end.checked_sub(start).and_then(u64::checked_next_power_of_two);
        let aligned = start < end && holder.is_some_and(|holder| start % holder == 0);
        let index = number("leafIdx").checked_sub(start);
        Some(aligned && index.is_some_and(|index| included(index, end - start)))
    } else if named("consistency") {
        let (old, new) = (number("size1"), number("size2"));
        (old > 0 || new == 0).then(|| consistent(old, new))
    } else {
        (number("start") == 0 && number("end") > 0).then(|| consistent(number("end"), number("size")))
    }
}

fn hash(text: &Value) -> Result<Hash, Vec<u8>> {
    let bytes = BASE64.decode(text.as_str().expect("base64").as_bytes()).expect("base64");
    Hash::try_from(bytes.as_slice()).map_err(|_| bytes)
}

/// Some vectors of consistency compare roots of another length, which our type cannot hold: another hash stands
/// for each of them.
fn stand_in(text: &Value) -> Hash {
    hash(text).unwrap_or_else(|bytes| sha256(&[b"of another length: ", &bytes]))
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
}
