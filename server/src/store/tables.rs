//! The tables that rows are added to, many at once. What the columns mean stands in [`super::schema`].

use super::rows::{
    Column::{Bytes, Number, Text},
    Table,
};

/// Each entry once.
pub(super) const ENTRIES: Table = Table {
    name: "entries",
    columns: &[Number("log"), Number("entry"), Number("counts"), Number("open"), Bytes("bytes")],
    conflict: "",
};
pub(super) const TILES: Table = Table {
    name: "tiles",
    columns: &[Number("log"), Number("level"), Number("tile"), Bytes("hashes")],
    conflict: "ON CONFLICT (log, level, tile) DO UPDATE SET hashes = excluded.hashes",
};
pub(super) const KEYS: Table = Table {
    name: "keys",
    columns: &[
        Number("log"),
        Bytes("public_key"),
        Text("publisher"),
        Number("granted_at"),
        Number("last_seq"),
        Number("cut"),
        Number("revoked_at"),
    ],
    conflict: "ON CONFLICT (log, public_key) DO UPDATE SET last_seq = excluded.last_seq, cut = excluded.cut, \
               revoked_at = excluded.revoked_at",
};
pub(super) const PAYLOADS: Table = Table {
    name: "payloads",
    columns: &[Number("place"), Bytes("bytes")],
    conflict: "ON CONFLICT (place) DO UPDATE SET bytes = excluded.bytes",
};
/// Each batch that does not come whole once.
pub(super) const LEAF_HASHES: Table =
    Table { name: "leaf_hashes", columns: &[Number("log"), Number("entry"), Bytes("hashes")], conflict: "" };
pub(super) const RELAYED: Table =
    Table { name: "relayed", columns: &[Number("log"), Number("entry")], conflict: "ON CONFLICT DO NOTHING" };
/// Ended twice is ended by the first.
pub(super) const WITHDRAWN: Table = Table {
    name: "withdrawn",
    columns: &[Number("place"), Number("by_entry")],
    conflict: "ON CONFLICT (place) DO NOTHING",
};
pub(super) const ERASURES: Table = Table {
    name: "erasures",
    columns: &[Number("place"), Number("by_entry"), Number("due")],
    conflict: "ON CONFLICT (place) DO NOTHING",
};
pub(super) const TOMBSTONES: Table = Table {
    name: "tombstones",
    columns: &[Bytes("tag"), Number("entry"), Bytes("withdrawal")],
    conflict: "ON CONFLICT (tag) DO UPDATE SET entry = excluded.entry, withdrawal = excluded.withdrawal",
};
pub(super) const REVOCATIONS: Table = Table {
    name: "revocations",
    columns: &[Text("member"), Bytes("public_key"), Number("since")],
    conflict: "ON CONFLICT (member, public_key) DO UPDATE SET since = \
               CASE WHEN excluded.since < revocations.since THEN excluded.since ELSE revocations.since END",
};
pub(super) const QUOTAS: Table = Table {
    name: "quotas",
    columns: &[Text("publisher"), Number("day"), Number("statements")],
    conflict: "ON CONFLICT (publisher) DO UPDATE SET day = excluded.day, statements = excluded.statements",
};
pub(super) const SETTLINGS: Table = Table {
    name: "settlings",
    columns: &[Number("log"), Number("size"), Bytes("note")],
    conflict: "ON CONFLICT (log, size) DO NOTHING",
};
pub(super) const ACCESSES: Table = Table {
    name: "accesses",
    columns: &[Number("number"), Number("at"), Number("place"), Text("asker"), Text("holder")],
    conflict: "",
};
/// Rows of the index; the same row twice is one. `logs.indexed` says of older entries that theirs are there: whatever
/// changes an older entry writes its rows in the same transaction.
pub(super) const HASHES: Table =
    Table { name: "hashes", columns: &[Number("hash"), Number("place")], conflict: "ON CONFLICT DO NOTHING" };
