//! The twin's signing keys. Making RSA keys takes longer than the rest of the start, so they are made at the first start on this
//! machine and kept in the cache folder, for its owner only. `serve` has keys of its own, sealed in its database.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockstep_core::crypto::jose::{Alg, SigningKey};
use lockstep_core::env::Env;
use lockstep_core::ids::KeyId;
use lockstep_engine::keyring;
use lockstep_engine::store::db::Db;
use lockstep_engine::store::keys;

use super::Failure;
use crate::files;

/// How many there are: the current one and the next.
const COUNT: usize = 2;

/// Puts this machine's keys into a database that has none yet.
pub(crate) async fn import(db: &Db, env: &mut Env) -> Result<(), Failure> {
    db.migrate().await?;
    let mut tx = db.write().await?;
    if keys::list_all(&mut tx).await?.is_empty() {
        keyring::import(&mut tx, &load_or_make(env)?, env.now).await?;
        tx.commit().await?;
    }
    Ok(())
}

fn load_or_make(env: &mut Env) -> Result<Vec<SigningKey>, Failure> {
    let path = files::cache_folder().join("signing-keys");
    if let Some(keys) = std::fs::read_to_string(&path).ok().and_then(|text| parse(&text)) {
        return Ok(keys);
    }
    let mut text = String::from(
        "# Signing keys of the twins on this machine (RS256). Delete this file to get new ones.\n",
    );
    for _ in 0..COUNT {
        let key = SigningKey::generate(Alg::RS256)?;
        let pkcs8 = key.to_pkcs8()?;
        text.push_str(&format!("{}:{}\n", KeyId::new(env.rng()), STANDARD.encode(&*pkcs8)));
    }
    // Twins that start at the same time may each write; any of the files is whole, and what counts is what this one uses.
    files::write_private(&path, text.as_bytes())
        .map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    parse(&text).ok_or_else(|| Failure::new("the signing keys just made cannot be read"))
}

fn parse(text: &str) -> Option<Vec<SigningKey>> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let keys: Option<Vec<SigningKey>> = lines
        .map(|line| {
            let (kid, key) = line.split_once(':')?;
            SigningKey::from_pkcs8(Alg::RS256, kid, &STANDARD.decode(key.trim()).ok()?).ok()
        })
        .collect();
    keys.filter(|keys| keys.len() == COUNT)
}
