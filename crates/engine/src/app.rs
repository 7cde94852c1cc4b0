//! The server as a value: all seams put together. Nothing is static, so a process can hold several.

use std::sync::Arc;

use lockstep_core::crypto::seal::MasterKeys;
use lockstep_core::env::{Env, Issuer};
use lockstep_core::model::log_event::LogEvent;
use lockstep_core::random::{Rng, SystemRng};
use lockstep_core::time::Clock;

use crate::catalog::Catalog;
use crate::config::Config;
use crate::keyring::{KeyRing, KeyRingError};
use crate::logs::LogWriter;
use crate::passwords::PasswordPool;
use crate::store::counts::Counts;
use crate::store::db::{Conn, Db, DbError};
use crate::store::{meta, user_attributes};

/// One tenant, ready to serve. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Seams>);

struct Seams {
    config: Config,
    db: Db,
    catalog: Catalog,
    counts: Counts,
    clock: Arc<dyn Clock>,
    keyring: KeyRing,
    passwords: PasswordPool,
    logs: LogWriter,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be reached, read or brought up to date.
    #[error("the database cannot be used: {0}")]
    Db(#[from] DbError),
    /// A migration failed.
    #[error("the database schema cannot be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The master key is not the one that sealed this database.
    #[error(
        "the master key does not open this database: {0}. Start with the key file that this database was made with; \
         nothing was changed"
    )]
    WrongMasterKey(String),
    /// The issuer has moved away from the domain of people's keys.
    #[error(
        "{count} security keys and passkeys were made for {domain}, when the issuer was {before}, and answer to no other domain: as {now} \
         their owners could not log in with them any more. Set issuer back; or, to give these keys up, set webauthn.abandoned_domain to the \
         host of the former issuer. Nothing was changed"
    )]
    KeysOfOtherDomain {
        /// How many keys.
        count: usize,
        /// Their domain.
        domain: String,
        /// The issuer then.
        before: String,
        /// The issuer now.
        now: String,
    },
    /// The signing keys cannot be read or made.
    #[error("the signing keys cannot be used: {0}")]
    Keys(#[from] KeyRingError),
}

const CANARY: &str = "canary";
const CANARY_PLACE: &str = "meta:value:canary";
const CANARY_TEXT: &[u8] = b"lockstep";

impl App {
    /// Puts a tenant together on a database: brings the schema up to date, checks the master key, makes what every tenant has
    /// ([`crate::flows::first_start`]) if it is not there yet, and loads the keys.
    pub async fn open(config: Config, db: Db, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        db.migrate().await?;
        check_canary(&db).await?;
        let mut env = Env::new(clock.now(), config.issuer.clone());
        crate::flows::first_start::run(&db, &mut env).await?;
        user_attributes::complete(&db).await?;
        crate::flows::key_domain::check(&db, &config).await?;
        let keyring = KeyRing::load(db.clone()).await?;
        let passwords = PasswordPool::new(config.hashing, config.hashing_threads, config.hashing_queue);
        let node = u64::from_be_bytes(env.rng().bytes());
        let logs = LogWriter::start(db.clone(), node);
        let (catalog, counts) = (Catalog::new(db.clone()), Counts::default());
        Ok(Self(Arc::new(Seams { config, db, catalog, counts, clock, keyring, passwords, logs })))
    }

    /// Returns the world as one request sees it. Call it once a request: the clock is read here.
    pub fn env(&self) -> Env {
        let config = &self.0.config;
        Env { key_models: config.key_models.clone(), ..Env::new(self.0.clock.now(), config.issuer.clone()) }
    }

    /// Returns what was counted a moment ago.
    pub fn counts(&self) -> &Counts {
        &self.0.counts
    }

    /// Returns the settings.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Returns who we are on the wire.
    pub fn issuer(&self) -> &Issuer {
        &self.0.config.issuer
    }

    /// Returns the database.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// Returns the configuration that is kept in memory.
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// Returns the signing keys.
    pub fn keyring(&self) -> &KeyRing {
        &self.0.keyring
    }

    /// Returns the password hasher.
    pub fn passwords(&self) -> &PasswordPool {
        &self.0.passwords
    }

    /// Returns the writer of tenant logs.
    pub fn logs(&self) -> &LogWriter {
        &self.0.logs
    }

    /// Queues a tenant log record that stands alone; one about a change goes into the change's commit instead
    /// ([`LogWriter::insert`]).
    pub fn log(&self, env: &Env, event: &LogEvent) {
        self.0.logs.queue(env, event);
    }
}

/// Seals a known text at the first start and opens it at every later one: a wrong master key is found before it does harm.
async fn check_canary(db: &Db) -> Result<(), StartError> {
    let mut tx = db.write().await?;
    let sealed = hex(&tx.keys().seal(CANARY_TEXT, CANARY_PLACE));
    if !meta::create(&mut tx, CANARY, &sealed).await? {
        let stored = meta::find(&mut tx, CANARY).await?.unwrap_or_default();
        let opened = unhex(&stored).map(|bytes| tx.keys().open(&bytes, CANARY_PLACE));
        match opened {
            Some(Ok(text)) if text.as_slice() == CANARY_TEXT => {}
            Some(Err(error)) => return Err(StartError::WrongMasterKey(error.to_string())),
            _ => return Err(StartError::WrongMasterKey("the canary is damaged".to_owned())),
        }
    }
    tx.commit().await?;
    Ok(())
}

/// Seals the canary with the current master key; returns whether it lay under another.
pub(crate) async fn reseal_canary(tx: &mut Conn) -> Result<bool, DbError> {
    let stored = meta::find(tx, CANARY).await?.and_then(|text| unhex(&text));
    let damaged = || DbError::Corrupt("the canary is damaged".to_owned());
    let sealed = stored.ok_or_else(damaged)?;
    if !tx.keys().needs_reseal(&sealed) {
        return Ok(false);
    }
    let plain = tx.keys().open(&sealed, CANARY_PLACE)?;
    let sealed = hex(&tx.keys().seal(&plain, CANARY_PLACE));
    meta::save(tx, CANARY, &sealed).await?;
    Ok(true)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    (0..text.len()).step_by(2).map(|n| u8::from_str_radix(text.get(n..n + 2)?, 16).ok()).collect()
}

/// Returns new master keys from the system's randomness.
pub fn new_master_keys() -> MasterKeys {
    let rng: &mut dyn Rng = &mut SystemRng;
    MasterKeys::generate(rng)
}

#[cfg(test)]
mod tests {
    use lockstep_core::time::{SystemClock, Timestamp};

    use super::*;
    use crate::store::{clients, connections, resource_servers, testing};

    fn config() -> Config {
        Config::new(Issuer::parse("https://lockstep.test/").unwrap())
    }

    #[tokio::test]
    async fn the_first_start_makes_what_every_tenant_has_and_the_second_nothing() {
        for db in testing::databases().await {
            for _ in 0..2 {
                let app = App::open(config(), db.clone(), Arc::new(SystemClock)).await.unwrap();
                assert_eq!(app.keyring().jwks()["keys"].as_array().map(Vec::len), Some(2));
                let mut conn = db.read().await.unwrap();
                let api = resource_servers::find_by_identifier(&mut conn, "https://lockstep.test/api/v2/")
                    .await
                    .unwrap();
                assert!(api.unwrap().is_system());
                assert_eq!(clients::list_all(&mut conn).await.unwrap().len(), 1);
                let name = "Username-Password-Authentication";
                assert!(connections::find_by_name(&mut conn, name).await.unwrap().unwrap().allows_signup());
            }
        }
    }

    #[tokio::test]
    async fn a_wrong_master_key_is_found_at_start() {
        let folder = std::env::temp_dir().join(format!("lockstep-canary-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("lockstep.db");
        let db = Db::sqlite(&path, new_master_keys()).await.unwrap();
        App::open(config(), db.clone(), Arc::new(SystemClock)).await.unwrap();
        db.close().await;
        let other = Db::sqlite(&path, new_master_keys()).await.unwrap();
        let error = App::open(config(), other, Arc::new(SystemClock)).await.err().unwrap();
        assert!(matches!(error, StartError::WrongMasterKey(_)), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn queued_log_records_are_there_after_a_flush() {
        for db in testing::databases().await {
            let app = App::open(config(), db.clone(), Arc::new(SystemClock)).await.unwrap();
            let mut env = app.env();
            env.now = Timestamp::from_secs(1_770_055_315);
            for _ in 0..3 {
                app.log(&env, &LogEvent::new("fp", "Wrong email or password."));
            }
            app.logs().flush().await;
            let mut conn = db.read().await.unwrap();
            let records = crate::store::logs::list_between(&mut conn, "", "99", 10).await.unwrap();
            assert_eq!(records.len(), 3);
            assert_eq!(records[0]["type"], "fp");
            assert_eq!(records[0]["date"], "2026-02-02T18:01:55.000Z");
        }
    }
}
