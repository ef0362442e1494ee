//! The shrunk run beside the one it was made from: a whole run directory in its directory.
//!
//! Who opens `report.html` wants to see what broke, and the small trial shows it best. So that page tells of the shrunk run, says so, and
//! leads to the page of the whole storm, `original.html`.

use super::{MESSAGES, PAGE, RunDirectory, SUMMARY, TRIAL, io_error};
use crate::error::ReportError;
use crate::units::count;
use crate::{page, plots};
use std::fs;
use std::path::Path;
use stormglass_nemesis::judge::judge;
use stormglass_nemesis::record::Run;
use stormglass_nemesis::shrink::{Property, Size};
use stormglass_nemesis::trial::Trial;

/// The directory of the shrunk run, in that of the run.
pub const SHRUNK: &str = "shrunk";
/// The page of the run itself, where another has taken its place.
pub const ORIGINAL: &str = "original.html";

impl RunDirectory {
    /// The shrunk run in this directory, if there is one and it is whole.
    pub fn shrunk(&self) -> Option<Self> {
        let path = self.path.join(SHRUNK);
        path.join(SUMMARY).is_file().then(|| self.beneath())
    }

    /// Makes the directory of the shrunk run and writes its `trial.json`. One that is there is replaced: `run.json` goes first, so that
    /// nobody takes the old half for the new.
    ///
    /// # Errors
    /// [`ReportError::Io`].
    pub fn create_shrunk(&self, trial: &Trial) -> Result<Self, ReportError> {
        let shrunk = self.beneath();
        fs::create_dir_all(&shrunk.path).map_err(io_error(&shrunk.path, "created"))?;
        for old in [SUMMARY, MESSAGES].map(|file| shrunk.path.join(file)) {
            if old.is_file() {
                fs::remove_file(&old).map_err(io_error(&old, "written"))?;
            }
        }
        shrunk.put(TRIAL, trial.to_json().as_bytes())?;
        Ok(shrunk)
    }

    fn beneath(&self) -> Self {
        Self {
            path: self.path.join(SHRUNK),
            name: format!("{}/{SHRUNK}", self.name),
        }
    }

    /// Writes the page of this run, or that of its shrunk run and this one beside it.
    pub(super) fn put_page(
        &self,
        trial: &Trial,
        run: &Run,
        own_page: &str,
    ) -> Result<(), ReportError> {
        let Some(shrunk) = self.shrunk() else {
            return self.put(PAGE, own_page.as_bytes());
        };
        // One that is damaged, or breaks nothing any more, tells nothing of this run.
        let Some(page) = shrunk.page_beside(&Size::of(trial, run)).ok().flatten() else {
            return self.put(PAGE, own_page.as_bytes());
        };
        self.put(ORIGINAL, own_page.as_bytes())?;
        self.put(PAGE, page.as_bytes())
    }

    /// The page of this shrunk run, as it stands in the directory of the run it was made from; none when it breaks nothing.
    fn page_beside(&self, before: &Size) -> Result<Option<String>, ReportError> {
        let (trial, run) = self.load()?;
        let judged = judge(&trial, &run)?;
        let Some(property) = Property::of(&judged) else {
            return Ok(None);
        };
        let sentence = sentence(before, &Size::of(&trial, &run), Some(&property));
        let summary = self.summary()?;
        let replay = self.replay_command();
        let (messages, messages_note) = self.messages();
        let told = page::Told {
            trial: &trial,
            run: &run,
            judged: &judged,
            messages: messages.as_ref(),
            messages_note: messages_note.as_deref(),
            summary: &summary,
            replay: Some(&replay),
            shrunk: Some(&sentence),
        };
        page::render(&told, &plots::plots(&trial, &run)?).map(Some)
    }
}

/// What shrinking came to, in a sentence without its full stop.
pub fn sentence(before: &Size, after: &Size, property: Option<&Property>) -> String {
    let breaks = property.map_or_else(
        || "which breaks nothing any more".to_string(),
        |property| format!("still breaking {property}"),
    );
    format!(
        "Shrunk to {} of {} faults and {} of {} operations of the storm, {breaks}",
        count(after.faults),
        count(before.faults),
        count(after.operations),
        count(before.operations),
    )
}

/// The name of the run in a directory: that of the directory, and for a shrunk run that of its run as well.
pub(super) fn name_of(whole: &Path) -> String {
    let last = |path: &Path| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    };
    let above = whole.parent().filter(|above| above.join(TRIAL).is_file());
    match above {
        Some(above) if last(whole) == SHRUNK => format!("{}/{SHRUNK}", last(above)),
        _ => last(whole),
    }
}
