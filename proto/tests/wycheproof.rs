//! Ed25519 signatures of Wycheproof: every verdict is its authors', under keys that this protocol admits (PROTOCOL.md §2).

use almenara_proto::keys::{PublicKey, VerifyingKey, holds};
use wycheproof::{
    TestResult,
    eddsa::{TestName, TestSet},
};

#[test]
fn every_signature_of_wycheproof_is_judged_as_its_authors_do() {
    let set = TestSet::load(TestName::Ed25519).expect("the set of the crate");
    let (mut held, mut refused, mut wrong) = (0, 0, Vec::new());
    for group in &set.test_groups {
        let key = PublicKey(group.key.pk.as_slice().try_into().expect("32 bytes"));
        assert!(key.admit().is_ok(), "{key}: all keys of the set are honest ones");
        let key = VerifyingKey::from_bytes(&key.0).expect("admitted");
        for test in &group.tests {
            let required = match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                TestResult::Acceptable => {
                    panic!("no test of the set leaves it to the reader: {}", test.tc_id)
                }
            };
            match holds(&test.msg, &test.sig, &key) {
                found if found != required => wrong.push(format!("{}: {}", test.tc_id, test.comment)),
                true => held += 1,
                false => refused += 1,
            }
        }
    }
    assert!(wrong.is_empty(), "judged otherwise:\n{}", wrong.join("\n"));
    assert_eq!((held, refused), (88, 63), "of {} tests", set.number_of_tests);
}
