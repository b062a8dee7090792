//! Where signed items come from that are sent: files, or memory.

use std::{collections::VecDeque, path::PathBuf};

use crate::{
    draft::Draft,
    exit::CliError,
    publish::{Feed, Submission},
    signed,
};

/// Items that are signed already: nothing can be signed again.
struct Ready<I>(I);

/// The items of these files, in order, each parsed and its signature over its statements checked as it is read.
pub(super) fn items(
    files: Vec<PathBuf>,
) -> Result<impl Iterator<Item = Result<Submission, CliError>> + Send + use<>, CliError> {
    let opened = files.iter().map(|path| signed::read(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(files.into_iter().zip(opened).flat_map(|(path, items)| {
        let parse = |item| Submission::parse(item).map_err(CliError::usage);
        items.map(move |item| item.and_then(|item| parse(item).map_err(|error| error.at(path.display()))))
    }))
}

impl<I: Iterator<Item = Result<Submission, CliError>> + Send + 'static> Feed for Ready<I> {
    fn next(&mut self) -> Result<Option<Submission>, CliError> {
        self.0.next().transpose()
    }

    fn again(&mut self, _: Vec<Draft>) -> Result<Option<Submission>, CliError> {
        Ok(None)
    }
}

/// All that is in these files.
pub(super) fn files(files: Vec<PathBuf>) -> Result<impl Feed + use<>, CliError> {
    Ok(Ready(items(files)?))
}

/// What was signed just now.
pub(super) fn made(items: VecDeque<Submission>) -> impl Feed {
    Ready(items.into_iter().map(Ok))
}
