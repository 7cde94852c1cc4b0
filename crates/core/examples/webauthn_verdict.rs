//! Says what we make of answers of keys: one JSON object a line in, one verdict a line out. To be compared with another implementation's.
//!
//! ```text
//! {"options": …creation options…, "origin": "https://a.example", "response": …credential…}
//! {"options": …request options…, "origin": …, "response": …, "credential": {"public_key": base64url, "sign_count": 7, "user_handle": base64url}}
//! ```
//!
//! With `"metadata"` (the payload of a FIDO metadata BLOB) and `"now"` (seconds) in a line, a new key has to prove a model that it names.
//!
//! `options` are those that the browser was given (with `rp` or `rpId`), `origin` is the page that may ask. The verdict is `accepted`, with
//! what is known of the key from then on, or `refused`, with the reason.

use std::io::{self, BufRead as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lockstep_core::factors::webauthn::attestation::{Demand, Models};
use lockstep_core::factors::webauthn::ceremony::{self, Expected, KeyState, Known};
use lockstep_core::factors::{RelyingParty, UserVerification};
use lockstep_core::time::Timestamp;
use serde_json::{Value, json};

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let verdict = match judge(&line) {
            Ok(known) => json!({"verdict": "accepted", "credential": known}),
            Err(reason) => json!({"verdict": "refused", "reason": reason}),
        };
        writeln!(out, "{verdict}")?;
    }
    Ok(())
}

fn judge(line: &str) -> Result<Value, String> {
    let case: Value = serde_json::from_str(line).map_err(|error| format!("no case: {error}"))?;
    let options = &case["options"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let creation = options.get("rp").is_some();
    let (id, verification) = if creation {
        (text(&options["rp"]["id"]), text(&options["authenticatorSelection"]["userVerification"]))
    } else {
        (text(&options["rpId"]), text(&options["userVerification"]))
    };
    let relying_party = RelyingParty::parse(&id, &[text(&case["origin"]).as_str()])
        .map_err(|error| format!("no case: {error}"))?;
    let challenge = text(&options["challenge"]);
    let expected = Expected {
        challenge: &challenge,
        relying_party: &relying_party,
        user_verification: UserVerification::parse(&verification).unwrap_or(UserVerification::Preferred),
    };
    let response = case["response"].to_string();
    let ids = |list: &Value| -> Vec<Vec<u8>> {
        let all = list.as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter().filter_map(|key| bytes(&key["id"])).collect()
    };
    let models = case.get("metadata").map(|metadata| Models::read(&metadata.to_string(), &[]));
    let models = models.transpose().map_err(|error| format!("no case: {error}"))?;
    let now = Timestamp::from_secs(case["now"].as_i64().unwrap_or_default());
    let demand = models.as_ref().map(|models| Demand { models, now });
    if creation {
        let new = ceremony::register(&response, expected, &ids(&options["excludeCredentials"]), demand)
            .map_err(|refused| refused.to_string())?;
        let mut known = state(new.state);
        known["id"] = json!(URL_SAFE_NO_PAD.encode(new.credential_id));
        known["public_key"] = json!(URL_SAFE_NO_PAD.encode(new.public_key));
        known["format"] = json!(new.attestation_format);
        return Ok(known);
    }
    let allowed = ids(&options["allowCredentials"]);
    let credential_id = ceremony::key_of(&response).ok_or("the answer is malformed")?;
    if !allowed.is_empty() && !allowed.contains(&credential_id) {
        return Err("the answer is of another key".to_owned());
    }
    let known = Known {
        credential_id,
        public_key: bytes(&case["credential"]["public_key"]).ok_or("no case: no public key")?,
        user_handle: case["credential"]["user_handle"].as_str().map(str::to_owned),
        sign_count: case["credential"]["sign_count"].as_i64(),
    };
    let right = ceremony::assert(&response, expected, &known).map_err(|refused| refused.to_string())?;
    Ok(state(right.state))
}

fn state(state: KeyState) -> Value {
    json!({
        "sign_count": state.sign_count, "user_verified": state.user_verified,
        "backup_eligible": state.backup_eligible, "backed_up": state.backed_up,
    })
}

fn bytes(text: &Value) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.as_str()?).ok()
}
