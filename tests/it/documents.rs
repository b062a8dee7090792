//! What documents say of tests.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

const HOSTILE: &str = include_str!("../../docs/hostile.md");

/// Dangers that the document must speak of.
const LINES: [std::ops::RangeInclusive<u32>; 5] = [1..=46, 52..=52, 55..=66, 69..=75, 78..=80];

/// Every `crate::module::test` in back ticks.
fn named() -> impl Iterator<Item = &'static str> {
    HOSTILE.split('`').skip(1).step_by(2).filter(|code| code.matches("::").count() > 1)
}

/// The file of a test, and the test's own name.
fn place(test: &str) -> Result<(PathBuf, &str)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace")?;
    let (modules, name) = test.rsplit_once("::").context("a path")?;
    let (house, rooms) = modules.split_once("::").context("a crate and a module")?;
    let folder = if house == "it" { root.join("tests/it") } else { root.join(house).join("src") };
    let rooms = rooms.replace("::", "/");
    let file = folder.join(format!("{rooms}.rs"));
    // Tests stand in a file of their own, or at the end of the code.
    let beside = rooms.strip_suffix("/tests").map(|room| folder.join(format!("{room}.rs")));
    Ok((if file.exists() { file } else { beside.unwrap_or(file) }, name))
}

#[test]
fn every_test_that_the_document_names_exists() -> Result<()> {
    let mut found = 0;
    for test in named() {
        let (file, name) = place(test)?;
        let code = std::fs::read_to_string(&file).with_context(|| format!("{test}: {}", file.display()))?;
        let (before, _) = code
            .split_once(&format!("fn {name}("))
            .with_context(|| format!("{test} is not in {}", file.display()))?;
        let head = before.rsplit_once("\n\n").map_or(before, |(_, head)| head);
        assert!(head.contains("#[test]") || head.contains("#[tokio::test"), "{test} is no test: {head}");
        found += 1;
    }
    assert!(found > 120, "{found}");
    Ok(())
}

#[test]
fn the_document_speaks_of_every_danger() {
    for line in LINES.into_iter().flatten() {
        let rows = HOSTILE.lines().filter(|row| row.starts_with(&format!("| {line} |"))).count();
        assert_eq!(rows, 1, "danger {line}");
    }
}
