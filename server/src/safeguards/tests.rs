use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// Lists of type, matching attributes and entries; the file's number is the list's name.
fn loaded(lists: &[(&str, &[&str], &[&str])]) -> Safeguards {
    let directory = TempDir::new().unwrap();
    for (number, (list_type, attributes, entries)) in lists.iter().enumerate() {
        let json = serde_json::json!({
            "name": number.to_string(), "description": "for a test", "version": 1,
            "type": list_type, "list": entries, "matching_attributes": attributes,
        });
        fs::write(directory.path().join(format!("{number}.json")), json.to_string()).unwrap();
    }
    Safeguards::load(directory.path()).unwrap()
}

/// The entry that protects the value, or nothing.
#[track_caller]
fn check(safeguards: &Safeguards, kind: Kind, value: &str, entry: &str) {
    let indicator = Indicator::new(kind, value).unwrap();
    let found = safeguards.protects(&indicator).map(|protected| protected.entry.into_owned());
    assert_eq!(found.unwrap_or_default(), entry, "{kind} {value}");
}

const NAMES: &[&str] = &["domain", "hostname", "domain|ip", "url"];

#[test]
fn a_listed_name_is_protected_and_its_customers_are_not() {
    for list_type in ["string", "hostname"] {
        let s = loaded(&[(
            list_type,
            NAMES,
            &["Amazon.com.", "webflow.io", "www.bank.example", "münchen.example"],
        )]);
        let d = Kind::Domain;
        check(&s, d, "amazon.com", "amazon.com");
        check(&s, d, "www.amazon.com", "amazon.com");
        check(&s, d, "webflow.io", "webflow.io");
        check(&s, d, "evil.webflow.io", "");
        check(&s, d, "evil.amazon.com", "");
        check(&s, d, "amazon.com.evil.example", "");
        check(&s, d, "notamazon.com", "");
        check(&s, d, "bank.example", "bank.example");
        check(&s, d, "xn--mnchen-3ya.example", "xn--mnchen-3ya.example");
    }
}

#[test]
fn a_leading_dot_protects_what_is_below_but_not_across_a_shared_suffix() {
    let dots =
        [".google.com", ".sharepoint.com", "*.go.th", ".amazonaws.com", ".github.io", ".gov.uk", ".barclays"];
    let s = loaded(&[("string", NAMES, &dots)]);
    let d = Kind::Domain;
    check(&s, d, "google.com", "google.com");
    check(&s, d, "mail.google.com", ".google.com");
    check(&s, d, "a.b.c.google.com", ".google.com");
    check(&s, d, "evilgoogle.com", "");
    check(&s, d, "dsi.go.th", ".go.th");
    check(&s, d, "aws.amazonaws.com", ".amazonaws.com");
    check(&s, d, "evil.s3.amazonaws.com", "");
    check(&s, d, "evil.github.io", "");
    check(&s, d, "evil-my.sharepoint.com", "");
    check(&s, d, "sharepoint.com", "sharepoint.com");
    check(&s, d, "home.barclays", ".barclays");
    // A department's suffix for its own services stands below a registry that was listed as a whole.
    check(&s, d, "tax.service.gov.uk", ".gov.uk");
}

#[test]
fn a_report_with_subdomains_may_not_cover_a_protected_name() {
    let mut s = loaded(&[("hostname", NAMES, &["login.portal.example"])]);
    s.protect_also(["police.th.example"]);
    for (name, entry) in [
        ("portal.example", Some("*.portal.example")),
        ("th.example", Some("*.th.example")),
        ("login.portal.example", Some("login.portal.example")),
        ("evil.example", None),
    ] {
        let indicator = Indicator::new(Kind::Domain, name).unwrap();
        let found = s.protects_with_subdomains(&indicator).map(|protected| protected.entry.into_owned());
        assert_eq!(found.as_deref(), entry, "{name}");
    }
    check(&s, Kind::Domain, "portal.example", "");
}

#[test]
fn a_url_is_protected_as_its_host_and_a_deep_link_is_not() {
    let resolver = ("cidr", &["ip-src"][..], &["8.8.8.0/24", "2001:4860::/32"][..]);
    let s = loaded(&[("string", NAMES, &["github.com", "https://shop.example/Start"]), resolver]);
    let u = Kind::Url;
    check(&s, u, "https://github.com/", "github.com");
    check(&s, u, "http://www.github.com:8080/", "github.com");
    check(&s, u, "https://github.com/?", "github.com");
    check(&s, u, "https://github.com/evil/kit", "");
    check(&s, u, "https://github.com/?page=evil", "");
    check(&s, u, "https://shop.example/Start", "https://shop.example/Start");
    check(&s, u, "https://shop.example/start", "");
    check(&s, u, "http://8.8.8.8/", "8.8.8.0/24");
    check(&s, u, "http://[2001:4860::8888]:53/", "2001:4860::/32");
    check(&s, u, "http://8.8.8.8/evil", "");
    check(&s, Kind::Advert, "https://github.com/", "github.com");
}

#[test]
fn mail_providers_stay_reportable_unless_a_list_for_addresses_says_so() {
    let mail = &["email-src", "email-dst"][..];
    let s = loaded(&[
        ("string", NAMES, &["gmail.com"]),
        ("string", mail, &["Abuse@Example.com", "@authority.example", "ministry.example"]),
        ("regex", mail, &[r"/^(security|noc|soc|abuse)\@.*\..*$/i"]),
    ]);
    let e = Kind::Email;
    check(&s, e, "broker@gmail.com", "");
    check(&s, e, "abuse@example.com", "abuse@example.com");
    check(&s, e, "anyone@authority.example", "@authority.example");
    check(&s, e, "anyone@ministry.example", "@ministry.example");
    check(&s, e, "anyone@evil.ministry.example", "");
    check(&s, e, "noc@isp.example", r"/^(security|noc|soc|abuse)\@.*\..*$/i");
    check(&s, Kind::Domain, "ministry.example", "");
}

#[test]
fn a_block_is_protected_by_what_it_contains_and_by_what_contains_it() {
    let ip = &["ip-dst", "domain|ip"][..];
    let s = loaded(&[("cidr", ip, &["17.0.0.0/8", "17.1.0.0/16", "9.9.9.9", "2600:9000::/28"])]);
    let i = Kind::Ip;
    check(&s, i, "17.1.2.3", "17.0.0.0/8");
    check(&s, i, "9.9.9.9", "9.9.9.9/32");
    check(&s, i, "9.9.9.0/24", "9.9.9.9/32");
    check(&s, i, "9.9.8.0/24", "");
    check(&s, i, "18.0.0.1", "");
    check(&s, i, "2600:9000::1", "2600:9000::/28");
    check(&s, i, "2600:9010::1", "");
}

#[test]
fn wallets_phones_and_accounts_are_compared_in_canonical_form() {
    let hot = ["0xd8da6bf26964af9d7eed9e03e53415d37aa96045", "rEb8TK3gBgk5auZkwc6sHnwrGVJH8DuaLh"];
    let s = loaded(&[
        ("string", &["btc", "xmr"], &hot),
        ("string", &["iban"], &["DE89 3704 0044 0532 0130 00"]),
        ("string", &["phone-number"], &["+66 2 134 1444"]),
        ("string", &["handle"], &["telegram:@Almenara"]),
        ("string", &["bank_account"], &["TH:004:1234567890"]),
        ("string", &["sha256"], &["E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"]),
    ]);
    let (w, address) = (Kind::Wallet, "0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045");
    check(&s, w, &format!("eth:{address}"), &format!("eth:{address}"));
    check(&s, w, &format!("eip155:56:{address}"), &format!("eip155:56:{address}"));
    check(&s, w, "xrp:rEb8TK3gBgk5auZkwc6sHnwrGVJH8DuaLh", "xrp:rEb8TK3gBgk5auZkwc6sHnwrGVJH8DuaLh");
    // One customer's deposit is not the exchange.
    check(&s, w, "xrp:rEb8TK3gBgk5auZkwc6sHnwrGVJH8DuaLh?dt=12345", "");
    check(&s, Kind::Iban, "DE89370400440532013000", "DE89370400440532013000");
    check(&s, Kind::Phone, "+6621341444", "+6621341444");
    check(&s, Kind::Phone, "+6621341445", "");
    check(&s, Kind::Handle, "whatsapp:+6621341444", "+6621341444");
    check(&s, Kind::Handle, "telegram:almenara", "telegram:almenara");
    check(&s, Kind::BankAccount, "TH:004:1234567890", "TH:004:1234567890");
    let app = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    check(&s, Kind::App, app, app);
}

#[test]
fn a_pattern_for_phones_has_to_match_the_whole_number() {
    let british = r"/((?:\+|00)44)?01632960([0-9]{3})/g";
    let slipped = r"/((?:\+|00)61)?1(3|8)00975707|08|09|10|11/g";
    let s = loaded(&[("regex", &["phone-number"], &[british, slipped])]);
    check(&s, Kind::Phone, "+441632960123", british);
    check(&s, Kind::Phone, "+611800975707", slipped);
    check(&s, Kind::Phone, "+66810811091", "");
    check(&s, Kind::Phone, "+4416329601234", "");
}

#[test]
fn substrings_and_patterns_for_names_search() {
    let s =
        loaded(&[("substring", &["domain"], &[".Hospital-"]), ("regex", &["domain"], &["/^ns[0-9]+\\./"])]);
    check(&s, Kind::Domain, "a.hospital-x.example", ".Hospital-");
    check(&s, Kind::Domain, "ns12.evil.example", "/^ns[0-9]+\\./");
    check(&s, Kind::Domain, "hospital.example", "");
}

#[test]
fn the_members_own_names_are_protected_until_the_roster_says_otherwise() {
    let mut s = Safeguards::none();
    s.protect_also(["police.th.example", "NGO.example."]);
    check(&s, Kind::Domain, "police.th.example", "police.th.example");
    check(&s, Kind::Domain, "node.police.th.example", ".police.th.example");
    check(&s, Kind::Email, "desk@ngo.example", "ngo.example");
    check(&s, Kind::Url, "https://node.ngo.example/", ".ngo.example");
    check(&s, Kind::Domain, "evil.example", "");
    s.protect_also(["ngo.example"]);
    check(&s, Kind::Domain, "police.th.example", "");
    let members = Indicator::new(Kind::Domain, "ngo.example").unwrap();
    assert_eq!(s.protects(&members).unwrap().list, "the members' own names");
}

#[test]
fn names_of_every_network_are_reserved_without_any_file() {
    let s = Safeguards::none();
    for (name, entry) in
        [("a.localhost", ".localhost"), ("printer.local", ".local"), ("8.8.in-addr.arpa", ".arpa")]
    {
        check(&s, Kind::Domain, name, entry);
    }
    check(&s, Kind::Domain, "evil.example", "");
}

#[test]
fn a_list_without_attributes_speaks_about_every_kind() {
    let s = loaded(&[("string", &[], &["portal.example", "desk@portal.example", "9.9.9.9", "TLD"])]);
    check(&s, Kind::Domain, "portal.example", "portal.example");
    check(&s, Kind::Email, "desk@portal.example", "desk@portal.example");
    check(&s, Kind::Ip, "9.9.9.9", "9.9.9.9/32");
    let list = s.lists().first().unwrap();
    assert_eq!((list.active, list.idle), (3, 1));
}

#[track_caller]
fn check_error(json: &str, words: &[&str]) {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("broken.json"), json).unwrap();
    let error = Safeguards::load(directory.path()).unwrap_err().to_string();
    for word in words.iter().chain(&["broken.json"]) {
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }
}

#[test]
fn a_broken_file_is_named_with_its_reason() {
    let list = |list_type: &str, entry: &str| {
        serde_json::json!({ "name": "n", "version": 1, "type": list_type, "list": ["ok.example/"[..2], entry] })
            .to_string()
    };
    check_error("{", &["line 1", "EOF"]);
    check_error(r#"{"name": "n", "version": 1, "type": "string"}"#, &["missing field `list`"]);
    check_error(r#"{"name": "n", "list": [1]}"#, &["line 1", "expected a string"]);
    check_error(r#"{"name": " ", "list": []}"#, &["name is empty"]);
    check_error(&list("bloom", "a"), &["\"bloom\"", "string, hostname, substring, regex and cidr"]);
    check_error(&list("cidr", "10.0.0.0/33").replace("\"ok\"", "\"9.9.9.9\""), &["entry 2", "10.0.0.0/33"]);
    check_error(&list("regex", "/a(?!b)/"), &["entry 2", "look-around"]);
    check_error(&list("regex", "/a{1000}{1000}/"), &["entry 2", "size limit"]);
    check_error(&list("regex", "/a/e"), &["flag 'e'"]);
    check_error(&list("regex", "/a*/"), &["every value"]);
    check_error(&list("substring", ""), &["entry 2", "every value"]);
    check_error(&list("string", &"a".repeat(3_000)), &["entry 2", "3000 bytes"]);
}

#[test]
fn a_directory_that_is_not_there_is_an_error_and_an_empty_one_is_not() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("README.md"), "not a list").unwrap();
    assert!(Safeguards::load(directory.path()).unwrap().lists().is_empty());
    let missing = directory.path().join("missing");
    let error = Safeguards::load(&missing).unwrap_err();
    assert!(matches!(&error, SafeguardError::Unreadable { file, .. } if *file == missing), "{error}");
}

#[test]
fn a_new_node_refuses_what_everybody_uses() {
    let directory = TempDir::new().unwrap();
    for (name, content) in SHIPPED {
        fs::write(PathBuf::from(directory.path()).join(name), content).unwrap();
    }
    let s = Safeguards::load(directory.path()).unwrap();
    for list in s.lists() {
        assert!(list.active > 0 && list.idle == 0, "{list:?}");
    }
    let d = Kind::Domain;
    check(&s, d, "google.com", "google.com");
    check(&s, d, "www.google.com", "google.com");
    check(&s, d, "accounts.google.com", ".google.com");
    check(&s, d, "webflow.io", "webflow.io");
    check(&s, d, "evil.webflow.io", "");
    check(&s, d, "evil.github.io", "");
    check(&s, d, "dsi.go.th", ".go.th");
    check(&s, d, "google.com.evil.example", "");
    check(&s, Kind::Phone, "+448001111", "+448001111");
    check(&s, Kind::Phone, "+49116111", "/^\\+[1-9][0-9]{0,2}116(000|006|016|111|117|123)$/");
    check(&s, Kind::Phone, "+66812345678", "");
}

/// What the table must answer, by asking every entry. The two sorts of suffix that the cases use are written out.
fn asked_one_by_one(entries: &[String], name: &str) -> bool {
    let is_or_below = |name: &str, above: &str| name == above || name.ends_with(&format!(".{above}"));
    let without_www = |name: &str| name.strip_prefix("www.").unwrap_or(name).to_owned();
    entries.iter().any(|entry| match entry.strip_prefix('.') {
        None => [name.to_owned(), without_www(name)].contains(&without_www(entry)),
        Some(above) => {
            let shared = ["github.io", "s3.amazonaws.com", "service.gov.uk"]
                .iter()
                .any(|suffix| is_or_below(name, suffix) && is_or_below(suffix, above));
            let below = name != above && is_or_below(name, above) && (above == "gov.uk" || !shared);
            name == above || without_www(name) == above || below
        }
    })
}

fn name() -> impl Strategy<Value = String> {
    let tail = prop::sample::select(vec![
        "example.com",
        "github.io",
        "amazonaws.com",
        "s3.amazonaws.com",
        "gov.uk",
        "service.gov.uk",
    ]);
    (prop::collection::vec(prop::sample::select(vec!["a", "b", "www"]), 0..3), tail)
        .prop_map(|(labels, tail)| labels.into_iter().chain([tail]).collect::<Vec<_>>().join("."))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_table_agrees_with_asking_every_entry(
        entries in prop::collection::vec((name(), any::<bool>()), 0..6),
        names in prop::collection::vec(name(), 20),
    ) {
        let entries: Vec<String> =
            entries.into_iter().map(|(name, dot)| if dot { format!(".{name}") } else { name }).collect();
        let listed: Vec<&str> = entries.iter().map(String::as_str).collect();
        let s = loaded(&[("string", NAMES, &listed)]);
        for name in names {
            let slow = asked_one_by_one(&entries, &name);
            let indicator = Indicator::new(Kind::Domain, name.as_str()).unwrap();
            prop_assert_eq!(s.protects(&indicator).is_some(), slow, "{} in {:?}", name, entries);
        }
    }
}

proptest! {
    // Each case may compile a pattern for every kind.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_list_and_no_indicator_makes_it_panic(
        entry in any::<String>(),
        list_type in prop::sample::select(vec!["string", "hostname", "substring", "regex", "cidr"]),
        kind in prop::sample::select(Kind::ALL.to_vec()),
        value in "[a-z0-9:/.@?+-]{1,40}",
    ) {
        let json = serde_json::json!({ "name": "n", "type": list_type, "list": [entry] }).to_string();
        let file = Path::new("any.json");
        let mut loading = Loading::new(file);
        let list = Warninglist::parse(file, json.as_bytes()).unwrap();
        let loaded = loading.add(file, list).and_then(|()| loading.finish());
        if let (Ok(safeguards), Ok(indicator)) = (loaded, Indicator::new(kind, value)) {
            let below = safeguards.protects_with_subdomains(&indicator);
            prop_assert!(below.is_some() || safeguards.protects(&indicator).is_none());
        }
    }
}
