use std::num::NonZeroU8;

use super::*;
use crate::merkle::tests::{leaves, oracle};
use crate::merkle::{CompactRange, root, verify_consistency, verify_inclusion};

type Store = BTreeMap<TileId, Vec<u8>>;

/// The tiles of a tree by their definition: hash i of tile n at level l is a root over a range of leaves.
fn defined(d: &[Hash]) -> Store {
    let mut store = Store::new();
    for level in 0..4_u8 {
        let span = 256_usize.pow(level.into());
        for (n, range) in d.chunks_exact(span).enumerate() {
            let hash = if span == 1 { range[0] } else { root(range) };
            store.entry(TileId { level, index: n as u64 / 256 }).or_default().extend(hash.0);
        }
    }
    store
}

fn grown(d: &[Hash], chunks: impl IntoIterator<Item = usize>) -> (Edge, Store) {
    let (mut edge, mut store, mut left) = (Edge::new(), Store::new(), d);
    for chunk in chunks {
        let (now, later) = left.split_at(chunk.min(left.len()));
        let changed = edge.append(now);
        let ids: std::collections::BTreeSet<_> = changed.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids.len(), changed.len(), "each changed tile is given once");
        store.extend(changed);
        left = later;
        if left.is_empty() {
            break;
        }
    }
    assert!(left.is_empty());
    (edge, store)
}

fn widths(size: u64) -> Vec<(u64, u16)> {
    (0..8)
        .map(|level| (hashes_at(level, size) / 256, partial_width(level, size)))
        .filter(|w| *w != (0, 0))
        .collect()
}

/// What a reader has that fetched only these.
fn only(store: &Store, ids: Vec<TileId>) -> Store {
    ids.into_iter().map(|id| (id, store[&id].clone())).collect()
}

#[test]
fn the_specs_example_of_70_000_entries_holds() {
    assert_eq!(widths(70_000), [(273, 112), (1, 17), (0, 1)]);
    assert_eq!(widths(256), [(1, 0), (0, 1)]);
    assert_eq!(widths(0), []);
    let d = leaves(70_000);
    let signed = root(&d);
    let (edge, store) = grown(&d, [70_000]);
    assert_eq!(store, defined(&d));
    let counted = |level| store.keys().filter(|id| id.level == level).count();
    assert_eq!((counted(0), counted(1), counted(2), counted(3)), (274, 2, 1, 0));
    assert_eq!(edge_tiles(70_000), [(0, 273), (1, 1), (2, 0)].map(|(level, index)| TileId { level, index }));
    assert_eq!((edge.size(), edge.root()), (70_000, signed));
    assert_eq!(Edge::from_tiles(70_000, &store), Ok(edge));
    assert_eq!(verify(70_000, &signed, &store), Ok(()));

    let mut prover = Prover::new(70_000, &store).unwrap();
    assert_eq!(prover.root(), signed);
    for i in [0, 1, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999] {
        let path = prover.inclusion(i).unwrap();
        assert_eq!(verify_inclusion(&d[i as usize], i, 70_000, &path, &signed), Ok(()));
        assert_eq!(inclusion(i, 70_000, &only(&store, tiles_for_inclusion(i, 70_000))), Ok(path));
    }
    let mut before = CompactRange::new();
    for old in [1, 255, 256, 257, 65_535, 65_536, 65_537, 66_048, 69_888, 69_999] {
        d[before.size() as usize..old as usize].iter().for_each(|leaf| before.append(leaf));
        let proof = prover.consistency(old).unwrap();
        assert_eq!(verify_consistency(old, &before.root(), 70_000, &signed, &proof), Ok(()));
        assert_eq!(consistency(old, 70_000, &only(&store, tiles_for_consistency(old, 70_000))), Ok(proof));
    }
}

#[test]
fn paths_are_written_and_read_in_one_spelling() {
    let tree =
        |level, index, width| TilePath::Tree { id: TileId { level, index }, partial: NonZeroU8::new(width) };
    let entries = |index, width| TilePath::Entries { index, partial: NonZeroU8::new(width) };
    let check = |path: TilePath, text: &str| {
        assert_eq!(path.to_string(), text);
        assert_eq!(text.parse(), Ok(path));
    };
    check(tree(0, 1_234_067, 0), "tile/0/x001/x234/067");
    check(tree(0, 0, 0), "tile/0/000");
    check(tree(0, 999, 1), "tile/0/999.p/1");
    check(tree(0, 1000, 255), "tile/0/x001/000.p/255");
    check(tree(63, 273, 112), "tile/63/273.p/112");
    check(entries(1_234_067, 0), "tile/entries/x001/x234/067");
    check(entries(273, 112), "tile/entries/273.p/112");
    check(tree(1, u64::MAX, 0), "tile/1/x018/x446/x744/x073/x709/x551/615");
    assert_eq!(TileId { level: 2, index: 5 }.to_string(), "tile/2/005");
}

#[test]
fn any_other_path_is_refused() {
    for text in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/1000",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/+1/000",
        "tile/-1/000",
        "tile/256/000",
        "tile/0/x000/000",
        "tile/0/x001",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/X001/000",
        "tile/0/+12",
        "tile/0/xx01/000",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/+1",
        "tile/0/000.p/1/",
        "tile/0/000.p/1.p/1",
        "tile/0/ 00",
        "tile/0/٠٠٠",
        "tile/Entries/000",
        "tile/entries/",
        "tile/entries/0/000",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x001/x000/x000/x000/x000/x000/x000/000",
        "checkpoint",
    ] {
        assert_eq!(text.parse::<TilePath>(), Err(TilePathError), "{text}");
    }
}

#[test]
fn appending_in_any_chunks_gives_the_same_tiles() {
    let d = leaves(2_000);
    let one_by_one = grown(&d, std::iter::repeat(1));
    assert_eq!(one_by_one.1, defined(&d));
    let mut seed = 1_u64;
    for most in [2, 17, 256, 257, 700, 5000] {
        let random = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            1 + (seed >> 33) as usize % most
        });
        assert_eq!(grown(&d, random), one_by_one);
    }
    assert_eq!(Edge::new().append(&[]), []);
}

#[test]
fn an_edge_can_be_resumed_at_every_size() {
    let d = leaves(600);
    let mut kept = Edge::new();
    let mut store = Store::new();
    for (n, leaf) in d.iter().enumerate() {
        let mut resumed = Edge::from_tiles(n as u64, &store).unwrap();
        assert_eq!(resumed, kept);
        assert_eq!(resumed.root(), root(&d[..n]));
        let changed = kept.append(&[*leaf]);
        assert_eq!(resumed.append(&[*leaf]), changed);
        store.extend(changed);
    }
}

#[test]
fn proofs_from_tiles_are_those_from_leaves() {
    let d = leaves(1_100);
    // Full tiles of the largest tree stand in for the partial ones of every smaller one.
    let (_, store) = grown(&d, [1_100]);
    for size in [1_u64, 2, 3, 7, 255, 256, 257, 511, 512, 513, 700, 768, 1023, 1024, 1025, 1100] {
        let now = &d[..size as usize];
        let mut prover = Prover::new(size, &store).unwrap();
        assert_eq!(prover.root(), root(now));
        for i in (0..size).filter(|i| i % 37 == 0 || i + 3 > size) {
            let path = prover.inclusion(i).unwrap();
            assert_eq!(path, oracle::path(i as usize, now), "{i} of {size}");
        }
        for old in (0..=size).filter(|old| old % 31 == 0 || old % 64 == 0 || old + 3 > size) {
            let proof = prover.consistency(old).unwrap();
            assert_eq!(proof, oracle::consistency(old as usize, now), "{old} to {size}");
            assert_eq!(consistency(old, size, &only(&store, tiles_for_consistency(old, size))), Ok(proof));
        }
    }
}

#[test]
fn a_flipped_byte_in_any_tile_that_is_read_is_noticed() {
    let (size, d) = (66_200, leaves(66_200));
    let (_, store) = grown(&d, [66_200]);
    let signed = root(&d);
    for entry in [0, 300, 65_535, 65_536, 66_047, 66_199] {
        for id in tiles_for_inclusion(entry, size) {
            for at in [0, store[&id].len() - 1] {
                let mut bad = store.clone();
                bad.get_mut(&id).unwrap()[at] ^= 1;
                let mut prover = Prover::new(size, &bad).unwrap();
                assert!(prover.root() != signed || prover.inclusion(entry).is_err(), "{id} at {at}");
                assert!(prover.root() != signed || prover.check(id).is_err());
            }
        }
    }
    for old in [1, 300, 65_536, 65_792, 66_048] {
        for id in tiles_for_consistency(old, size) {
            let mut bad = store.clone();
            bad.get_mut(&id).unwrap()[5] ^= 0x80;
            let mut prover = Prover::new(size, &bad).unwrap();
            assert!(prover.root() != signed || prover.consistency(old).is_err(), "{id}");
        }
    }
    let mut prover = Prover::new(size, &store).unwrap();
    for id in store.keys() {
        assert_eq!(prover.check(*id), Ok(()));
    }
}

#[test]
fn what_is_missing_cut_or_beyond_is_an_error() {
    let d = leaves(600);
    let (_, store) = grown(&d, [600]);
    let [full, partial] = [1, 2].map(|index| TileId { level: 0, index });
    let without = |id: &TileId| {
        let mut store = store.clone();
        store.remove(id);
        store
    };
    assert_eq!(inclusion(300, 600, &without(&full)), Err(TileError::Missing { tile: full }));
    assert_eq!(inclusion(300, 600, &without(&partial)), Err(TileError::Missing { tile: partial }));
    let cut = |id: TileId, len: usize| {
        let mut store = store.clone();
        store.get_mut(&id).unwrap().resize(len, 0);
        inclusion(300, 600, &store)
    };
    assert_eq!(cut(full, 8191), Err(TileError::Length { tile: full, found: 8191, required: 8192 }));
    assert_eq!(cut(full, 8160), Err(TileError::Length { tile: full, found: 8160, required: 8192 }));
    assert_eq!(cut(full, 8224), Err(TileError::Length { tile: full, found: 8224, required: 8192 }));
    let short = 87 * 32;
    assert_eq!(
        cut(partial, short),
        Err(TileError::Length { tile: partial, found: short, required: 88 * 32 })
    );
    let odd = 88 * 32 + 1;
    assert_eq!(cut(partial, odd), Err(TileError::Length { tile: partial, found: odd, required: 88 * 32 }));
    assert_eq!(inclusion(600, 600, &store), Err(TileError::Index { index: 600, size: 600 }));
    assert_eq!(inclusion(0, 0, &store), Err(TileError::Index { index: 0, size: 0 }));
    assert_eq!(consistency(601, 600, &store), Err(TileError::Sizes { old: 601, new: 600 }));
    let mut prover = Prover::new(600, &store).unwrap();
    let beyond = TileId { level: 0, index: 3 };
    assert_eq!(prover.check(beyond), Err(TileError::Index { index: 768, size: 600 }));
    assert!(prover.check(TileId { level: 200, index: u64::MAX }).is_err());
    let wrong = TileError::Root { found: root(&d), required: d[0] };
    assert_eq!(verify(600, &d[0], &store), Err(wrong));
    assert_eq!(Prover::new(0, &store).unwrap().root(), root(&[]));
}

#[test]
fn the_largest_sizes_are_planned_without_overflow() {
    let edges = [0, 1, 255, 256, 1 << 56, (1 << 56) + 1, MAX_SIZE, 1 << 63, u64::MAX - 1, u64::MAX];
    for a in edges {
        for b in edges {
            assert!(tiles_for_inclusion(a, b).len() <= 16);
            assert!(tiles_for_consistency(a, b).len() <= 16);
            assert_eq!(tiles_for_inclusion(a, b).is_empty(), a >= b);
            let width = TileId { level: 0, index: a }.width(b);
            assert!(width <= 256);
        }
    }
    assert_eq!(edge_tiles(u64::MAX).len(), 8);
    assert_eq!(Edge::from_tiles(1 << 63, &Store::new()), Err(TileError::Size { size: 1 << 63 }));
    // Every partial tile of the largest log, made up: its root can be computed and it takes one more entry.
    let made_up: Store = edge_tiles(MAX_SIZE).into_iter().map(|id| (id, vec![7; TILE_BYTES])).collect();
    let mut edge = Edge::from_tiles(MAX_SIZE, &made_up).unwrap();
    assert_eq!(edge.append(&[root(&[])]).len(), 8);
    assert_eq!(edge.size(), 1 << 63);
    let mut prover = Prover::new(MAX_SIZE, &made_up).unwrap();
    assert_eq!(prover.inclusion(MAX_SIZE - 1).unwrap().len(), 62);
}

#[test]
fn what_an_append_gives_is_enough_to_prove_what_it_appended() {
    let d = leaves(66_000);
    for (old, new) in [(0, 1), (0, 700), (255, 256), (256, 512), (300, 301), (300, 1_000), (65_500, 66_000)] {
        let mut edge = Edge::new();
        edge.append(&d[..old]);
        let changed: Store = edge.append(&d[old..new]).into_iter().collect();
        let mut prover = Prover::from_edge(edge, &changed);
        let signed = prover.root();
        for (i, leaf) in (0..).zip(&d[..new]).skip(old) {
            let path = prover.inclusion(i).unwrap();
            assert_eq!(verify_inclusion(leaf, i, new as u64, &path, &signed), Ok(()));
        }
    }
}
