//! The generated gRPC clients.

#![expect(unused_qualifications, reason = "generated; the .proto files carry the documentation")]

tonic::include_proto!("almenara.v1");
