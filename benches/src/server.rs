//! The server process: made ready in a folder of its own, started, killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Outcome;

/// Who the server says it is. Nothing is sent there: requests go to the loopback address.
pub(crate) const ISSUER: &str = "https://bench.example/";

/// A folder with configuration, master key and, for SQLite, the database.
pub(crate) struct Place {
    folder: PathBuf,
    bin: PathBuf,
    database: Option<String>,
    port: u16,
    cpus: Option<String>,
    kept: bool,
}

impl Place {
    /// Makes an empty folder.
    pub(crate) fn new(bin: &Path, database: Option<String>) -> Outcome<Self> {
        let folder = std::env::temp_dir().join(format!("lockstep-bench-{}", std::process::id()));
        let mut place = Self::kept(bin, database, &folder)?;
        place.kept = false;
        Ok(place)
    }

    /// Takes a folder, made if need be, that stays when the run is over.
    pub(crate) fn kept(bin: &Path, database: Option<String>, folder: &Path) -> Outcome<Self> {
        let bin = bin.canonicalize().map_err(|e| format!("{}: {e}; build it first", bin.display()))?;
        std::fs::create_dir_all(folder)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Self { folder: folder.canonicalize()?, bin, database, port, cpus: None, kept: true })
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The database, if it is not SQLite.
    pub(crate) fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// Where it answers.
    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Keeps the server to some cores, as `taskset --cpu-list` takes them.
    pub(crate) fn pin(&mut self, cpus: Option<String>) {
        self.cpus = cpus;
    }

    /// Returns how a program is started on the server's cores.
    pub(crate) fn pinned(&self, program: &Path) -> Command {
        match &self.cpus {
            Some(cpus) => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", cpus]).arg(program);
                command
            }
            None => Command::new(program),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.pinned(&self.bin);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LOCKSTEP_") {
                command.env_remove(name);
            }
        }
        command.args(args).current_dir(&self.folder).stdin(Stdio::null());
        command.env("LOCKSTEP_LISTEN", format!("127.0.0.1:{}", self.port));
        if let Some(url) = &self.database {
            command.env("LOCKSTEP_DATABASE_URL", url);
        }
        command
    }

    /// Runs `init`; returns the machine client's id and secret.
    pub(crate) fn init(&self) -> Outcome<(String, String)> {
        let output = self.command(&["init", "--issuer", ISSUER, "--json"]).output()?;
        let line: Value = serde_json::from_slice(&output.stdout)
            .map_err(|e| format!("init: {e}: {}", String::from_utf8_lossy(&output.stderr)))?;
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        Ok((text("client_id"), text("client_secret")))
    }

    /// Starts the server and waits for its first answer; returns how long that took.
    pub(crate) async fn start(&self) -> Outcome<(Server, Duration)> {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("server.log"))?;
        let begin = Instant::now();
        let child = self.command(&["serve"]).stdout(Stdio::null()).stderr(log).spawn()?;
        let mut server = Server { child };
        loop {
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok()
                && reqwest::get(format!("{}/health", self.base())).await.is_ok_and(|a| a.status() == 200)
            {
                return Ok((server, begin.elapsed()));
            }
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("the server ended with {status}: {}", self.log()).into());
            }
            if begin.elapsed() > Duration::from_secs(20) {
                return Err(format!("the server does not answer: {}", self.log()).into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// What the server wrote about itself.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Ends it without warning: SIGKILL.
    pub(crate) fn kill(mut self) -> Outcome<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Resident memory in MiB.
    pub(crate) fn memory(&self) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).ok_or("no VmRSS")?;
        let kib: f64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
        Ok(kib / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
