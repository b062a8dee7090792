use super::*;
use crate::merkle::root;

const MEMBER: &str = "police.th.example";

fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn checkpoint(size: u64, root: Hash) -> Checkpoint {
    Checkpoint { origin: origin_of(MEMBER), size, root }
}

fn signed(size: u64, root: Hash) -> SignedCheckpoint {
    SignedCheckpoint::sign(checkpoint(size, root), &signing_key(1)).unwrap()
}

fn open(raw: &[u8]) -> Result<SignedCheckpoint, CheckpointError> {
    SignedCheckpoint::open(raw, &origin_of(MEMBER), &signing_key(1).verifying_key().to_bytes())
}

#[test]
fn a_checkpoint_has_one_spelling() {
    let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let read: Checkpoint = text.parse().unwrap();
    assert_eq!((read.origin.as_str(), read.size), ("example.com/behind-the-sofa", 20_852_163));
    assert_eq!(read.to_string(), text);

    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
    let empty = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let check = |text: String, error: CheckpointError| assert_eq!(text.parse::<Checkpoint>(), Err(error));
    let size = |size: &str| format!("o\n{size}\n{root}\n");
    for bad in ["", "-1", "+1", "01", "00", " 1", "1 ", "1_0", "0x1", "١", "9223372036854775808"] {
        check(size(bad), CheckpointError::Size);
    }
    assert_eq!(size("9223372036854775807").parse::<Checkpoint>().unwrap().size, MAX_SIZE);
    check(size("0"), CheckpointError::Empty);
    assert!(format!("o\n0\n{empty}\n").parse::<Checkpoint>().is_ok());
    for bad in ["", "AAAA", &root[..43], &format!("{root}AAAA"), &root.replace("q2I=", "q2J=")] {
        check(format!("o\n1\n{bad}\n"), CheckpointError::Root);
    }
    check(format!("o\n1\n{root}"), CheckpointError::Lines);
    check(format!("o\n1\n{root}\n\n"), CheckpointError::Lines);
    check(format!("o\n1\n{root}\nextension\n"), CheckpointError::Lines);
    check("o\n1\n".to_owned(), CheckpointError::Lines);
    check(String::new(), CheckpointError::Lines);
    for bad in ["", "a b", "a+b"] {
        check(format!("{bad}\n1\n{root}\n"), NoteError::Name { name: bad.to_owned() }.into());
    }
}

#[test]
fn a_signed_checkpoint_opens_under_its_log_key_only() {
    let ours = signed(0, root(&[]));
    assert_eq!(open(ours.note()).as_ref(), Ok(&ours));
    assert_eq!(ours.checkpoint(), &checkpoint(0, root(&[])));

    let key = signing_key(1).verifying_key().to_bytes();
    let other = signing_key(2).verifying_key().to_bytes();
    let unsigned = Err(NoteError::NoKnownSignature.into());
    assert_eq!(SignedCheckpoint::open(ours.note(), &origin_of(MEMBER), &other), unsigned);
    assert_eq!(SignedCheckpoint::open(ours.note(), &origin_of("ngo.example"), &key), unsigned);
    let changed = String::from_utf8(ours.note().to_vec()).unwrap().replace("\n0\n", "\n1\n");
    assert!(matches!(open(changed.as_bytes()), Err(CheckpointError::Note(NoteError::BadSignature { .. }))));
    for i in 0..ours.note().len() {
        let mut flipped = ours.note().to_vec();
        flipped[i] ^= 1;
        assert!(open(&flipped).is_err(), "byte {i}");
    }
}

#[test]
fn a_checkpoint_of_another_log_is_refused_although_the_key_signed_it() {
    let foreign = checkpoint(0, root(&[])).to_string().replace(MEMBER, "ngo.example");
    let line = note::sign(&foreign, &origin_of(MEMBER), &signing_key(1)).unwrap();
    let raw = note::assemble(&foreign, [line.as_str()]).unwrap();
    let error = CheckpointError::Origin { found: origin_of("ngo.example"), required: origin_of(MEMBER) };
    assert_eq!(open(&raw), Err(error));
    // Neither is one with extension lines, which no monitor could audit.
    let extended = format!("{}extension\n", checkpoint(0, root(&[])));
    let line = note::sign(&extended, &origin_of(MEMBER), &signing_key(1)).unwrap();
    assert_eq!(open(&note::assemble(&extended, [line.as_str()]).unwrap()), Err(CheckpointError::Lines));
}

#[test]
fn what_would_not_open_is_not_signed() {
    let sign = |checkpoint| SignedCheckpoint::sign(checkpoint, &signing_key(1)).unwrap_err();
    assert_eq!(sign(checkpoint(0, Hash([7; 32]))), CheckpointError::Empty);
    assert_eq!(sign(checkpoint(MAX_SIZE + 1, Hash([7; 32]))), CheckpointError::Size);
    let named = |origin: &str| Checkpoint { origin: origin.to_owned(), size: 1, root: Hash([7; 32]) };
    assert_eq!(sign(named("a\n5")), CheckpointError::Lines);
    assert!(matches!(sign(named("a b")), CheckpointError::Note(NoteError::Name { .. })));
}

#[test]
fn cosignatures_are_added_and_counted_once_for_each_key() {
    let plain = signed(1, Hash([7; 32]));
    let names = ["ngo.example/cosigner", "platform.example/cosigner", "stranger.example/cosigner"];
    let key = |i: usize| signing_key(10 + i as u8);
    let known: Vec<VerifierKey> = (0..2)
        .map(|i| {
            let public = key(i).verifying_key().to_bytes();
            VerifierKey::new(names[i], KeyKind::CosignatureV1, &public).unwrap()
        })
        .collect();
    assert_eq!(plain.cosignatures(&known), Ok(vec![]));
    let line = |i: usize, time| plain.cosign(names[i], &key(i), time).unwrap();
    let cosigned = plain.with_lines(&[line(0, 50), line(2, 60), line(1, 70), line(0, 80)].concat()).unwrap();
    assert_eq!(open(cosigned.note()).as_ref(), Ok(&cosigned));
    assert_eq!(cosigned.checkpoint(), plain.checkpoint());
    let times =
        |all: Vec<VerifiedSignature>| all.into_iter().map(|one| (one.name, one.time)).collect::<Vec<_>>();
    let required = [(names[0].to_owned(), Some(50)), (names[1].to_owned(), Some(70))];
    assert_eq!(times(cosigned.cosignatures(&known).unwrap()), required);

    // A cosignature of another checkpoint does not count, and a line that would move the split is not taken.
    let other = signed(2, Hash([7; 32])).cosign(names[0], &key(0), 50).unwrap();
    let wrong = plain.with_lines(&other).unwrap();
    assert!(matches!(wrong.cosignatures(&known), Err(NoteError::BadSignature { .. })));
    assert!(plain.with_lines("no line\n").is_err());
    assert_eq!(plain.with_lines(&format!("\n{}", line(0, 1))), Err(NoteError::BlankLine));
    assert!(plain.with_lines(&line(0, 1).repeat(99)).is_ok());
    assert!(plain.with_lines(&line(0, 1).repeat(100)).is_err());
}
