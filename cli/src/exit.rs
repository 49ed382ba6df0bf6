//! From an error to one clear sentence and an exit code.
//!
//! The codes: 0 done, 2 wrong usage, 3 a missing or unusable model, 4 a bank that cannot be opened, 1 the
//! rest. Nothing is printed here. Rooms it touches: models.

use std::error::Error;
use std::io::ErrorKind;
use std::{fmt, io};

use keepsake_core::bank::BankError;
use keepsake_core::embed::EmbedError;
use keepsake_core::model::ModelError;
use keepsake_core::types::InvalidInput;
use keepsake_core::{
    AppendError, AskError, ForgetError, OpenError, ProcessError, Remediable, Remedy, SearchError,
};

use crate::models::PullError;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Whoever read our output has seen enough (`| head`): nothing went wrong.
    Closed = 0,
    /// Anything that has no code of its own.
    Other = 1,
    /// The arguments are wrong.
    Usage = 2,
    /// A model is missing or unusable.
    Model = 3,
    /// The bank cannot be opened.
    Bank = 4,
}

/// Why a command did not finish.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    what: Box<dyn Error + Send + Sync>,
}

impl Failure {
    /// A failure with a code of its own.
    pub(crate) fn new(exit: Exit, what: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, what: what.into() }
    }

    /// A failure of the rest.
    pub(crate) fn other(what: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Exit::Other, what)
    }

    /// Its code.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// What lies beneath it, outermost first.
    pub(crate) fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = self.what.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)
    }
}

/// An error of writing to standard output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::new(Exit::Closed, error),
            _ => Self::other(format!("the output cannot be written: {error}")),
        }
    }
}

/// What the engine says can be done about a failure, as a code.
fn code(remedy: Remedy) -> Exit {
    match remedy {
        Remedy::ChangeValue => Exit::Usage,
        Remedy::ReplaceFile | Remedy::FreeMemory | Remedy::GiveModel => Exit::Model,
        Remedy::CloseOther | Remedy::CheckFolder | Remedy::OtherKey | Remedy::Restore | Remedy::UpdateApp => {
            Exit::Bank
        }
        _ => Exit::Other,
    }
}

macro_rules! coded {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(code(error.remedy()), error)
            }
        }
    )*};
}

coded!(InvalidInput, BankError, ModelError, EmbedError, ForgetError, AppendError, ProcessError, SearchError);

/// A question that is too long for the model is no mistake in the arguments.
impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        let exit = if matches!(error, AskError::TooLong { .. }) { Exit::Other } else { code(error.remedy()) };
        Self::new(exit, error)
    }
}

impl From<OpenError> for Failure {
    fn from(OpenError(error): OpenError) -> Self {
        Self::new(Exit::Bank, error)
    }
}

impl From<PullError> for Failure {
    fn from(error: PullError) -> Self {
        Self::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_fault_has_its_code() {
        let path = std::path::PathBuf::from("/x");
        let model = ModelError::Missing { path: path.clone() };
        assert_eq!(Failure::from(ProcessError::Model(model)).exit(), Exit::Model);
        assert_eq!(Failure::from(ModelError::Failed("x".into())).exit(), Exit::Other);
        assert_eq!(Failure::from(EmbedError::Missing { path: path.clone() }).exit(), Exit::Model);
        assert_eq!(Failure::from(OpenError(BankError::Locked { path })).exit(), Exit::Bank);
        assert_eq!(Failure::from(AppendError::Invalid(InvalidInput::EmptyTurn)).exit(), Exit::Usage);
        assert_eq!(Failure::from(io::Error::from(ErrorKind::BrokenPipe)).exit(), Exit::Closed);
    }

    #[test]
    fn causes_are_listed_outermost_first() {
        let source = io::Error::other("disk on fire");
        let failure = Failure::from(BankError::Store(source.into()));
        assert_eq!(failure.causes(), ["disk on fire"]);
    }
}
