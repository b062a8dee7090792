//! Lists of others in ([`import`]), lists for others out ([`export`]).

pub mod export;
pub mod import;
