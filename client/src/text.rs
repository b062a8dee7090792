//! Numbers, sizes, times and foreign text, as people read them.

use std::borrow::Cow;

/// Foreign text for a terminal: what could move the cursor, colour or reorder what stands beside it is shown
/// as an escape (HOSTILE: control characters, ANSI, bidirectional marks, zero-width characters).
#[must_use]
pub fn tame(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_wild) {
        return Cow::Borrowed(text);
    }
    let mut tamed = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_wild(character) {
            tamed.extend(character.escape_unicode());
        } else {
            tamed.push(character);
        }
    }
    Cow::Owned(tamed)
}

/// The same for whole output, in which line breaks are ours, and so are those of the `sequences` that colour it:
/// the last door before a terminal, whatever was forgotten before it.
#[must_use]
pub fn tame_lines(text: &str, sequences: &[&str]) -> String {
    let mut tamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\u{1b}']) {
        let (before, after) = rest.split_at(at);
        tamed.push_str(&tame(before));
        let ours = sequences.iter().chain(&["\n"]).find_map(|ours| Some((ours, after.strip_prefix(ours)?)));
        rest = match ours {
            Some((ours, behind)) => {
                tamed.push_str(ours);
                behind
            }
            None => {
                tamed.push_str("\\u{1b}");
                after.strip_prefix('\u{1b}').unwrap_or_default()
            }
        };
    }
    tamed.push_str(&tame(rest));
    tamed
}

/// JSON in which the same characters stand as escapes: what reads it as JSON reads the same.
#[must_use]
pub fn tame_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(is_wild) {
        return Cow::Borrowed(json);
    }
    let mut tamed = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if is_wild(character) {
            let units = character
                .encode_utf16(&mut [0; 2])
                .iter()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect::<String>();
            tamed.push_str(&units);
        } else {
            tamed.push(character);
        }
    }
    Cow::Owned(tamed)
}

fn is_wild(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// A count with its thousands apart: `1,240,000`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes with three figures: `1.24 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = "KiB";
    for next in UNITS.iter().skip(1) {
        if value < 1000.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$} {unit}")
}

/// A moment in UTC from Unix seconds: `2026-11-22 02:59 UTC`; a moment that no calendar holds is a number.
#[must_use]
pub fn moment(seconds: u64) -> String {
    i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok()).map_or_else(
        || format!("{seconds} (Unix seconds)"),
        |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

/// A length of time in its two largest units at most: `3 days`, `2 h 5 min`, `40 s`.
#[must_use]
pub fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (2.., ..) => format!("{days} days"),
        (1, 0, _) => "1 day".to_owned(),
        (1, ..) => format!("1 day {hours} h"),
        (0, 1.., 0) => format!("{hours} h"),
        (0, 1.., _) => format!("{hours} h {minutes} min"),
        (0, 0, 1..) => format!("{minutes} min"),
        (0, 0, 0) => format!("{seconds} s"),
    }
}

/// `one` for 1, else `many`: `1 member`, `3 members`.
#[must_use]
pub fn plural(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number as u64), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_move_colour_or_reorder_a_terminal() {
        assert_eq!(tame("fake-broker.example ✓ ไทย"), "fake-broker.example ✓ ไทย");
        assert_eq!(tame("\u{1b}[31mred"), "\\u{1b}[31mred");
        assert_eq!(tame("a\nb\r\tc"), "a\\u{a}b\\u{d}\\u{9}c");
        assert_eq!(tame("moc.\u{202e}elgoog"), "moc.\\u{202e}elgoog");
        assert_eq!(tame("zero\u{200b}width\u{9b}"), "zero\\u{200b}width\\u{9b}");
    }

    #[test]
    fn whole_output_keeps_its_lines_and_its_own_colours_and_nothing_else() {
        let ours = ["\u{1b}[1m", "\u{1b}[0m"];
        let check = |text: &str, plain: &str, coloured: &str| {
            assert_eq!((tame_lines(text, &[]).as_str(), tame_lines(text, &ours).as_str()), (plain, coloured));
        };
        check("a\nb\n", "a\nb\n", "a\nb\n");
        check("\u{1b}[1mbold\u{1b}[0m", "\\u{1b}[1mbold\\u{1b}[0m", "\u{1b}[1mbold\u{1b}[0m");
        check("\u{1b}[2J\u{1b}", "\\u{1b}[2J\\u{1b}", "\\u{1b}[2J\\u{1b}");
        check("\r\u{202e}x\n\u{9b}", "\\u{d}\\u{202e}x\n\\u{9b}", "\\u{d}\\u{202e}x\n\\u{9b}");
    }

    #[test]
    fn json_reads_the_same_after_it_was_tamed() {
        let said = "a\u{1b}[2J\u{202e}\u{9b}\u{e0041}\u{feff} ✓ ไทย\n\\";
        let json = serde_json::to_string(said).expect("JSON");
        let tamed = tame_json(&json);
        assert!(!tamed.chars().any(is_wild), "{tamed}");
        assert_eq!(serde_json::from_str::<String>(&tamed).expect("JSON"), said);
        assert_eq!(tame_json("{\"a\":1}"), "{\"a\":1}");
    }

    #[test]
    fn numbers_read_like_numbers() {
        let counts: Vec<String> = [0, 999, 1_000, 1_240_000].into_iter().map(count).collect();
        assert_eq!(counts, ["0", "999", "1,000", "1,240,000"]);
        let sizes: Vec<String> =
            [0, 1_023, 1_024, 1_300_000, 1_073_741_824, u64::MAX].into_iter().map(size).collect();
        assert_eq!(sizes, ["0 B", "1023 B", "1.00 KiB", "1.24 MiB", "1.00 GiB", "16.0 EiB"]);
        assert_eq!(plural(1, "member", "members"), "1 member");
        assert_eq!(plural(0, "member", "members"), "0 members");
    }

    #[test]
    fn times_read_like_times() {
        assert_eq!(moment(0), "1970-01-01 00:00 UTC");
        assert_eq!(moment(u64::MAX), format!("{} (Unix seconds)", u64::MAX));
        let lengths: Vec<String> =
            [40, 60, 3_600, 7_500, 86_400, 90_000, 259_200].into_iter().map(duration).collect();
        assert_eq!(lengths, ["40 s", "1 min", "1 h", "2 h 5 min", "1 day", "1 day 1 h", "3 days"]);
    }
}
