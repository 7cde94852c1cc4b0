//! One database and several servers on it: after each other as after a restart, or at the same time as behind a load balancer.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lockstep_core::crypto::seal::MasterKeys;
use lockstep_engine::app::{StartError, new_master_keys};
use lockstep_engine::config::Config;
use lockstep_engine::store::db::Db;

use super::app::{ManualClock, TestApp};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A database that outlives the servers on it, and the clock of them all.
pub(crate) struct Shared {
    place: Place,
    /// The text of the key file.
    pub(crate) keys: String,
    pub(crate) clock: Arc<ManualClock>,
}

enum Place {
    /// A folder with a SQLite file.
    Folder(PathBuf),
    /// The URL of a PostgreSQL database.
    Url(String),
}

impl Shared {
    /// Makes an empty database of each kind: SQLite, and PostgreSQL when `LOCKSTEP_TEST_POSTGRES` names a server.
    pub(crate) async fn each() -> Vec<Self> {
        let name = format!("it_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut places = vec![Place::Folder(folder)];
        if let Ok(url) = std::env::var("LOCKSTEP_TEST_POSTGRES") {
            let admin = Db::postgres(&url, 1, new_master_keys()).await.unwrap();
            let sql = format!("create database {name}").leak();
            admin.read().await.unwrap().execute(sql, Vec::new()).await.unwrap();
            admin.close().await;
            let mut own = url::Url::parse(&url).unwrap();
            own.set_path(&name);
            places.push(Place::Url(own.into()));
        }
        let shared = |place| Self {
            place,
            keys: new_master_keys().to_text().to_string(),
            clock: Arc::new(ManualClock::new()),
        };
        places.into_iter().map(shared).collect()
    }

    /// Returns its address, as a process of its own takes it.
    pub(crate) fn url(&self) -> String {
        match &self.place {
            Place::Folder(folder) => format!("sqlite:{}", folder.join("lockstep.db").display()),
            Place::Url(url) => url.clone(),
        }
    }

    /// Returns whether it is PostgreSQL.
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.place, Place::Url(_))
    }

    /// Returns whether a statement waits for what another transaction has locked. On SQLite none does: the whole transaction waits.
    pub(crate) async fn somebody_waits(&self, app: &TestApp) -> bool {
        const WAITING: &str = "select count(*) as n from pg_stat_activity
 where datname = current_database() and wait_event_type = 'Lock'";
        if !self.is_postgres() {
            return true;
        }
        let mut conn = app.app.db().read().await.unwrap();
        let row = conn.fetch_optional(WAITING, Vec::new()).await.unwrap().unwrap();
        row.get::<i64>("n").unwrap() > 0
    }

    /// Returns the bytes of all files of the SQLite database; none of the other one.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Place::Folder(folder) = &self.place else { return Vec::new() };
        let files = std::fs::read_dir(folder).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    /// Starts a server on it.
    pub(crate) async fn server(&self) -> TestApp {
        self.start(&self.keys).await.unwrap()
    }

    /// Starts a server on it with changed settings.
    pub(crate) async fn server_with(&self, change: impl FnOnce(&mut Config)) -> TestApp {
        self.open(&self.keys, change).await.unwrap()
    }

    /// Starts a server on it with this key file, if it fits.
    pub(crate) async fn start(&self, keys: &str) -> Result<TestApp, StartError> {
        self.open(keys, |_| {}).await
    }

    async fn open(&self, keys: &str, change: impl FnOnce(&mut Config)) -> Result<TestApp, StartError> {
        let keys = MasterKeys::parse(keys).unwrap();
        let db = match &self.place {
            Place::Folder(folder) => Db::sqlite(&folder.join("lockstep.db"), keys).await?,
            Place::Url(url) => Db::postgres(url, 10, keys).await?,
        };
        TestApp::on(db, Arc::clone(&self.clock), change).await
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Place::Folder(folder) = &self.place {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
