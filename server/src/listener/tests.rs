//! The listener over real loopback TCP, with real certificates, against callers who mean no good.

mod calling;
mod floods;
mod identity;
mod resources;
mod support;
