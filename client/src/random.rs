//! The only place of the client that asks for randomness: nonces and keys.

use std::{fmt, sync::Arc};

use crate::exit::CliError;

type Fill = dyn Fn(&mut [u8]) -> Result<(), CliError> + Send + Sync;

/// A source of random bytes; a parameter everywhere, so that a simulation repeats itself.
#[derive(Clone)]
pub struct Random(Arc<Fill>);

impl Random {
    /// The operating system's generator.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(|bytes| {
            getrandom::fill(bytes).map_err(|error| {
                CliError::internal(format!("the operating system gives no random bytes: {error}"))
            })
        }))
    }

    /// A source of one's own: for tests and simulations only, since keys and nonces come from it.
    #[must_use]
    pub fn from_fn(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |bytes| {
            fill(bytes);
            Ok(())
        }))
    }

    /// `N` random bytes.
    ///
    /// # Errors
    /// [`CliError`] (internal), when the system gives none; then nothing may be signed or made.
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], CliError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Random bytes, as many as there is room for.
    ///
    /// # Errors
    /// As [`Self::bytes`].
    pub fn fill(&self, bytes: &mut [u8]) -> Result<(), CliError> {
        (self.0)(bytes)
    }

    /// A new Ed25519 key.
    ///
    /// # Errors
    /// As [`Self::bytes`].
    pub fn signing_key(&self) -> Result<almenara_proto::keys::SigningKey, CliError> {
        Ok(almenara_proto::keys::SigningKey::from_bytes(&self.bytes()?))
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}
