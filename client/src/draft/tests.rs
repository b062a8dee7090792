use almenara_proto::{release::Tlp, statement::Category};

use super::*;

const NOW: u64 = 1_790_000_000;

fn defaults() -> Defaults {
    Defaults {
        now: NOW,
        kind: Some(Kind::Domain),
        categories: vec![Category::PHISHING],
        basis: Some(almenara_proto::statement::Basis::Observed),
        tlp: Some(Tlp::Green),
        ..Defaults::default()
    }
}

fn settle(json: &str, defaults: &Defaults) -> Result<Draft, String> {
    let fields: Fields = serde_json::from_str(json).map_err(|error| error.to_string())?;
    fields.settle(defaults, 7).map(|settled| settled.draft).map_err(|refusal| refusal.code.to_owned())
}

/// What a drafts file says about `json`, read back without any default, is the same draft.
fn check_round(json: &str) {
    let draft = settle(json, &defaults()).expect("a draft");
    let written = serde_json::to_string(&Fields::from(&draft)).expect("JSON");
    let bare = Defaults { now: NOW, ..Defaults::default() };
    assert_eq!(settle(&written, &bare).as_ref(), Ok(&draft), "{written}");
}

#[test]
fn a_draft_comes_back_from_its_file_as_it_was() {
    check_round(r#"{"value":"fake-broker.example"}"#);
    check_round(
        r#"{"value":"fake-broker.example","include_subdomains":true,"confidence":0,"labels":["a","b"]}"#,
    );
    check_round(r#"{"value":"fake-broker.example","tlp":"RED","to":["ngo.nl.example"],"pap":"amber"}"#);
    check_round(
        r#"{"value":"fake-broker.example","tlp":"AMBER","to":["group:x","jurisdiction:TH"],"copies":2}"#,
    );
    check_round(
        r#"{"value":"fake-broker.example","basis":"imported","imported_from":"a list","campaign":"c"}"#,
    );
    check_round(
        r#"{"value":"fake-broker.example","references":[{"url":"https://a.example"}],"description":"d\ne"}"#,
    );
    check_round(r#"{"kind":"phone","value":"+66 81 234 5678","possibly_coerced":true,"valid_days":3}"#);
    check_round(
        r#"{"value":"a-b.example","related":[{"kind":"email","value":"a@a-b.example"}],"last_seen":5}"#,
    );
    check_round(
        r#"{"value":"a-b.example","claim":"sighting","count":3,"window_start":1,"window_end":"2026-01-31"}"#,
    );
    let hash = "ab".repeat(32);
    check_round(&format!(
        r#"{{"value":"a-b.example","claim":"dispute","disputes":"ngo.nl.example:4.2","id":"{hash}","reason":"outdated"}}"#
    ));
    check_round(&format!(r#"{{"value":"a-b.example","reinstates":{{"entry":9,"id":"{hash}"}}}}"#));
}

fn check_refused(json: &str, code: &str) {
    let found = settle(json, &defaults()).expect_err(json);
    assert!(found.contains(code), "{json}: {found}");
}

#[test]
fn what_cannot_be_said_is_refused_with_its_reason() {
    check_refused(r#"{"value":"github.io"}"#, "public_suffix");
    check_refused(r#"{"value":""}"#, "empty");
    check_refused(r#"{}"#, "empty");
    check_refused(r#"{"value":"a-b.example","kind":"domian"}"#, "kind");
    check_refused(r#"{"value":"a-b.example","categories":["fraud"]}"#, "category");
    check_refused(r#"{"value":"a-b.example","confidence":101}"#, "void");
    check_refused(r#"{"value":"a-b.example","tlp":"CLEAR","to":["ngo.nl.example"]}"#, "void");
    check_refused(r#"{"value":"a-b.example","tlp":"GREEN","copies":1}"#, "void");
    check_refused(r#"{"value":"a-b.example","valid_days":0}"#, "void");
    check_refused(r#"{"value":"a-b.example","valid_days":4000}"#, "void");
    check_refused(r#"{"value":"a-b.example","claim":"sighting"}"#, "missing_field");
    check_refused(r#"{"value":"a-b.example","basis":"hearsay"}"#, "basis");
    check_refused(r#"{"kind":"ip","value":"8.8.8.8","include_subdomains":true}"#, "void");
    check_refused(r#"{"value":"a-b.example","not_to":["Police"]}"#, "field");
    // A misspelt restriction must not pass as none.
    check_refused(r#"{"value":"a-b.example","notto":["ngo.nl.example"]}"#, "unknown field");
    check_refused(r#"{"value":"a-b.example","lookup_only":true,"lookup_only":false}"#, "duplicate field");
}

#[test]
fn who_may_see_a_report_and_who_saw_the_thing_are_never_guessed() {
    let json = r#"{"value":"a-b.example"}"#;
    let without = |change: fn(&mut Defaults)| {
        let mut defaults = defaults();
        change(&mut defaults);
        settle(json, &defaults).expect_err("refused")
    };
    assert_eq!(without(|defaults| defaults.tlp = None), "missing_tlp");
    assert_eq!(without(|defaults| defaults.basis = None), "missing_basis");
    assert_eq!(without(|defaults| defaults.categories.clear()), "missing_category");
    assert_eq!(without(|defaults| defaults.kind = None), "missing_kind");
}

#[test]
fn white_is_read_as_clear_and_an_unknown_marking_as_red() {
    let marked = |tlp: &str, pap: &str| {
        let json = format!(r#"{{"value":"a-b.example","tlp":"{tlp}","pap":"{pap}"}}"#);
        let release = settle(&json, &defaults()).expect("a draft").release().clone();
        (release.tlp, release.pap)
    };
    use almenara_proto::release::Pap;
    assert_eq!(marked("TLP:WHITE", "PAP:WHITE"), (Some(Tlp::Clear), Some(Pap::Clear)));
    assert_eq!(marked("green", "Green"), (Some(Tlp::Green), Some(Pap::Green)));
    assert_eq!(marked("INTERNAL", "TLP:GREEN"), (Some(Tlp::Red), Some(Pap::Red)));
}

#[test]
fn a_nonce_changes_nothing_else_of_a_statement() {
    for json in
        [r#"{"value":"a-b.example"}"#, r#"{"kind":"phone","value":"+66812345678","tlp":"RED","to":["a.b"]}"#]
    {
        let draft = settle(json, &defaults()).expect("a draft");
        let nonce: [u8; 16] = std::array::from_fn(|at| at as u8 + 1);
        let (blank, bytes) = (draft.encoded(&[0; 16]), draft.encoded(&nonce));
        let statement = Statement::parse(&bytes).expect("not void");
        assert_eq!(
            Statement { nonce: [0; 16], ..statement.clone() },
            Statement::parse(&blank).expect("not void")
        );
        assert_eq!((statement.nonce, &statement.indicator), (nonce, draft.indicator()));
        assert_eq!(bytes.len(), draft.bytes());
    }
}

#[test]
fn times_are_read_as_people_write_them() {
    let check = |text: &str, expected: Option<u64>| {
        assert_eq!(text.parse::<Time>().ok().map(|time| time.0), expected, "{text}");
    };
    check("1790000000", Some(NOW));
    check("1970-01-02", Some(86_400));
    check("1970-01-01T01:00:00+01:00", Some(0));
    check("1969-12-31", None);
    check("-1", None);
    check("yesterday", None);
}
