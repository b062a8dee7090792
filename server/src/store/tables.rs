//! The tables that rows are added to, many at once. What the columns mean stands in [`super::schema`].

use super::rows::{
    Column::{Bytes, Number, Text},
    Table, Write,
};

/// A log's head, by compare-and-swap: where another stands than the writer knows, the new size is none, which the column
/// does not take, and nothing of the transaction is kept.
pub(super) const HEADS: Table = Table {
    name: "logs",
    columns: &[
        Number("log"),
        Number("old_size"),
        Number("size"),
        Bytes("tree"),
        Bytes("checkpoint"),
        Bytes("settled"),
        Number("hollow"),
        Number("moved_at"),
    ],
    write: Write::Update {
        set: "size = CASE WHEN logs.size = new.old_size THEN new.size END, tree = new.tree, \
              checkpoint = new.checkpoint, settled = new.settled, hollow = new.hollow, moved_at = new.moved_at",
        of: "logs.log = new.log",
    },
};

/// Each entry once.
pub(super) const ENTRIES: Table = Table {
    name: "entries",
    columns: &[Number("log"), Number("entry"), Number("counts"), Number("open"), Bytes("bytes")],
    write: Write::Insert,
};
pub(super) const TILES: Table = Table {
    name: "tiles",
    columns: &[Number("log"), Number("level"), Number("tile"), Bytes("hashes")],
    write: Write::Upsert("ON CONFLICT (log, level, tile) DO UPDATE SET hashes = excluded.hashes"),
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
    write: Write::Upsert(
        "ON CONFLICT (log, public_key) DO UPDATE SET last_seq = excluded.last_seq, cut = excluded.cut, \
               revoked_at = excluded.revoked_at",
    ),
};
pub(super) const PAYLOADS: Table = Table {
    name: "payloads",
    columns: &[Number("place"), Bytes("bytes")],
    write: Write::Upsert("ON CONFLICT (place) DO UPDATE SET bytes = excluded.bytes"),
};
/// Each batch that does not come whole once.
pub(super) const LEAF_HASHES: Table = Table {
    name: "leaf_hashes",
    columns: &[Number("log"), Number("entry"), Bytes("hashes")],
    write: Write::Insert,
};
pub(super) const RELAYED: Table = Table {
    name: "relayed",
    columns: &[Number("log"), Number("entry")],
    write: Write::Upsert("ON CONFLICT DO NOTHING"),
};
/// Ended twice is ended by the first.
pub(super) const WITHDRAWN: Table = Table {
    name: "withdrawn",
    columns: &[Number("place"), Number("by_entry")],
    write: Write::Upsert("ON CONFLICT (place) DO NOTHING"),
};
pub(super) const ERASURES: Table = Table {
    name: "erasures",
    columns: &[Number("place"), Number("by_entry"), Number("due")],
    write: Write::Upsert("ON CONFLICT (place) DO NOTHING"),
};
pub(super) const TOMBSTONES: Table = Table {
    name: "tombstones",
    columns: &[Bytes("tag"), Number("entry"), Bytes("withdrawal")],
    write: Write::Upsert(
        "ON CONFLICT (tag) DO UPDATE SET entry = excluded.entry, withdrawal = excluded.withdrawal",
    ),
};
pub(super) const REVOCATIONS: Table = Table {
    name: "revocations",
    columns: &[Text("member"), Bytes("public_key"), Number("since")],
    write: Write::Upsert(
        "ON CONFLICT (member, public_key) DO UPDATE SET since = \
               CASE WHEN excluded.since < revocations.since THEN excluded.since ELSE revocations.since END",
    ),
};
pub(super) const QUOTAS: Table = Table {
    name: "quotas",
    columns: &[Text("publisher"), Number("day"), Number("statements")],
    write: Write::Upsert(
        "ON CONFLICT (publisher) DO UPDATE SET day = excluded.day, statements = excluded.statements",
    ),
};
pub(super) const SETTLINGS: Table = Table {
    name: "settlings",
    columns: &[Number("log"), Number("size"), Bytes("note")],
    write: Write::Upsert("ON CONFLICT (log, size) DO NOTHING"),
};
pub(super) const ACCESSES: Table = Table {
    name: "accesses",
    columns: &[Number("number"), Number("at"), Number("place"), Text("asker"), Text("holder")],
    write: Write::Insert,
};
/// Rows of the index; the same row twice is one. `logs.indexed` says of older entries that theirs are there: whatever
/// changes an older entry writes its rows in the same transaction.
pub(super) const HASHES: Table = Table {
    name: "hashes",
    columns: &[Number("hash"), Number("place")],
    write: Write::Upsert("ON CONFLICT DO NOTHING"),
};
