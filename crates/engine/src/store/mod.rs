//! SQL and nothing else: one file an aggregate, no decisions.
//!
//! The verbs are fixed: `find` may return none, `list` pages, `create`, `save`, `delete`, and `claim` for what may be spent
//! once. Secret columns are sealed here and nowhere else, with `table:column:row` as associated data.

pub mod action_modules;
pub mod actions;
pub mod assertion_ids;
pub mod authenticators;
pub mod authorization_codes;
pub mod buckets;
pub mod ceremonies;
pub mod client_grants;
pub mod clients;
pub mod connections;
pub mod consents;
pub mod counts;
pub mod credentials;
pub mod db;
pub mod decisions;
pub mod declined_offers;
pub mod device_credentials;
pub mod encryption_keys;
pub mod grants;
pub mod jobs;
pub mod keys;
pub mod linked_accounts;
pub mod log_streams;
pub mod login_codes;
pub mod logs;
pub mod looks;
pub mod meta;
pub mod methods;
mod milestones;
pub mod opaque_tokens;
pub mod outbox;
pub mod passkeys;
pub mod pushed_requests;
pub mod remembered_browsers;
pub mod resource_servers;
pub mod roles;
pub mod sealed;
pub mod search;
pub mod sessions;
pub mod settings;
pub mod snapshots;
pub mod tickets;
pub mod transactions;
pub mod user_attributes;
pub mod user_handles;
pub mod user_lists;
pub mod user_search;
pub mod users;

#[cfg(test)]
mod contract;
#[cfg(test)]
pub(crate) mod testing;
