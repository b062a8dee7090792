use super::*;

// The example of Go's golang.org/x/mod/sumdb/note.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const PETER_LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const ENOCH_LINE: &str = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

fn keys(texts: &[&str]) -> Vec<VerifierKey> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The names that verify, in a note of the text and these lines.
fn verify(lines: &str, known: &[&str]) -> Result<Vec<String>, NoteError> {
    let verified = Note::parse(format!("{TEXT}\n{lines}").as_bytes())?.verify(&keys(known))?;
    assert!(verified.iter().all(|one| one.time.is_none()));
    Ok(verified.into_iter().map(|one| one.name).collect())
}

#[test]
fn gos_example_note_verifies() {
    let check = |lines: &str, known: &[&str], names: &[&str]| {
        assert_eq!(verify(lines, known).unwrap(), names);
    };
    check(PETER_LINE, &[PETER], &["PeterNeumann"]);
    check(&format!("{PETER_LINE}{ENOCH_LINE}"), &[PETER], &["PeterNeumann"]);
    check(&format!("{PETER_LINE}{ENOCH_LINE}"), &[ENOCH], &["EnochRoot"]);
    check(&format!("{PETER_LINE}{ENOCH_LINE}"), &[ENOCH, PETER], &["PeterNeumann", "EnochRoot"]);
    check(&PETER_LINE.repeat(100), &[PETER], &["PeterNeumann"]);
    check(PETER_LINE, &[PETER, PETER], &["PeterNeumann"]);
}

#[test]
fn what_no_known_key_signed_is_refused() {
    let peter = "PeterNeumann".to_owned();
    let id = key_id_of(PETER);
    assert_eq!(verify(PETER_LINE, &[]), Err(NoteError::NoKnownSignature));
    assert_eq!(verify(PETER_LINE, &[ENOCH]), Err(NoteError::NoKnownSignature));
    assert_eq!(verify(&PETER_LINE.repeat(101), &[PETER]), Err(NoteError::TooManySignatures { found: 101 }));
    // A bad signature of a known key rejects the note, even beside a good one; of an unknown key it is ignored.
    let bad = PETER_LINE.replace("JkuBS", "JkuBT");
    assert_eq!(verify(&bad, &[PETER]), Err(NoteError::BadSignature { name: peter.clone(), id }));
    let both = format!("{PETER_LINE}{bad}{ENOCH_LINE}");
    assert_eq!(verify(&both, &[ENOCH, PETER]), Err(NoteError::BadSignature { name: peter.clone(), id }));
    assert_eq!(verify(&both, &[ENOCH]), Ok(vec!["EnochRoot".to_owned()]));
    // A known name with another id is another key.
    let other_id = PETER_LINE.replace("x08go", "x08gp");
    assert_eq!(verify(&other_id, &[PETER]), Err(NoteError::NoKnownSignature));
    let changed = format!("{}\n{PETER_LINE}", TEXT.replace("problem", "Problem"));
    let note = Note::parse(changed.as_bytes()).unwrap();
    assert_eq!(note.verify(&keys(&[PETER])), Err(NoteError::BadSignature { name: peter, id }));
}

fn key_id_of(key: &str) -> [u8; 4] {
    key.parse::<VerifierKey>().unwrap().id()
}

#[test]
fn two_known_keys_of_one_name_and_id_are_ambiguous() {
    let key: VerifierKey = PETER.parse().unwrap();
    // Nobody needs to find a collision to test this: a reader could only be given one.
    let mut twin =
        VerifierKey::new("PeterNeumann", KeyKind::Ed25519, &signing_key(1).verifying_key().to_bytes())
            .unwrap();
    twin.set_id(key.id());
    let note = Note::parse(format!("{TEXT}\n{PETER_LINE}").as_bytes()).unwrap();
    let error = NoteError::AmbiguousKey { name: "PeterNeumann".to_owned(), id: key.id() };
    assert_eq!(note.verify(&[key, twin]), Err(error));
}

#[test]
fn notes_that_break_the_format_are_malformed() {
    let check = |note: &[u8], error: NoteError| assert_eq!(Note::parse(note), Err(error));
    let line = |line: &str| NoteError::SignatureLine { line: line.to_owned() };
    let with = |lines: &str| format!("{TEXT}\n{lines}").into_bytes();
    check(b"", NoteError::NoSignatures);
    check(TEXT.as_bytes(), NoteError::NoSignatures);
    check(&with(""), NoteError::NoSignatures);
    check(&with(PETER_LINE.trim_end()), NoteError::NoFinalNewline);
    check(&[b"\x01", with(PETER_LINE).as_slice()].concat(), NoteError::Control { byte: 1 });
    check(&[b"\t", with(PETER_LINE).as_slice()].concat(), NoteError::Control { byte: 9 });
    check(&[b"\xff", with(PETER_LINE).as_slice()].concat(), NoteError::Encoding);
    check(&with(&PETER_LINE.replace('\n', "\r\n")), NoteError::Control { byte: 13 });
    check(&with(&format!("{PETER_LINE}Unexpected line.\n")), line("Unexpected line."));
    check(&with(&format!("{PETER_LINE}\n")), NoteError::NoSignatures);
    check(&with("— Bad Name AAAAAAA=\n"), line("— Bad Name AAAAAAA="));
    check(&with("— a+b AAAAAAA=\n"), line("— a+b AAAAAAA="));
    check(&with("— a\u{a0}b AAAAAAA=\n"), line("— a\u{a0}b AAAAAAA="));
    check(&with("—  AAAAAAA=\n"), line("—  AAAAAAA="));
    check(&with("- name AAAAAAA=\n"), line("- name AAAAAAA="));
    check(&with("— name AAAAAA==\n"), line("— name AAAAAA==")); // an id and no signature
    check(&with("— name AAAAAAB=\n"), line("— name AAAAAAB=")); // stray bits: a second spelling
    check(&with("— name AAAAAAA\n"), line("— name AAAAAAA"));
    check(&with("— name \n"), line("— name "));
    assert!(Note::parse(&with("— name AAAAAAA=\n")).is_ok());
}

#[test]
fn the_text_ends_at_the_last_blank_line() {
    let note = Note::parse(format!("a\n\n— b AAAAAAA=\n\nc\n\n{PETER_LINE}").as_bytes()).unwrap();
    assert_eq!(note.text(), "a\n\n— b AAAAAAA=\n\nc\n");
    assert_eq!(note.signatures().len(), 1);
    let lone = Note::parse(format!("\n\n{PETER_LINE}").as_bytes()).unwrap();
    assert_eq!(lone.text(), "\n");
}

#[test]
fn a_text_of_several_paragraphs_is_assembled_and_read_back() {
    let text = "The first paragraph\nhas two lines.\n\nThe second has a — dash and ไทย.\n";
    let line = sign(text, "desk.example/notes", &signing_key(3)).unwrap();
    let raw = assemble(text, [line.as_str()]).unwrap();
    let note = Note::parse(&raw).unwrap();
    assert_eq!(note.text(), text);
    assert_eq!(note.signatures()[0].name, "desk.example/notes");
    assert_eq!(assemble(note.text(), [note.signatures()[0].to_string().as_str()]).unwrap(), raw);
}

#[test]
fn the_example_of_the_cosignature_specification_is_read() {
    // C2SP tlog-cosignature, whose time is that of the message which it prints.
    let witnessed = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        — example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n\
        — witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n";
    let note = Note::parse(witnessed.as_bytes()).unwrap();
    assert_eq!(note.text().lines().count(), 3);
    let cosignature = &note.signatures()[1].bytes;
    assert_eq!((cosignature.len(), &cosignature[..8]), (72, 1_679_315_147_u64.to_be_bytes().as_slice()));
}

#[test]
fn a_verifier_key_has_one_spelling() {
    for text in [PETER, ENOCH, "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"] {
        assert_eq!(text.parse::<VerifierKey>().unwrap().to_string(), text);
    }
    for from in 0..=PETER.len() {
        for to in from..=PETER.len() {
            assert!((from, to) == (0, PETER.len()) || PETER[from..to].parse::<VerifierKey>().is_err());
        }
    }
    for i in 0..PETER.len() {
        let mut bytes = PETER.as_bytes().to_vec();
        bytes[i] += 1;
        assert!(String::from_utf8(bytes).unwrap().parse::<VerifierKey>().is_err());
    }
    let refused = |text: &str| assert_eq!(text.parse::<VerifierKey>(), Err(NoteError::VerifierKey));
    // A key of the wrong length and one of an unknown type, each with the id that goes with it.
    refused("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==");
    refused("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
    refused(&PETER.replace("c74f20a3", "C74F20A3"));
}

#[test]
fn what_is_signed_verifies_under_its_own_key_only() {
    let (log, witness) = (signing_key(1), signing_key(2));
    let text = "police.th.example/almenara\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    let lines = [
        sign(text, "police.th.example/almenara", &log).unwrap(),
        cosign(text, "ngo.example/cosigner", &witness, 1_679_315_147).unwrap(),
    ];
    let note = assemble(text, lines.iter().map(String::as_str)).unwrap();
    let note = Note::parse(&note).unwrap();
    let key = |name: &str, kind, key: &SigningKey| {
        VerifierKey::new(name, kind, &key.verifying_key().to_bytes()).unwrap()
    };
    let log_key = key("police.th.example/almenara", KeyKind::Ed25519, &log);
    let witness_key = key("ngo.example/cosigner", KeyKind::CosignatureV1, &witness);
    let verified = note.verify(&[log_key, witness_key.clone()]).unwrap();
    assert_eq!(verified.iter().map(|one| one.time).collect::<Vec<_>>(), [None, Some(1_679_315_147)]);
    assert_eq!(witness_key.to_string().parse::<VerifierKey>().unwrap(), witness_key);

    let none = Err(NoteError::NoKnownSignature);
    assert_eq!(note.verify(&[key("ngo.example/cosigner", KeyKind::Ed25519, &witness)]), none);
    assert_eq!(note.verify(&[key("ngo.example/cosigner", KeyKind::CosignatureV1, &log)]), none);
    assert_eq!(note.verify(&[key("ngo.example/other", KeyKind::CosignatureV1, &witness)]), none);

    // The time is signed: another one does not hold.
    let mut later = note.clone();
    later.signatures[1].bytes[7] ^= 1;
    assert!(matches!(later.verify(std::slice::from_ref(&witness_key)), Err(NoteError::BadSignature { .. })));
    for cut in [0, 7, 8, 71] {
        let mut short = note.clone();
        short.signatures[1].bytes.truncate(cut);
        assert!(matches!(
            short.verify(std::slice::from_ref(&witness_key)),
            Err(NoteError::BadSignature { .. })
        ));
    }
}

#[test]
fn what_cannot_stand_in_a_note_is_not_signed() {
    let key = signing_key(1);
    let check = |text: &str, name: &str, error: NoteError| {
        assert_eq!(sign(text, name, &key), Err(error.clone()));
        assert_eq!(cosign(text, name, &key, 0), Err(error));
    };
    let name = |name: &str| NoteError::Name { name: name.to_owned() };
    check("abc", "n", NoteError::NoFinalNewline);
    check("", "n", NoteError::NoFinalNewline);
    check("a\tb\n", "n", NoteError::Control { byte: 9 });
    check("a\n", "", name(""));
    check("a\n", "a b", name("a b"));
    check("a\n", "a+b", name("a+b"));
    check("a\n", "a\nb", name("a\nb"));
    check("a\n", "a\u{2003}b", name("a\u{2003}b"));
    assert_eq!(assemble("a\n", ["\n", PETER_LINE]), Err(NoteError::BlankLine));
    assert_eq!(assemble("a\n", [PETER_LINE, "b\n\n", PETER_LINE]), Err(NoteError::BlankLine));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        proptest::prop_assert!(Note::parse(&bytes).is_err());
    }

    #[test]
    fn what_parses_is_printed_as_it_was(lines in "(— [a-z]{1,5} [A-D]{8}([A-D]{3}=)?\n|x|\n){1,4}") {
        let raw = format!("{TEXT}\n{lines}");
        if let Ok(note) = Note::parse(raw.as_bytes()) {
            let lines: Vec<String> = note.signatures().iter().map(ToString::to_string).collect();
            let again = assemble(note.text(), lines.iter().map(String::as_str)).unwrap();
            proptest::prop_assert_eq!(again, raw.into_bytes());
        }
    }
}
