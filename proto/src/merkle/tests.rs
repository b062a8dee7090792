use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;

use super::*;

/// Leaf hashes of the numbers below n.
pub(crate) fn leaves(n: u64) -> Vec<Hash> {
    (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

/// The definitions of RFC 6962 §2.1, word for word: slow, and nothing shared with the code under test but SHA-256.
pub(crate) mod oracle {
    use super::{Hash, Sha256};
    use sha2::Digest;

    fn hash(bytes: &[u8]) -> Hash {
        Hash(Sha256::digest(bytes).into())
    }

    fn k(n: usize) -> usize {
        let mut k = 1;
        while k * 2 < n {
            k *= 2;
        }
        k
    }

    pub(crate) fn root(d: &[Hash]) -> Hash {
        match d {
            [] => hash(b""),
            [leaf] => *leaf,
            _ => {
                let (l, r) = (root(&d[..k(d.len())]), root(&d[k(d.len())..]));
                hash(&[&[1], l.as_ref(), r.as_ref()].concat())
            }
        }
    }

    pub(crate) fn path(m: usize, d: &[Hash]) -> Vec<Hash> {
        let n = d.len();
        if n == 1 {
            return vec![];
        }
        let k = k(n);
        let (mut path, sibling) =
            if m < k { (path(m, &d[..k]), root(&d[k..])) } else { (path(m - k, &d[k..]), root(&d[..k])) };
        path.push(sibling);
        path
    }

    pub(crate) fn consistency(m: usize, d: &[Hash]) -> Vec<Hash> {
        if m == 0 { vec![] } else { subproof(m, d, true) }
    }

    fn subproof(m: usize, d: &[Hash], known: bool) -> Vec<Hash> {
        let n = d.len();
        if m == n {
            return if known { vec![] } else { vec![root(d)] };
        }
        let k = k(n);
        let (mut proof, other) = if m <= k {
            (subproof(m, &d[..k], known), root(&d[k..]))
        } else {
            (subproof(m - k, &d[k..], false), root(&d[..k]))
        };
        proof.push(other);
        proof
    }

    /// Maximal subtrees without a disclosed leaf, found by asking every subtree.
    pub(crate) fn disclosure(first: usize, d: &[Hash], shown: &[u32]) -> Vec<Hash> {
        if shown.iter().all(|i| (*i as usize) < first || *i as usize >= first + d.len()) {
            vec![root(d)]
        } else if d.len() == 1 {
            vec![]
        } else {
            let k = k(d.len());
            [disclosure(first, &d[..k], shown), disclosure(first + k, &d[k..], shown)].concat()
        }
    }
}

/// Every proof that differs from this one by one bit, or by one hash more, less or exchanged.
pub(crate) fn forgeries(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut forged = vec![];
    for i in 0..proof.len() {
        for bit in [0, 7, 100, 255] {
            let mut one = proof.to_vec();
            one[i].0[bit / 8] ^= 1 << (bit % 8);
            forged.push(one);
        }
        let mut shorter = proof.to_vec();
        shorter.remove(i);
        forged.push(shorter);
        for j in 0..i {
            let mut swapped = proof.to_vec();
            swapped.swap(i, j);
            forged.push(swapped);
        }
    }
    for i in 0..=proof.len() {
        for extra in [empty_root(), proof.first().copied().unwrap_or(Hash([0; 32]))] {
            let mut longer = proof.to_vec();
            longer.insert(i, extra);
            forged.push(longer);
        }
    }
    forged.retain(|one| one != proof);
    forged
}

#[test]
fn known_roots_are_reached() {
    // The root of the empty tree, and the leaf hashes of the empty string and of one zero byte, as every
    // implementation of RFC 6962 knows them.
    let check = |hash: Hash, hex: &str| assert_eq!(hash.to_string(), hex);
    check(empty_root(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check(leaf_hash(b""), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    check(leaf_hash(&[0]), "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7");
    let node = node_hash(&leaf_hash(b""), &leaf_hash(&[0]));
    check(node, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
    assert_eq!(leaf_hash_parts(&[b"ab", b"", b"c"]), leaf_hash(b"abc"));
    assert_eq!(sha256(&[b"ab", b"c"]), sha256(&[b"abc"]));
}

#[test]
fn a_hash_is_written_and_read_as_lowercase_hex() {
    let hash = leaf_hash(b"x");
    assert_eq!(hash.to_string().parse(), Ok(hash));
    assert_eq!(format!("{hash:?}"), hash.to_string());
    assert_eq!(Hash::try_from(hash.as_ref()), Ok(hash));
    let check = |text: &str, error| assert_eq!(text.parse::<Hash>(), Err(error));
    check(&hash.to_string().to_uppercase(), HashError::Hex);
    check(&hash.to_string()[2..], HashError::Length { found: 31 });
    check(&format!(" {hash}"), HashError::Hex);
    check("", HashError::Length { found: 0 });
}

#[test]
fn every_root_path_and_consistency_proof_up_to_70_is_the_rfcs() {
    let all = leaves(70);
    let mut range = CompactRange::new();
    let mut theirs = MemoryBackedTree::<Sha256, [u8; 8]>::new();
    for n in 0..=all.len() {
        let d = &all[..n];
        let required = oracle::root(d);
        assert_eq!(root(d), required);
        assert_eq!(range.root(), required);
        assert_eq!(theirs.root().as_bytes().as_slice(), required.as_ref());
        for i in 0..n {
            let path = inclusion(d, i).unwrap();
            assert_eq!(path, oracle::path(i, d), "{i} of {n}");
            assert_eq!(
                theirs.prove_inclusion(i).as_bytes(),
                path.iter().flat_map(|h| h.0).collect::<Vec<_>>()
            );
            verify_inclusion(&d[i], i as u64, n as u64, &path, &required).unwrap();
        }
        assert_eq!(inclusion(d, n), None);
        for m in 0..=n {
            let proof = oracle::consistency(m, d);
            let old = oracle::root(&d[..m]);
            verify_consistency(m as u64, &old, n as u64, &required, &proof).unwrap();
            if m > 0 && m < n {
                let theirs = theirs.prove_consistency(n - m);
                assert_eq!(theirs.as_bytes(), proof.iter().flat_map(|h| h.0).collect::<Vec<_>>());
            }
        }
        if let Some(next) = all.get(n) {
            assert_eq!(range.size(), n as u64);
            range.append(next);
            theirs.push((n as u64).to_be_bytes());
        }
    }
}

#[test]
fn no_changed_inclusion_proof_holds() {
    let all = leaves(33);
    for n in 1..=all.len() {
        let (d, size) = (&all[..n], n as u64);
        let root = root(d);
        for i in 0..n {
            let path = inclusion(d, i).unwrap();
            let holds = |leaf: &Hash, index, size, path: &[Hash], root: &Hash| {
                verify_inclusion(leaf, index, size, path, root).is_ok()
            };
            for forged in forgeries(&path) {
                assert!(!holds(&d[i], i as u64, size, &forged, &root));
            }
            for other in 0..n + 2 {
                assert_eq!(holds(&d[i], other as u64, size, &path, &root), other == i);
            }
            assert!(!holds(&leaf_hash(b"another"), i as u64, size, &path, &root));
            assert!(!holds(&d[i], i as u64, size, &path, &empty_root()));
        }
    }
}

#[test]
fn no_changed_consistency_proof_holds() {
    let all = leaves(20);
    let roots: Vec<Hash> = (0..=all.len()).map(|n| root(&all[..n])).collect();
    for n in 0..=all.len() {
        for m in 0..=n {
            let proof = oracle::consistency(m, &all[..n]);
            let holds = |m: usize, old: &Hash, n: usize, new: &Hash, proof: &[Hash]| {
                verify_consistency(m as u64, old, n as u64, new, proof).is_ok()
            };
            for forged in forgeries(&proof) {
                assert!(!holds(m, &roots[m], n, &roots[n], &forged), "{m} to {n}");
            }
            for (other, root) in roots.iter().enumerate() {
                assert_eq!(holds(m, root, n, &roots[n], &proof), other == m);
                // The empty tree is a prefix of anything, so there the new root stands by itself.
                assert_eq!(holds(m, &roots[m], n, root, &proof), other == n || (m == 0 && n > 0));
            }
            assert_eq!(holds(n, &roots[n], m, &roots[m], &proof), m == n);
        }
    }
}

#[test]
fn sizes_up_to_the_largest_neither_panic_nor_take_long() {
    let hash = leaf_hash(b"");
    let many = vec![hash; 200];
    let edges =
        [0, 1, 2, 3, 255, 256, 1 << 32, (1 << 62) + 1, 1 << 63, (1 << 63) + 1, u64::MAX - 1, u64::MAX];
    for a in edges {
        for b in edges {
            for n in [0, 1, 63, 64, 65, 127, 128, 200] {
                assert!(verify_inclusion(&hash, a, b, &many[..n], &empty_root()).is_err());
                let held = verify_consistency(a, &hash, b, &hash, &many[..n]).is_ok();
                assert_eq!(held, a == b && a > 0 && n == 0);
            }
        }
    }
    let needs = |index, size, required| {
        let error = verify_inclusion(&hash, index, size, &[], &hash).unwrap_err();
        assert_eq!(error, ProofError::Length { found: 0, required });
    };
    needs(0, u64::MAX, 64);
    needs(u64::MAX - 1, u64::MAX, 63);
    needs(0, (1 << 63) + 1, 64);
    needs(1 << 63, (1 << 63) + 1, 1);
}

#[test]
fn a_compact_range_survives_its_bytes_and_nothing_else_is_one() {
    let mut range = CompactRange::new();
    for leaf in leaves(300) {
        let bytes = range.to_bytes();
        assert_eq!(bytes.len(), 8 + 32 * range.size().count_ones() as usize);
        assert_eq!(CompactRange::from_bytes(&bytes), Ok(range.clone()));
        assert_eq!(range.hashes().len(), range.size().count_ones() as usize);
        for cut in [bytes.len() - 1, bytes.len().saturating_sub(32), 0, 7] {
            assert!(cut == bytes.len() || CompactRange::from_bytes(&bytes[..cut]).is_err());
        }
        assert!(CompactRange::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
        assert!(CompactRange::from_bytes(&[bytes.as_slice(), &[0; 32]].concat()).is_err());
        range.append(&leaf);
    }
    let large = |size: u64| [size.to_be_bytes().to_vec(), vec![7; 32 * size.count_ones() as usize]].concat();
    assert_eq!(CompactRange::from_bytes(&large(1 << 63)), Err(RangeError::Size { found: 1 << 63 }));
    let mut largest = CompactRange::from_bytes(&large(MAX_SIZE)).unwrap();
    largest.append(&empty_root());
    assert_eq!((largest.size(), largest.hashes().len()), (1 << 63, 1));
}

fn shown(d: &[Hash], at: &[u32]) -> Vec<(u32, Hash)> {
    at.iter().map(|i| (*i, d[*i as usize])).collect()
}

#[test]
fn every_subset_of_a_small_batch_is_disclosed_by_exactly_one_proof() {
    let all = leaves(9);
    for n in 1..=all.len() {
        let d = &all[..n];
        let root = root(d);
        for set in 1..1_u32 << n {
            let at: Vec<u32> = (0..n as u32).filter(|i| set >> i & 1 == 1).collect();
            let proof = multi_prove(d, &at).unwrap();
            assert_eq!(proof, oracle::disclosure(0, d, &at));
            let clear = shown(d, &at);
            multi_verify(n as u32, &clear, &proof, &root).unwrap();
            for forged in forgeries(&proof) {
                assert!(multi_verify(n as u32, &clear, &forged, &root).is_err());
            }
            for i in 0..clear.len() {
                let mut changed = clear.clone();
                changed[i].1.0[31] ^= 1;
                assert!(multi_verify(n as u32, &changed, &proof, &root).is_err());
                let mut fewer = clear.clone();
                fewer.remove(i);
                assert!(
                    multi_verify(n as u32, &fewer, &proof, &root).is_err() || (n == 1 && proof.is_empty())
                );
            }
        }
    }
}

#[test]
fn one_disclosed_leaf_takes_its_audit_path_left_to_right() {
    let d = leaves(13);
    for i in 0..13 {
        let mut sorted = multi_prove(&d, &[i]).unwrap();
        let mut path = inclusion(&d, i as usize).unwrap();
        sorted.sort();
        path.sort();
        assert_eq!(sorted, path);
    }
}

#[test]
fn disclosure_of_nothing_has_no_proof() {
    let d = leaves(5);
    assert_eq!(multi_prove(&d, &[]), Some(vec![]));
    assert_eq!(multi_verify(5, &[], &[], &root(&d)), Ok(()));
    let error = ProofError::Length { found: 1, required: 0 };
    assert_eq!(multi_verify(5, &[], &[root(&d)], &root(&d)), Err(error));
    assert_eq!(multi_root(5, &[], &mut std::iter::empty()), Err(ProofError::NothingDisclosed));
}

#[test]
fn disclosed_indices_must_ascend_and_exist() {
    let d = leaves(5);
    let check = |at: &[u32], bad: u32| {
        assert_eq!(multi_prove(&d, at), None);
        let clear: Vec<_> = at.iter().map(|i| (*i, empty_root())).collect();
        let error = ProofError::Disclosed { index: bad, count: 5 };
        assert_eq!(multi_verify(5, &clear, &[], &root(&d)), Err(error));
    };
    check(&[5], 5);
    check(&[1, 1], 1);
    check(&[3, 2], 2);
    check(&[0, u32::MAX], u32::MAX);
    // The largest count is walked along the way to its leaves only.
    let error = ProofError::Length { found: 0, required: 32 };
    assert_eq!(multi_verify(u32::MAX, &[(0, empty_root())], &[], &empty_root()), Err(error));
}

#[test]
fn a_disclosure_takes_only_its_own_hashes_from_a_longer_list() {
    let d = leaves(8);
    let proof = multi_prove(&d, &[2, 3]).unwrap();
    let mut hashes = proof.iter().copied().chain([leaf_hash(b"next batch")]);
    assert_eq!(multi_root(8, &shown(&d, &[2, 3]), &mut hashes), Ok(root(&d)));
    assert_eq!(hashes.next(), Some(leaf_hash(b"next batch")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_subset_of_a_large_batch_is_disclosed(n in 10_u64..1500, picks in prop::collection::btree_set(0_u32..1500, 1..60)) {
        let d = leaves(n);
        let at: Vec<u32> = picks.into_iter().filter(|i| u64::from(*i) < n).collect();
        prop_assume!(!at.is_empty());
        let proof = multi_prove(&d, &at).unwrap();
        prop_assert_eq!(multi_verify(n as u32, &shown(&d, &at), &proof, &root(&d)), Ok(()));
        let error = ProofError::Length { found: proof.len() - 1, required: proof.len() };
        prop_assert_eq!(multi_verify(n as u32, &shown(&d, &at), &proof[1..], &root(&d)), Err(error));
    }

    #[test]
    fn any_bytes_are_a_compact_range_only_in_one_spelling(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        if let Ok(range) = CompactRange::from_bytes(&bytes) {
            prop_assert_eq!(range.to_bytes(), bytes);
        }
    }
}
