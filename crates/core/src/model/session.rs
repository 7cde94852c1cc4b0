//! A browser session: who logged in here, when, and with what proof.

use serde::{Deserialize, Serialize};

use crate::assurance::Methods;
use crate::ids::{ClientId, SessionId, UserId};
use crate::model::settings::SessionLifetimes;
use crate::time::Timestamp;

/// A session. The cookie holds a secret handle; only its hash is stored.
#[derive(Clone, Debug)]
pub struct Session {
    /// The `sid` claim; stays when the handle rotates.
    pub id: SessionId,
    /// Who.
    pub user: UserId,
    /// What has been proven in it.
    pub methods: Methods,
    /// When the last interactive ceremony ended (contract/step-up-and-claims.md 5).
    pub auth_time: Timestamp,
    /// The applications that used it.
    pub clients: Vec<ClientId>,
    /// Where it was made and used.
    pub device: Device,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was used last.
    pub last_used_at: Timestamp,
    /// When it ends unless used.
    pub idle_expires_at: Timestamp,
    /// When it ends in any case.
    pub expires_at: Timestamp,
}

/// Addresses and browsers of a session or grant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Address at the beginning.
    pub initial_ip: Option<String>,
    /// Browser at the beginning.
    pub initial_user_agent: Option<String>,
    /// Address at the last use.
    pub last_ip: Option<String>,
    /// Browser at the last use.
    pub last_user_agent: Option<String>,
}

impl Device {
    /// Returns the device of something that begins now.
    pub fn first(ip: Option<&str>, user_agent: Option<&str>) -> Self {
        let (ip, user_agent) = (ip.map(str::to_owned), user_agent.map(str::to_owned));
        Self {
            initial_ip: ip.clone(),
            initial_user_agent: user_agent.clone(),
            last_ip: ip,
            last_user_agent: user_agent,
        }
    }
}

impl Session {
    /// Returns whether it still counts at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.idle_expires_at && now < self.expires_at
    }

    /// Notes a use: the idle timer starts again. Shorter lifetimes apply at once, longer ones to new sessions only.
    pub fn touch(&mut self, now: Timestamp, lifetimes: SessionLifetimes) {
        self.last_used_at = now;
        self.expires_at = self.expires_at.min(self.created_at + lifetimes.absolute);
        self.idle_expires_at = (now + lifetimes.idle).min(self.expires_at);
    }
}
