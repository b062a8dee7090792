//! Every bound of the protocol, with its reason.

/// Bytes of one statement. A report with a long description and references fits; a book does not.
pub const STATEMENT_BYTES: usize = 16 * 1024;

/// Statements under one signature. A signature costs about 45 µs to check, a leaf about 1 µs: at 4,096 the
/// signature is noise, and a disclosure still fits into a message.
pub const BATCH_STATEMENTS: usize = 4_096;

/// Bytes of all statements of one batch: a batch travels in one message of at most [`MESSAGE_BYTES`].
pub const BATCH_BYTES: usize = 3 * 1024 * 1024;

/// Bytes of one log entry: 2,048 withdrawal targets of at most 13 bytes each and the signatures fit.
pub const ENTRY_BYTES: usize = 32 * 1024;

/// Targets of one withdrawal, so that it fits into [`ENTRY_BYTES`].
pub const WITHDRAWAL_TARGETS: usize = 2_048;

/// Bytes of one gRPC message: a whole batch ([`BATCH_BYTES`]) with its header, leaf hashes and framing.
pub const MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Values of one lookup call: about a megabyte of the longest URLs in use, and some milliseconds of work.
pub const LOOKUP_VALUES: usize = 4_096;

/// Members of a roster. 512 certificates and keys stay below [`MESSAGE_BYTES`].
pub const ROSTER_MEMBERS: usize = 512;

/// Logs in one custody report: of every member that ever was, eight rosters' worth. At 300 bytes each they fit
/// into [`MESSAGE_BYTES`].
pub const CUSTODY_LOGS: usize = 8 * ROSTER_MEMBERS;

/// Bytes of evidence: two rosters, each of which fitted into a message of its own.
pub const EVIDENCE_BYTES: usize = 2 * MESSAGE_BYTES;

/// Bytes of a proof file: two messages, one of which a chain of rosters may fill. Of one statement under a small roster
/// it has some 4 KiB.
pub const PROOF_BYTES: usize = 2 * MESSAGE_BYTES;

/// Seconds that a report may stay valid after it was last seen: five years.
pub const VALIDITY_SECONDS: u64 = 5 * 366 * 86_400;
