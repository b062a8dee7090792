//! Undoes what people do to values so that nobody clicks them: `hxxps://evil[.]example`, `agent[at]evil(dot)example`.

/// Without what hides and surrounds: invisible characters, outer white space, paired quotes and angle brackets.
pub(super) fn clean(input: &str) -> String {
    let mut visible = String::with_capacity(input.len());
    let mut chars = input.chars().peekable();
    while let Some(c) = chars.next() {
        let hidden = match c {
            // Joiners spell words of some scripts (UTS #46 judges them); beside ASCII they only hide.
            '\u{200c}' | '\u{200d}' => {
                let before = visible.chars().next_back();
                [before, chars.peek().copied()].into_iter().any(|c| c.is_none_or(|c| c.is_ascii()))
            }
            _ => is_invisible(c),
        };
        if !hidden {
            visible.push(c);
        }
    }
    let mut rest = visible.trim();
    while let Some(inner) = unwrapped(rest) {
        rest = inner.trim();
    }
    rest.to_owned()
}

/// Soft hyphen, zero-width and bidi characters, the byte order mark: none changes what a reader sees as the value.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}')
}

fn unwrapped(text: &str) -> Option<&str> {
    const PAIRS: [(char, char); 7] =
        [('"', '"'), ('\'', '\''), ('`', '`'), ('<', '>'), ('“', '”'), ('‘', '’'), ('«', '»')];
    PAIRS.into_iter().find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close))
}

/// Bracketed signs become the signs, in one pass: `[.]`, `( dot )`, `{at}`, `[:]`, `[/]`, `[://]`, and spaces
/// around them go.
pub(super) fn signs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        if let Some((sign, remainder)) = bracketed(c, after) {
            out.truncate(out.trim_end().len());
            out.push_str(sign);
            rest = remainder.trim_start();
        } else {
            out.push(c);
            rest = after;
        }
    }
    out
}

/// The sign that a bracket holds, and what follows the closing bracket.
fn bracketed(open: char, after: &str) -> Option<(&'static str, &str)> {
    let close = match open {
        '[' => ']',
        '(' => ')',
        '{' => '}',
        _ => return None,
    };
    // Six bytes hold `dot` with a space on each side; a bracket that closes later holds something else.
    let window = after.bytes().take(6).position(|b| char::from(b) == close)?;
    let (inner, remainder) = (after.get(..window)?, after.get(window + 1..)?);
    let sign = match inner.trim().to_ascii_lowercase().as_str() {
        "." | "dot" | "," => ".",
        "@" | "at" => "@",
        ":" => ":",
        "/" => "/",
        "//" => "//",
        "://" => "://",
        _ => return None,
    };
    Some((sign, remainder))
}

/// The http or https scheme at the start of a URL, however it was defanged.
pub(super) struct Scheme<'a> {
    /// `http` or `https`.
    pub(super) name: &'static str,
    /// What follows `://`.
    pub(super) rest: &'a str,
    /// It was spelt otherwise than `http://` or `https://`.
    pub(super) defanged: bool,
}

/// Reads the scheme of a web URL; none if the text has none.
pub(super) fn scheme(text: &str) -> Option<Scheme<'_>> {
    const SPELLINGS: [(&str, &str); 8] = [
        ("https", "https"),
        ("http", "http"),
        ("hxxps", "https"),
        ("hxxp", "http"),
        ("h**ps", "https"),
        ("h**p", "http"),
        ("htxps", "https"),
        ("htxp", "http"),
    ];
    const SEPARATORS: [&str; 7] = ["://", "[://]", "[:]//", "(:)//", "{:}//", "[:]\\\\", ":\\\\"];
    for (spelling, name) in SPELLINGS {
        let Some((start, after)) = text.split_at_checked(spelling.len()) else { continue };
        if !start.eq_ignore_ascii_case(spelling) {
            continue;
        }
        let after = after.trim_start();
        if let Some((separator, rest)) = SEPARATORS.iter().find_map(|s| Some((s, after.strip_prefix(s)?))) {
            return Some(Scheme { name, rest, defanged: spelling != name || *separator != "://" });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_in_brackets_become_signs() {
        let check = |input, expected: &str| assert_eq!(signs(input), expected, "{input}");
        check("evil[.]example", "evil.example");
        check("evil [dot] example", "evil.example");
        check("evil( DOT )example{.}org", "evil.example.org");
        check("a[at]b(.)example", "a@b.example");
        check("[2600::1]", "[2600::1]");
        check("a[.", "a[.");
        check("[[.]]", "[.]");
        check("é[é]", "é[é]");
        check("https[:]//a[.]example[/]b", "https://a.example/b");
    }

    #[test]
    fn quotes_brackets_and_invisible_characters_are_taken_off() {
        let check = |input, expected: &str| assert_eq!(clean(input), expected, "{input:?}");
        check("  \"<evil.example>\"\t\r\n", "evil.example");
        check("\u{feff}ev\u{200b}il\u{202e}.exa\u{ad}mple", "evil.example");
        check("‘evil.example’", "evil.example");
        check("ev\u{200d}il", "evil");
        check("\u{200c}", "");
        check("می\u{200c}خواهم", "می\u{200c}خواهم");
        check("\"", "\"");
    }

    #[test]
    fn a_scheme_is_read_however_it_is_spelt() {
        let check = |input: &str, name: &str, rest: &str, defanged: bool| {
            let scheme = scheme(input).unwrap();
            assert_eq!((scheme.name, scheme.rest, scheme.defanged), (name, rest, defanged), "{input}");
        };
        check("http://a", "http", "a", false);
        check("HTTPS://a", "https", "a", false);
        check("hxxps://a", "https", "a", true);
        check("hXXp[://]a", "http", "a", true);
        check("http[:]//a", "http", "a", true);
        assert!(scheme("ftp://a").is_none());
        assert!(scheme("é").is_none());
    }
}
