//! Writing small files so that a crash or a second process never sees half of one, and where a person's caches live.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file that everybody may read: a new one is put in the place of an old one in one step.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let part = write_part(path, content, 0o644)?;
    std::fs::rename(&part, path).inspect_err(|_| drop(std::fs::remove_file(&part)))
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let part = write_part(path, content, 0o600)?;
    std::fs::rename(&part, path).inspect_err(|_| drop(std::fs::remove_file(&part)))
}

/// Makes a file that only its owner may read, unless it is there already; returns whether it was made.
pub(crate) fn create_private(path: &Path, content: &[u8]) -> io::Result<bool> {
    let part = write_part(path, content, 0o600)?;
    // Unlike a rename, a link fails when the name is taken.
    let linked = std::fs::hard_link(&part, path);
    std::fs::remove_file(&part)?;
    match linked {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e),
    }
}

/// Makes a folder that only its owner may look into.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Returns Lockstep's cache folder of this person: `$LOCKSTEP_CACHE_DIR`, `$XDG_CACHE_HOME/lockstep` or `~/.cache/lockstep`.
pub(crate) fn cache_folder() -> PathBuf {
    let var = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    var("LOCKSTEP_CACHE_DIR")
        .or_else(|| var("XDG_CACHE_HOME").map(|p| p.join("lockstep")))
        .or_else(|| var("HOME").map(|p| p.join(".cache/lockstep")))
        .or_else(|| var("LOCALAPPDATA").map(|p| p.join("lockstep")))
        .unwrap_or_else(|| std::env::temp_dir().join("lockstep"))
}

fn write_part(path: &Path, content: &[u8], mode: u32) -> io::Result<PathBuf> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    if let Some(folder) = path.parent() {
        make_private_folder(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
    let part = path.with_file_name(name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(&part)?;
    file.write_all(content)?;
    file.sync_all()?;
    Ok(part)
}

/// Returns a new folder for a test.
#[cfg(test)]
pub(crate) fn scratch(name: &str) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("lockstep-{name}-{}-{number}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_file_is_made_once_and_read_by_its_owner_only() {
        let folder = scratch("files");
        let path = folder.join("key");
        assert!(create_private(&path, b"one").unwrap());
        assert!(!create_private(&path, b"two").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        write_private(&path, b"three").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        }
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "no part of a file stays behind");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
