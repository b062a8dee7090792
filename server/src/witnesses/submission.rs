//! The messages of C2SP tlog-witness, from the side of the log.

use bytes::Bytes;
use data_encoding::BASE64;

use almenara_proto::merkle::Hash;

/// Characters of an answer that explain a refusal in a log line.
const EXPLAINED: usize = 200;

/// `old <size>`, the consistency proof, an empty line, the note.
pub(super) fn submission(old: u64, proof: &[Hash], note: &[u8]) -> Bytes {
    let lines: String = proof.iter().map(|hash| format!("{}\n", BASE64.encode(&hash.0))).collect();
    [format!("old {old}\n{lines}\n").as_bytes(), note].concat().into()
}

/// What a witness says to a submission.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Signature lines.
    Cosigned(String),
    /// The size that it cosigned last.
    OtherSize(u64),
    /// Anything else, with the beginning of its explanation.
    Refused(String),
}

impl Answer {
    pub(super) fn of(status: u16, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        match status {
            200 => Self::Cosigned(text.into_owned()),
            409 => match text.trim_end().parse() {
                Ok(size) => Self::OtherSize(size),
                Err(_) => Self::Refused(text.chars().take(EXPLAINED).collect()),
            },
            _ => Self::Refused(text.trim_end().chars().take(EXPLAINED).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submission_is_what_a_witness_reads() {
        let body = submission(12, &[Hash([7; 32]), Hash([8; 32])], b"log\n13\nroot\n\n-- log x\n");
        let (one, two) = (BASE64.encode(&[7; 32]), BASE64.encode(&[8; 32]));
        assert_eq!(body, format!("old 12\n{one}\n{two}\n\nlog\n13\nroot\n\n-- log x\n"));
        assert_eq!(submission(0, &[], b"note\n"), "old 0\n\nnote\n");
    }

    #[test]
    fn whatever_a_witness_answers_is_one_of_three() {
        assert_eq!(Answer::of(200, b"-- w x\n"), Answer::Cosigned("-- w x\n".to_owned()));
        assert_eq!(Answer::of(409, b"17\n"), Answer::OtherSize(17));
        for (status, body) in
            [(409, b"seventeen".as_slice()), (409, b"-1"), (409, b""), (500, b"17"), (204, b"")]
        {
            assert!(matches!(Answer::of(status, body), Answer::Refused(_)), "{status}");
        }
        let Answer::Refused(long) = Answer::of(403, &[b'x'; 100_000]) else { panic!("refused") };
        assert_eq!(long.len(), EXPLAINED);
        assert!(matches!(Answer::of(422, &[0xff, 0xfe]), Answer::Refused(_)));
    }
}
