//! Clients, APIs, client grants, connections and settings, kept in memory for the token endpoint; how pages look, for the pages.
//!
//! A machine asks for a token often and its configuration changes rarely; reading three rows takes as long as signing does. What is
//! kept is dropped as soon as this process changes any of it ([`Db::configuration`]), so nobody who waited for a change to be
//! acknowledged is answered from before it. What another process changed counts after [`FRESH`] at the latest.
//!
//! Only what exists is kept: what attackers make up takes no room.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lockstep_core::ids::ClientId;
use lockstep_core::model::attack_protection::BruteForce;
use lockstep_core::model::client::Client;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::resource_server::{ClientGrant, ResourceServer};
use lockstep_core::model::settings::{Guardian, TenantSettings};

use crate::store::db::{Conn, Db, DbError};
use crate::store::looks::{self, Look};
use crate::store::{client_grants, clients, connections, resource_servers, settings};

/// How long a change of another process may go unseen.
pub const FRESH: Duration = Duration::from_secs(1);

/// Configuration kept in memory.
pub struct Catalog {
    db: Db,
    fresh: Duration,
    kept: Mutex<Kept>,
}

struct Kept {
    /// The configuration that it was read from.
    configuration: u64,
    since: Instant,
    clients: HashMap<ClientId, Arc<Client>>,
    apis: HashMap<String, Arc<ResourceServer>>,
    /// What clients may ask of APIs for themselves.
    grants: HashMap<(ClientId, String), Arc<ClientGrant>>,
    /// What clients may ask of APIs for people; most have no grant at all, and that is worth keeping too.
    user_grants: HashMap<(ClientId, String), Arc<Option<ClientGrant>>>,
    /// Connections by name.
    connections: HashMap<String, Arc<Connection>>,
    guardian: Option<Arc<Guardian>>,
    tenant: Option<Arc<TenantSettings>>,
    brute_force: Option<Arc<BruteForce>>,
    look: Option<Arc<Look>>,
}

impl Catalog {
    /// Starts with nothing kept.
    pub fn new(db: Db) -> Self {
        Self::keeping_for(FRESH, db)
    }

    fn keeping_for(fresh: Duration, db: Db) -> Self {
        let kept = Mutex::new(Kept::empty(db.configuration()));
        Self { db, fresh, kept }
    }

    /// Returns the client with this id.
    pub async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, DbError> {
        self.find(id, |kept| &mut kept.clients, async |conn| clients::find(conn, id).await).await
    }

    /// Returns the API with this identifier.
    pub async fn api(&self, identifier: &str) -> Result<Option<Arc<ResourceServer>>, DbError> {
        let key = identifier.to_owned();
        let read = async |conn: &mut Conn| resource_servers::find_by_identifier(conn, identifier).await;
        self.find(&key, |kept| &mut kept.apis, read).await
    }

    /// Returns what a client may ask of an API for itself.
    pub async fn machine_grant(
        &self,
        client: &ClientId,
        audience: &str,
    ) -> Result<Option<Arc<ClientGrant>>, DbError> {
        let key = (client.clone(), audience.to_owned());
        let read = async |conn: &mut Conn| client_grants::find_for(conn, client, audience, "client").await;
        self.find(&key, |kept| &mut kept.grants, read).await
    }

    /// The same as [`Catalog::api`] for somebody in a transaction, which has not changed any configuration.
    pub async fn api_in(
        &self,
        conn: &mut Conn,
        identifier: &str,
    ) -> Result<Option<Arc<ResourceServer>>, DbError> {
        let read = async |conn: &mut Conn| resource_servers::find_by_identifier(conn, identifier).await;
        self.find_in(conn, &identifier.to_owned(), |kept| &mut kept.apis, read).await
    }

    /// Returns the connection of this name, for somebody in a transaction, which has not changed any configuration.
    pub async fn connection_in(
        &self,
        conn: &mut Conn,
        name: &str,
    ) -> Result<Option<Arc<Connection>>, DbError> {
        let read = async |conn: &mut Conn| connections::find_by_name(conn, name).await;
        self.find_in(conn, &name.to_owned(), |kept| &mut kept.connections, read).await
    }

    /// Returns the tenant's MFA settings, for somebody in a transaction, which has not changed any configuration.
    pub async fn guardian_in(&self, conn: &mut Conn) -> Result<Arc<Guardian>, DbError> {
        self.one_in(conn, |kept| &mut kept.guardian, settings::guardian).await
    }

    /// Returns the tenant settings, for somebody in a transaction, which has not changed any configuration.
    pub async fn tenant_in(&self, conn: &mut Conn) -> Result<Arc<TenantSettings>, DbError> {
        self.one_in(conn, |kept| &mut kept.tenant, settings::tenant).await
    }

    /// Returns the settings of brute-force protection, for somebody in a transaction, which has not changed any configuration.
    pub async fn brute_force_in(&self, conn: &mut Conn) -> Result<Arc<BruteForce>, DbError> {
        self.one_in(conn, |kept| &mut kept.brute_force, settings::brute_force).await
    }

    /// Returns how pages look and what they say.
    pub async fn look(&self) -> Result<Arc<Look>, DbError> {
        let kept = self.with_kept(self.db.configuration(), |kept| kept.look.clone()).flatten();
        match kept {
            Some(found) => Ok(found),
            None => self.one_in(&mut self.db.read().await?, |kept| &mut kept.look, looks::load).await,
        }
    }

    async fn one_in<T>(
        &self,
        conn: &mut Conn,
        room: impl Fn(&mut Kept) -> &mut Option<Arc<T>>,
        read: impl AsyncFnOnce(&mut Conn) -> Result<T, DbError>,
    ) -> Result<Arc<T>, DbError> {
        let configuration = self.db.configuration();
        if let Some(found) = self.with_kept(configuration, |kept| room(kept).clone()).flatten() {
            return Ok(found);
        }
        let found = Arc::new(read(conn).await?);
        self.with_kept(configuration, |kept| *room(kept) = Some(Arc::clone(&found)));
        Ok(found)
    }

    /// Returns what a client may ask of an API for people, in a transaction that has not changed any configuration. Both exist: what is kept
    /// has its bounds.
    pub async fn user_grant(
        &self,
        conn: &mut Conn,
        client: &ClientId,
        audience: &str,
    ) -> Result<Arc<Option<ClientGrant>>, DbError> {
        let configuration = self.db.configuration();
        let key = (client.clone(), audience.to_owned());
        let kept = |kept: &mut Kept| kept.user_grants.get(&key).cloned();
        if let Some(found) = self.with_kept(configuration, kept).flatten() {
            return Ok(found);
        }
        let found = Arc::new(client_grants::find_for(conn, client, audience, "user").await?);
        self.with_kept(configuration, |kept| kept.user_grants.insert(key, Arc::clone(&found)));
        Ok(found)
    }

    async fn find<K: Clone + Eq + Hash, T>(
        &self,
        key: &K,
        room: impl Fn(&mut Kept) -> &mut HashMap<K, Arc<T>>,
        read: impl AsyncFnOnce(&mut Conn) -> Result<Option<T>, DbError>,
    ) -> Result<Option<Arc<T>>, DbError> {
        let configuration = self.db.configuration();
        if let Some(found) = self.with_kept(configuration, |kept| room(kept).get(key).cloned()).flatten() {
            return Ok(Some(found));
        }
        self.find_in(&mut self.db.read().await?, key, room, read).await
    }

    async fn find_in<K: Clone + Eq + Hash, T>(
        &self,
        conn: &mut Conn,
        key: &K,
        room: impl Fn(&mut Kept) -> &mut HashMap<K, Arc<T>>,
        read: impl AsyncFnOnce(&mut Conn) -> Result<Option<T>, DbError>,
    ) -> Result<Option<Arc<T>>, DbError> {
        // Noted before reading: if it changes meanwhile, what is read may be older and is not kept.
        let configuration = self.db.configuration();
        if let Some(found) = self.with_kept(configuration, |kept| room(kept).get(key).cloned()).flatten() {
            return Ok(Some(found));
        }
        let Some(found) = read(conn).await?.map(Arc::new) else { return Ok(None) };
        self.with_kept(configuration, |kept| room(kept).insert(key.clone(), Arc::clone(&found)));
        Ok(Some(found))
    }

    /// Gives access to what is kept of this configuration, made empty if it is too old; none if something newer is kept.
    fn with_kept<R>(&self, configuration: u64, act: impl FnOnce(&mut Kept) -> R) -> Option<R> {
        let mut kept = self.kept.lock().expect("no code panics while it holds this lock");
        if kept.configuration < configuration || kept.since.elapsed() > self.fresh {
            *kept = Kept::empty(configuration);
        }
        (kept.configuration == configuration).then(|| act(&mut kept))
    }
}

impl Kept {
    fn empty(configuration: u64) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "how old a copy is has nothing to do with the tenant's clock"
        )]
        let since = Instant::now();
        Self {
            configuration,
            since,
            clients: HashMap::new(),
            apis: HashMap::new(),
            grants: HashMap::new(),
            user_grants: HashMap::new(),
            connections: HashMap::new(),
            guardian: None,
            tenant: None,
            brute_force: None,
            look: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_core::ids::{ConnectionId, ResourceServerId};
    use lockstep_core::model::document::Document;
    use lockstep_core::time::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::store::testing;

    const API: &str = "https://api.example/";

    fn api(scope: &str) -> ResourceServer {
        let now = Timestamp::from_secs(1_770_055_315);
        let mut data = Document::default();
        data.set("scopes", json!([{"value": scope}]));
        ResourceServer {
            id: ResourceServerId::trusted("64f0c1a2b3d4e5f6a7b8c9d0"),
            identifier: API.to_owned(),
            data,
            created_at: now,
            updated_at: now,
        }
    }

    async fn scope(catalog: &Catalog) -> Option<String> {
        let api = catalog.api(API).await.unwrap()?;
        api.scopes().next().map(str::to_owned)
    }

    /// Long enough that no test outlasts it.
    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn an_acknowledged_change_counts_at_once_and_a_rolled_back_one_never() {
        for db in testing::databases().await {
            let catalog = Catalog::keeping_for(LONG, db.clone());
            assert_eq!(scope(&catalog).await, None);
            let mut stored = api("old");
            let mut tx = db.write().await.unwrap();
            resource_servers::create(&mut tx, &stored).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(scope(&catalog).await.as_deref(), Some("old"), "what is unknown is not kept");

            stored.data.set("scopes", json!([{"value": "new"}]));
            let mut tx = db.write().await.unwrap();
            resource_servers::save(&mut tx, &stored).await.unwrap();
            drop(tx);
            assert_eq!(scope(&catalog).await.as_deref(), Some("old"));
            let mut tx = db.write().await.unwrap();
            resource_servers::save(&mut tx, &stored).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(scope(&catalog).await.as_deref(), Some("new"));

            let mut tx = db.write().await.unwrap();
            resource_servers::delete(&mut tx, &stored.id).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(scope(&catalog).await, None);
        }
    }

    #[tokio::test]
    async fn a_changed_policy_or_connection_counts_at_once() {
        for db in testing::databases().await {
            let catalog = Catalog::keeping_for(LONG, db.clone());
            let now = Timestamp::from_secs(1_770_055_315);
            let mut connection = Connection {
                id: ConnectionId::trusted("con_0123456789abcdef"),
                name: "people".to_owned(),
                data: Document::default(),
                created_at: now,
                updated_at: now,
            };
            let mut tx = db.write().await.unwrap();
            connections::create(&mut tx, &connection).await.unwrap();
            tx.commit().await.unwrap();
            let mut conn = db.read().await.unwrap();
            assert!(!catalog.guardian_in(&mut conn).await.unwrap().always());
            assert!(catalog.connection_in(&mut conn, "people").await.unwrap().unwrap().mfa_active());
            drop(conn);

            connection.data.set("options", json!({"mfa": {"active": false}}));
            let always = Guardian { policies: vec!["all-applications".to_owned()], ..Guardian::default() };
            let mut tx = db.write().await.unwrap();
            connections::save(&mut tx, &connection).await.unwrap();
            settings::save_guardian(&mut tx, &always, now).await.unwrap();
            tx.commit().await.unwrap();
            let mut conn = db.read().await.unwrap();
            assert!(catalog.guardian_in(&mut conn).await.unwrap().always());
            assert!(!catalog.connection_in(&mut conn, "people").await.unwrap().unwrap().mfa_active());
        }
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_kept_after_it() {
        for db in testing::databases().await {
            let catalog = Catalog::keeping_for(LONG, db.clone());
            let mut tx = db.write().await.unwrap();
            resource_servers::create(&mut tx, &api("old")).await.unwrap();
            tx.commit().await.unwrap();
            // The change comes between the reading and the keeping.
            let read = async |conn: &mut Conn| {
                let old = resource_servers::find_by_identifier(conn, API).await;
                db.configuration_changed();
                old
            };
            let old = catalog.find(&API.to_owned(), |kept| &mut kept.apis, read).await.unwrap();
            assert!(old.is_some());
            let kept = catalog.with_kept(db.configuration(), |kept| kept.apis.len());
            assert_eq!(kept, Some(0));
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_not_read_again_until_it_is_old() {
        for db in testing::databases().await {
            let mut tx = db.write().await.unwrap();
            resource_servers::create(&mut tx, &api("a")).await.unwrap();
            tx.commit().await.unwrap();
            for (fresh, expected) in [(LONG, 1), (Duration::ZERO, 2)] {
                let catalog = Catalog::keeping_for(fresh, db.clone());
                let mut reads = 0;
                for _ in 0..2 {
                    let read = async |conn: &mut Conn| {
                        reads += 1;
                        resource_servers::find_by_identifier(conn, API).await
                    };
                    catalog.find(&API.to_owned(), |kept| &mut kept.apis, read).await.unwrap().unwrap();
                }
                assert_eq!(reads, expected, "{fresh:?}");
            }
        }
    }
}
