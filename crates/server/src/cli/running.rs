//! Which twins run on this machine: each leaves a note in the cache folder, so that `lockstep api` finds it without being told.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::files;

/// How long a twin may take to accept a connection.
const PATIENCE: Duration = Duration::from_millis(300);

/// The note of a running twin; dropping it takes the note away.
#[derive(Debug)]
pub(crate) struct Note(PathBuf);

impl Note {
    /// Leaves a note with what `dev --json` prints, and the address that was bound. It holds a client secret, so only its owner
    /// may read it.
    pub(crate) fn leave(bound: SocketAddr, line: &Value) -> std::io::Result<Self> {
        let path = folder().join(format!("{}.json", bound.port()));
        let mut note = line.clone();
        if let Some(fields) = note.as_object_mut() {
            fields.insert("bound".to_owned(), Value::String(reachable(bound).to_string()));
        }
        files::write_private(&path, note.to_string().as_bytes())?;
        Ok(Self(path))
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Returns the twins that answer, the usual port first, then the latest started first. Notes of dead ones are cleared away.
pub(crate) fn list() -> Vec<Value> {
    let mut found: Vec<(bool, std::time::SystemTime, Value)> = Vec::new();
    for entry in std::fs::read_dir(folder()).into_iter().flatten().flatten() {
        let path = entry.path();
        // Another name is a note that is just being written.
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let note = std::fs::read_to_string(&path).ok().and_then(|t| serde_json::from_str::<Value>(&t).ok());
        let bound = note.as_ref().and_then(|n| n.get("bound")?.as_str()?.parse::<SocketAddr>().ok());
        let (Some(note), Some(bound)) = (note, bound) else { continue };
        if TcpStream::connect_timeout(&bound, PATIENCE).is_err() {
            let _ = std::fs::remove_file(&path);
            continue;
        }
        let started = entry.metadata().and_then(|m| m.modified()).unwrap_or(std::time::UNIX_EPOCH);
        found.push((bound.port() == super::dev::PORT, started, note));
    }
    found.sort_by_key(|(usual, started, _)| std::cmp::Reverse((*usual, *started)));
    found.into_iter().map(|(_, _, note)| note).collect()
}

/// A server that is bound to "any address" is reached by the loopback address.
fn reachable(bound: SocketAddr) -> SocketAddr {
    match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, bound.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, bound.port()).into(),
        _ => bound,
    }
}

fn folder() -> PathBuf {
    files::cache_folder().join("running")
}
