//! Regex and substring entries: all patterns of a kind in one automaton, in time linear in the value.

use regex::{RegexSet, RegexSetBuilder};

/// Bytes of one compiled pattern, and of all patterns of a kind: the published lists take less than a tenth. The
/// automaton's cache for each thread has the same bound.
const MAX_PATTERN_BYTES: usize = 512 * 1024;
const MAX_SET_BYTES: usize = 4 * 1024 * 1024;

/// Compiled patterns, with the entry and the number of the list of each.
#[derive(Clone, Debug)]
pub(super) struct Patterns {
    set: RegexSet,
    entries: Vec<(Box<str>, u16)>,
}

/// A pattern that was tried alone, and so can be blamed alone.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) regex: String,
    pub(super) entry: Box<str>,
    pub(super) list: u16,
}

impl Patterns {
    pub(super) fn new(patterns: Vec<Pattern>) -> Result<Self, String> {
        let set = compile(patterns.iter().map(|pattern| &pattern.regex), MAX_SET_BYTES)?;
        let entries = patterns.into_iter().map(|pattern| (pattern.entry, pattern.list)).collect();
        Ok(Self { set, entries })
    }

    /// The first entry that matches.
    pub(super) fn find(&self, value: &str) -> Option<(&str, u16)> {
        let matches = self.set.matches(value);
        let (entry, list) = self.entries.get(matches.iter().next()?)?;
        Some((entry, *list))
    }
}

/// An entry of a `substring` list.
pub(super) fn substring(entry: &str) -> Result<String, String> {
    if entry.is_empty() {
        return Err("an empty text is part of every value".to_owned());
    }
    Ok(format!("(?i:{})", regex::escape(entry)))
}

/// An entry of a `regex` list, `/…/flags` as PHP writes it, which is found anywhere in a value.
pub(super) fn regular(entry: &str) -> Result<String, String> {
    let regex = group(entry)?;
    if compile([&regex], MAX_PATTERN_BYTES)?.is_match("") {
        return Err("it matches the empty text, and so every value".to_owned());
    }
    Ok(regex)
}

/// The same, but for the whole value: see [`super`] on phone numbers.
pub(super) fn whole(entry: &str) -> Result<String, String> {
    Ok(format!(r"\A{}\z", group(entry)?))
}

fn group(entry: &str) -> Result<String, String> {
    let (pattern, flags) = match entry.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')) {
        Some(parts) => parts,
        None => (entry, ""),
    };
    let mut kept = String::new();
    for flag in flags.chars() {
        match flag {
            'i' | 'm' | 's' if !kept.contains(flag) => kept.push(flag),
            // Global search, and Unicode, which is always on.
            'g' | 'u' | 'i' | 'm' | 's' => {}
            other => return Err(format!("the flag {other:?} is not known; the flags are i, m, s, g and u")),
        }
    }
    Ok(if kept.is_empty() { format!("(?:{pattern})") } else { format!("(?{kept}:{pattern})") })
}

fn compile<'a>(patterns: impl IntoIterator<Item = &'a String>, bytes: usize) -> Result<RegexSet, String> {
    RegexSetBuilder::new(patterns)
        .size_limit(bytes)
        .dfa_size_limit(bytes)
        .build()
        // The compiler draws the pattern with an arrow, over several lines: the last one says why.
        .map_err(|error| error.to_string().lines().last().unwrap_or_default().trim().to_owned())
}
