//! What people were sent.

use lockstep_core::model::message::{Message, MessageKind};
use lockstep_engine::store::outbox;

use super::app::TestApp;

impl TestApp {
    /// Returns every message, newest first.
    pub(crate) async fn outbox(&self) -> Vec<Message> {
        let mut conn = self.app.db().read().await.unwrap();
        outbox::list(&mut conn, 1000).await.unwrap().into_iter().map(|stored| stored.message).collect()
    }

    /// Returns the newest message of a kind.
    pub(crate) async fn message(&self, kind: MessageKind) -> Message {
        let all = self.outbox().await;
        let kinds: Vec<_> = all.iter().map(|message| message.kind).collect();
        let found = all.into_iter().find(|message| message.kind == kind);
        found.unwrap_or_else(|| panic!("no {kind:?} among {kinds:?}"))
    }

    /// Returns the code of the newest message that has one.
    pub(crate) async fn sent_code(&self) -> String {
        let all = self.outbox().await;
        all.into_iter().find_map(|message| message.code).expect("a code was sent")
    }

    /// Returns how many codes were sent.
    pub(crate) async fn codes_sent(&self) -> usize {
        self.outbox().await.iter().filter(|message| message.code.is_some()).count()
    }

    /// Switches on message types of the phone factor.
    pub(crate) async fn message_types(&self, types: &[&str]) {
        let mut tx = self.app.db().write().await.unwrap();
        let mut guardian = lockstep_engine::store::settings::guardian(&mut tx).await.unwrap();
        guardian.message_types = types.iter().map(|t| (*t).to_owned()).collect();
        lockstep_engine::store::settings::save_guardian(&mut tx, &guardian, self.now()).await.unwrap();
        tx.commit().await.unwrap();
    }
}
