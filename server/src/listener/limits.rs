//! Every bound on connections, with its reason. A node is to stay below 256 MiB in all; what the worst
//! anonymous crowd can hold here is about 100 MiB, and members answer for what they hold.

use std::time::Duration;

/// Bounds on connections. Tests inject small ones.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Handshakes at once, of everybody: each costs about 1 ms of a core and 64 KiB.
    pub handshakes: usize,
    /// How long a handshake may take: two round trips, over the worst link.
    pub handshake_timeout: Duration,
    /// Connections of anonymous callers at once. Fewer than members have: public pages are short.
    pub anonymous: usize,
    /// Connections of one address (IPv6: of one /64) without a certificate, handshakes included, so that one
    /// machine cannot take all of [`Limits::anonymous`]. Loopback is exempt: behind a proxy on this machine
    /// everybody comes from there.
    pub per_address: usize,
    /// Connections of all members at once: 100 members with ten each.
    pub identified: usize,
    /// Connections of one member at once: its nodes, desks and consumers, and no more than an eighth of all.
    pub per_member: usize,
    /// Logs that one member's nodes and people read at once: those of a federation of thirty, eight times over. Each
    /// holds up to three pages of about a megabyte for as long as its reader is slow.
    pub streams_per_member: usize,
    /// How long the HTTP/2 preface, or a request head of HTTP/1.1, may take to arrive.
    pub header_timeout: Duration,
    /// Silence after which an HTTP/2 connection is asked for a sign of life: below the 30 s after which the
    /// strictest middleboxes forget it.
    pub keep_alive_interval: Duration,
    /// How long that sign of life may take.
    pub keep_alive_timeout: Duration,
    /// How long an anonymous connection may live before it is asked to come again: long enough for the
    /// largest public export over a slow line (100 MB at 60 kB/s), and nobody keeps a place for ever.
    pub anonymous_age: Duration,
    /// How often the certificate of a silent connection is judged again, since it may have expired.
    pub recheck: Duration,
    /// How long requests may take to end after the node was told to stop.
    pub drain: Duration,
    /// How long requests may take to end after their caller left the roster.
    pub removal_grace: Duration,
    /// Pause after an accept error that is the node's own, such as too few file descriptors: long enough
    /// that connections end meanwhile, short enough that nobody notices.
    pub accept_backoff: Duration,
    /// How long a frame of a log may wait for its reader before the connection ends: the largest message (4 MiB)
    /// over a link of 64 kbit/s takes nine minutes.
    pub unread: Duration,
    /// HTTP/2 bounds for anonymous callers.
    pub http2_anonymous: Http2Limits,
    /// HTTP/2 bounds for members.
    pub http2_identified: Http2Limits,
}

/// Bounds on one HTTP/2 connection.
#[derive(Clone, Copy, Debug)]
pub struct Http2Limits {
    /// Requests at once. tonic's own default is no limit.
    pub streams: u32,
    /// Bytes that the caller may send on one stream before we have read them.
    pub stream_window: u32,
    /// Bytes that the caller may send on all streams before we have read them.
    pub connection_window: u32,
    /// Bytes of one response that we hold for a caller who does not read; a message counts once begun.
    pub send_buffer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshakes: 256,
            handshake_timeout: Duration::from_secs(10),
            anonymous: 256,
            per_address: 64,
            streams_per_member: 256,
            identified: 1_024,
            per_member: 128,
            header_timeout: Duration::from_secs(10),
            keep_alive_interval: Duration::from_secs(20),
            keep_alive_timeout: Duration::from_secs(20),
            anonymous_age: Duration::from_secs(30 * 60),
            recheck: Duration::from_secs(60),
            drain: Duration::from_secs(10),
            removal_grace: Duration::from_secs(1),
            accept_backoff: Duration::from_millis(100),
            unread: Duration::from_secs(10 * 60),
            // 256 connections × (16 × 16 KiB to send + 64 KiB received) = 80 MiB. Nobody without a
            // certificate has anything to upload, so the receive windows are HTTP/2's least (RFC 9113 §6.9.2).
            http2_anonymous: Http2Limits {
                streams: 16,
                stream_window: 65_535,
                connection_window: 65_535,
                send_buffer: 16 << 10,
            },
            // A batch is one message of at most 3 MiB: 4 MiB let it arrive without a pause. Bulk data flows
            // the other way, from node to reader, and there the reader's larger windows count.
            http2_identified: Http2Limits {
                streams: 256,
                stream_window: 4 << 20,
                connection_window: 8 << 20,
                send_buffer: 64 << 10,
            },
        }
    }
}

/// The longest head of a request, in bytes: ours are below 1 KiB, and proxies add a little.
pub(super) const MAX_HEADER_LIST: u32 = 16 << 10;

/// What hyper may buffer of an HTTP/1.1 request head and body, in bytes: a head and one read.
pub(super) const MAX_HTTP1_BUFFER: usize = 64 << 10;

/// The largest HTTP/2 frame that we take, in bytes: HTTP/2's least (RFC 9113 §4.2), as it bounds what one
/// frame can make us hold.
pub(super) const MAX_FRAME: u32 = 16 << 10;

/// Streams that a caller may open and reset before we looked at them (rapid reset, CVE-2023-44487); then
/// GOAWAY. A reader that cancels all of its 64 lookups at once stays within it.
pub(super) const MAX_PENDING_RESETS: usize = 64;

/// Streams that we may have to reset because the caller broke the protocol; then GOAWAY.
pub(super) const MAX_ERROR_RESETS: usize = 1_024;
