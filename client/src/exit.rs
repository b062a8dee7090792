//! How a command ends: the one table from blame to exit codes, and the last line of defence.

use std::{
    fmt::Display,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::Mutex,
};

use almenara_proto::blame::{Blame, Void};

use crate::{
    text::tame,
    tls::{ConnectError, OwnIdentityError},
};

/// The exit codes of `almenara` and `almenarad`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0.
    Done,
    /// 1: the answer is no: not found, findings, refused by policy.
    No,
    /// 2: wrong usage or input.
    Usage,
    /// 3: unavailable, try again.
    Unavailable,
    /// 4: verification failed: somebody misbehaved.
    Misbehaved,
    /// 70 (`EX_SOFTWARE` of sysexits.h): our own fault.
    Internal,
}

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Unavailable => 3,
            Self::Misbehaved => 4,
            Self::Internal => 70,
        }
    }
}

impl From<Blame> for Exit {
    fn from(blame: Blame) -> Self {
        match blame {
            Blame::Malformed => Self::Usage,
            Blame::Misbehaved => Self::Misbehaved,
            Blame::Refused => Self::No,
            Blame::Unavailable => Self::Unavailable,
            Blame::Internal => Self::Internal,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What a command that did not fail answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or yes.
    Done,
    /// No: not found, findings, declined. What was found was said already.
    No,
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::No => Self::No,
        }
    }
}

/// Why a command failed: whose fault it is, and a text that tells the input, the reason and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct CliError {
    exit: Exit,
    text: String,
}

impl CliError {
    /// A failure with blame.
    #[must_use]
    pub fn new(blame: Blame, text: impl Display) -> Self {
        Self { exit: blame.into(), text: format!("{text}") }
    }

    /// Wrong usage or input: exit 2.
    #[must_use]
    pub fn usage(text: impl Display) -> Self {
        Self::new(Blame::Malformed, text)
    }

    /// Refused by policy: exit 1.
    #[must_use]
    pub fn refused(text: impl Display) -> Self {
        Self::new(Blame::Refused, text)
    }

    /// Unavailable: exit 3.
    #[must_use]
    pub fn unavailable(text: impl Display) -> Self {
        Self::new(Blame::Unavailable, text)
    }

    /// Somebody misbehaved: exit 4.
    #[must_use]
    pub fn misbehaved(text: impl Display) -> Self {
        Self::new(Blame::Misbehaved, text)
    }

    /// Our own fault: exit 70.
    #[must_use]
    pub fn internal(text: impl Display) -> Self {
        Self::new(Blame::Internal, text)
    }

    /// A file that cannot be read or written: exit 2 when it is not there or not ours, else 3 (a full disk
    /// may be emptied).
    #[must_use]
    pub fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{AlreadyExists, IsADirectory, NotADirectory, NotFound, PermissionDenied};
        let blame = match error.kind() {
            NotFound | PermissionDenied | AlreadyExists | IsADirectory | NotADirectory => Blame::Malformed,
            _ => Blame::Unavailable,
        };
        Self::new(blame, format!("{}: {error}", path.display()))
    }

    /// Whoever read our output has closed the pipe (`almenara … | head`): an end and no failure; nothing is said.
    #[must_use]
    pub fn reader_left() -> Self {
        Self { exit: Exit::Done, text: String::new() }
    }

    /// The same failure, with words before it that say where.
    #[must_use]
    pub fn at(self, place: impl Display) -> Self {
        Self { text: format!("{place}: {}", self.text), ..self }
    }

    /// How the process ends.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }
}

/// An item that breaks a rule of the protocol was given to us: wrong input.
impl From<Void> for CliError {
    fn from(void: Void) -> Self {
        Self::usage(void)
    }
}

impl From<almenara_certs::FileError> for CliError {
    fn from(error: almenara_certs::FileError) -> Self {
        match error {
            almenara_certs::FileError::Io { path, error } => Self::file(&path, &error),
            other => Self::usage(other),
        }
    }
}

impl From<almenara_certs::AuthorityError> for CliError {
    fn from(error: almenara_certs::AuthorityError) -> Self {
        match error {
            almenara_certs::AuthorityError::Making(_) => Self::internal(error),
            _ => Self::usage(error),
        }
    }
}

impl From<almenara_certs::InspectError> for CliError {
    fn from(error: almenara_certs::InspectError) -> Self {
        Self::usage(error)
    }
}

/// A member's certificates on a signed roster cannot be used: those who signed it must mend it.
impl From<almenara_certs::AuthoritiesError> for CliError {
    fn from(error: almenara_certs::AuthoritiesError) -> Self {
        Self::usage(error)
    }
}

impl From<OwnIdentityError> for CliError {
    fn from(error: OwnIdentityError) -> Self {
        Self::usage(error)
    }
}

impl From<&ConnectError> for CliError {
    fn from(error: &ConnectError) -> Self {
        let blame = match error {
            ConnectError::Address { .. } => Blame::Malformed,
            ConnectError::NotOnRoster { .. } | ConnectError::OwnCertificateRefused { .. } => Blame::Refused,
            ConnectError::Unreachable { .. } => Blame::Unavailable,
            ConnectError::NotANode { .. } | ConnectError::WrongServer { .. } => Blame::Misbehaved,
        };
        Self::new(blame, error)
    }
}

impl From<ConnectError> for CliError {
    fn from(error: ConnectError) -> Self {
        Self::from(&error)
    }
}

/// What a node answered instead of an answer; its own defects are `Unavailable` to us, who may ask another.
impl From<tonic::Status> for CliError {
    fn from(status: tonic::Status) -> Self {
        use tonic::Code;
        if let Some(error) = ConnectError::find(&status) {
            return Self::from(error);
        }
        let blame = match status.code() {
            Code::InvalidArgument => Blame::Malformed,
            Code::NotFound
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::FailedPrecondition
            | Code::AlreadyExists
            | Code::OutOfRange => Blame::Refused,
            Code::DataLoss => Blame::Misbehaved,
            _ => Blame::Unavailable,
        };
        Self::new(blame, format_args!("the node answers: {}", tame(status.message())))
    }
}

/// Where the last panic happened; one process has one hook.
static PANICKED_AT: Mutex<Option<String>> = Mutex::new(None);

/// Runs `body` and answers its exit code; a panic that nobody caught becomes one sentence and exit 70.
///
/// The sentence names the place in the source and never the panic's own message, which could hold a value or a
/// secret. A panic that a caller of faulty code catches stays silent.
pub fn guard(program: &str, body: impl FnOnce() -> Exit) -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|place| format!("{}:{}", place.file(), place.line()));
        if let Ok(mut last) = PANICKED_AT.lock() {
            *last = place;
        }
    }));
    let exit = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        let place = PANICKED_AT.lock().ok().and_then(|mut last| last.take());
        eprintln!(
            "{program}: a fault of the program itself at {}; nothing is wrong with your input: please report it \
             with the version ({})",
            place.as_deref().unwrap_or("an unknown place"),
            env!("CARGO_PKG_VERSION"),
        );
        Exit::Internal
    });
    exit.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(blame: Blame, code: u8) {
        assert_eq!(CliError::new(blame, "x").exit().code(), code, "{blame:?}");
    }

    #[test]
    fn every_blame_has_its_exit_code() {
        check(Blame::Refused, 1);
        check(Blame::Malformed, 2);
        check(Blame::Unavailable, 3);
        check(Blame::Misbehaved, 4);
        check(Blame::Internal, 70);
        assert_eq!(Exit::from(Outcome::Done).code(), 0);
        assert_eq!(Exit::from(Outcome::No).code(), 1);
    }

    #[test]
    fn what_a_node_answers_has_its_exit_code() {
        let check = |code, exit| {
            let error = CliError::from(tonic::Status::new(code, "no\u{1b}[2J"));
            assert_eq!(error.exit().code(), exit, "{code:?}");
            assert!(error.to_string().ends_with("no\\u{1b}[2J"), "{error}");
        };
        check(tonic::Code::InvalidArgument, 2);
        check(tonic::Code::FailedPrecondition, 1);
        check(tonic::Code::NotFound, 1);
        check(tonic::Code::Unavailable, 3);
        check(tonic::Code::ResourceExhausted, 3);
        check(tonic::Code::Internal, 3);
        check(tonic::Code::DataLoss, 4);
    }

    #[test]
    fn an_error_keeps_its_blame_when_it_is_told_where() {
        let error = CliError::unavailable("nobody answers").at("ngo.nl.example");
        assert_eq!(
            (error.exit(), error.to_string().as_str()),
            (Exit::Unavailable, "ngo.nl.example: nobody answers")
        );
    }

    #[test]
    fn a_panic_ends_with_exit_70() {
        let code = guard("almenara", || panic!("a secret"));
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(70)));
    }
}
