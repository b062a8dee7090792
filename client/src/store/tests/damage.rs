//! A store after a crash, and after damage.

use super::*;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for file in fs::read_dir(from).expect("a folder") {
        let file = file.expect("a file");
        let target = to.join(file.file_name());
        if file.path().is_dir() {
            copy(&file.path(), &target);
        } else {
            fs::copy(file.path(), target).expect("copied");
        }
    }
}

#[test]
fn a_process_killed_anywhere_goes_on_from_its_last_commit() {
    let mut log = TestLog::small(1);
    let whole = tempfile::tempdir().expect("a folder");
    let mut store = fresh(whole.path());
    pull(&mut store, &log, 2);
    store.replica_mut(&log.member()).expect("a replica").finish().expect("written");
    let old_size = log.size();
    let earlier = tempfile::tempdir().expect("a folder");
    copy(whole.path(), earlier.path());
    grown(&mut log, 20);
    pull(&mut store, &log, 3);
    store.replica_mut(&log.member()).expect("a replica").finish().expect("written");
    drop(store);
    let expected = all(&fresh(whole.path()), &policy());

    let replica = |folder: &Path| folder.join("m1.example");
    let log_file = |folder: &Path| replica(folder).join("log");
    let (short, long) = (
        fs::read(log_file(earlier.path())).expect("a log"),
        fs::read(log_file(whole.path())).expect("a log"),
    );
    // Written, not committed: any length of the log behind what the old state names, with and without runs.
    for length in (short.len()..=long.len()).step_by(1_009).chain([long.len()]) {
        let folder = tempfile::tempdir().expect("a folder");
        copy(whole.path(), folder.path());
        fs::copy(replica(earlier.path()).join("state"), replica(folder.path()).join("state"))
            .expect("copied");
        for file in fs::read_dir(replica(earlier.path())).expect("a folder") {
            let file = file.expect("a file").file_name();
            let to = replica(folder.path()).join(&file);
            if !to.exists() {
                fs::copy(replica(earlier.path()).join(&file), to).expect("copied");
            }
        }
        fs::write(log_file(folder.path()), &long[..length]).expect("written");
        fs::write(replica(folder.path()).join(".tmpAbC"), b"half a state").expect("written");
        let mut store = fresh(folder.path());
        assert_eq!(store.replica(&log.member()).expect("a replica").size(), old_size);
        pull(&mut store, &log, 5);
        assert_eq!(all(&store, &policy()), expected, "{length}");
        store.replica_mut(&log.member()).expect("a replica").finish().expect("written");
        assert_eq!(fs::read(log_file(folder.path())).expect("a log"), long);
        assert!(!replica(folder.path()).join(".tmpAbC").exists());
    }
}

#[test]
fn damage_is_named_and_never_changes_an_answer() {
    let mut log = TestLog::small(1);
    grown(&mut log, 12);
    let good = tempfile::tempdir().expect("a folder");
    let mut store = fresh(good.path());
    pull(&mut store, &log, 64);
    let replica = store.replica_mut(&log.member()).expect("a replica");
    replica.finish().expect("written");
    drop(store);
    let expected = all(&fresh(good.path()), &policy());
    let read = |folder: &Path| -> Result<Vec<Judged>, StoreError> {
        let store = Store::read(folder, FEDERATION)?;
        let judged = store.verdicts(&two(), &policy(), NOW)?.collect::<Result<Vec<_>, _>>()?;
        let replica = store.replica(&log.member()).expect("a replica");
        for index in 0..log.size() {
            let entry = replica.entry(index)?.expect("held");
            assert_eq!(entry.bytes, log.entries[index as usize]);
            assert!(replica.prove(&entry)?.newest.is_some());
        }
        Ok(judged)
    };
    assert_eq!(read(good.path()).expect("sound"), expected);
    let mut damaged = 0;
    for file in fs::read_dir(good.path().join("m1.example")).expect("a folder") {
        let path = file.expect("a file").path();
        let bytes = fs::read(&path).expect("a file");
        for at in (0..bytes.len()).step_by(bytes.len().div_ceil(40)) {
            for changed in [Some(bytes[at] ^ 1 << (at % 8)), None] {
                let mut other = bytes.clone();
                match changed {
                    Some(byte) => other[at] = byte,
                    None => other.truncate(at),
                }
                fs::write(&path, &other).expect("written");
                match read(good.path()) {
                    Ok(judged) => assert_eq!(judged, expected, "{} at {at}", path.display()),
                    Err(error) => {
                        let text = error.to_string();
                        assert!(
                            text.contains(&*path.file_name().expect("a name").to_string_lossy())
                                || text.contains("log"),
                            "{text}"
                        );
                        damaged += 1;
                    }
                }
            }
        }
        fs::write(&path, &bytes).expect("written");
    }
    assert!(damaged > 200, "{damaged}");
}
