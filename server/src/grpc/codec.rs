//! Protobuf, as tonic reads and writes it; but bytes that are no message are their sender's fault.

use std::marker::PhantomData;

use prost::Message;
use tonic::{
    Status,
    codec::{BufferSettings, DecodeBuf},
};
use tonic_prost::{ProstDecoder, ProstEncoder};

use almenara_proto::blame::Blame;

use crate::error;

/// The codec of all services.
#[derive(Debug)]
pub(super) struct Codec<Out, In>(PhantomData<fn(In) -> Out>);

impl<Out, In> Default for Codec<Out, In> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<Out, In> tonic::codec::Codec for Codec<Out, In>
where
    Out: Message + Send + 'static,
    In: Message + Default + Send + 'static,
{
    type Encode = Out;
    type Decode = In;
    type Encoder = ProstEncoder<Out>;
    type Decoder = Decoder<In>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        Decoder(ProstDecoder::default())
    }
}

/// Reads messages of a caller.
#[derive(Debug)]
pub(super) struct Decoder<In>(ProstDecoder<In>);

impl<In: Message + Default> tonic::codec::Decoder for Decoder<In> {
    type Item = In;
    type Error = Status;

    /// gRPC's own convention is INTERNAL, which says that the node is at fault and that another try may help.
    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<In>, Status> {
        self.0.decode(bytes).map_err(|status| {
            error::status(Blame::Malformed, &format_args!("the message cannot be read: {}", status.message()))
        })
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}
