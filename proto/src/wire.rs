//! The generated protobuf messages, and the descriptor set for reflection.
//!
//! Signed bodies become domain types in the module of their noun (`statement`, `log`, `roster`); everything
//! else in the program works on those.

#![expect(missing_docs, reason = "generated; the .proto files carry the documentation")]

include!(concat!(env!("OUT_DIR"), "/almenara.v1.rs"));

/// All .proto files as a `FileDescriptorSet`, for gRPC reflection.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor_set.bin"));
