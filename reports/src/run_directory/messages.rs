//! What was heard on the network, in the directory of the run.

use super::{REBUILD, RunDirectory};
use crate::error::ReportError;
use stormglass_nemesis::wiretap::{MESSAGES_VERSION, Messages};

/// What went over the network around what broke. Only a run that broke and repeats has it.
pub const MESSAGES: &str = "messages.json";

impl RunDirectory {
    /// Writes what was heard on the network. Do this before [`RunDirectory::write`], whose page shows it.
    ///
    /// # Errors
    /// [`ReportError::Io`].
    pub fn put_messages(&self, messages: &Messages) -> Result<(), ReportError> {
        let json = serde_json::to_string(messages).expect("messages are plain data");
        self.put(MESSAGES, json.as_bytes())
    }

    /// What was heard on the network, and what is wrong with the file that should say so: the page does without.
    pub(super) fn messages(&self) -> (Option<Messages>, Option<String>) {
        match self.read_json(MESSAGES, MESSAGES_VERSION, "nobody listened", REBUILD) {
            Ok(messages) => (Some(messages), None),
            Err(ReportError::Missing { .. }) => (None, None),
            Err(error) => (None, Some(error.to_string())),
        }
    }
}
