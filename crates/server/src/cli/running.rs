//! Which twins run on this machine: each leaves a note in the cache folder, so that `lockstep api` finds it without being told.

use std::path::PathBuf;

use serde_json::Value;

use crate::files;

/// The note of a running twin; dropping it takes the note away.
#[derive(Debug)]
pub(crate) struct Note(PathBuf);

impl Note {
    /// Leaves a note with what `dev --json` prints. It holds a client secret, so only its owner may read it.
    pub(crate) fn leave(port: u16, line: &Value) -> std::io::Result<Self> {
        let path = folder().join(format!("{port}.json"));
        files::write_private(&path, line.to_string().as_bytes())?;
        Ok(Self(path))
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn folder() -> PathBuf {
    files::cache_folder().join("running")
}
