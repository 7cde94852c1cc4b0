//! Public keys of clients that sign their own assertions (contract/management-api.md 7, credentials).

use lockstep_core::codes::ManagementCode;
use lockstep_core::crypto::jose::pem::PublicPem;
use lockstep_core::ids::{ClientId, CredentialId};
use lockstep_core::model::document::Document;
use lockstep_core::time::Timestamp;
use serde_json::{Map, Value, json};

use super::clients::load as load_client;
use super::validate::{Kind, Schema, nullable, optional, refused, required};
use super::{Call, Outcome};
use crate::store::credentials::{self, Credential};
use crate::store::db::Conn;

const DATE: Kind = Kind::Format("date-time", is_date);

/// What a new one is made of.
pub const CREATE: Schema = Schema::open(&[
    required("credential_type", Kind::OneOf(&["public_key", "cert_subject_dn", "x509_cert"])),
    optional("name", Kind::Text(0, 128)),
    optional("pem", Kind::Long(1, 8192)),
    optional("subject_dn", Kind::Long(1, 1024)),
    optional("alg", Kind::OneOf(&["RS256", "RS384", "PS256"])),
    optional("kid", Kind::Text(10, 64)),
    nullable("expires_at", DATE),
    optional("parse_expiry_from_cert", Kind::Bool),
]);

/// What may be changed.
pub const UPDATE: Schema = Schema::closed(&[nullable("expires_at", DATE)]);

/// The ways in which a client may authenticate with credentials.
const METHODS: [&str; 3] = ["private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"];

/// Lists a client's credentials. Always a plain array.
pub async fn list(call: &mut Call, client: &str) -> Outcome {
    let mut conn = call.app.db().read().await?;
    let client = load_client(&mut conn, client).await?;
    let all = credentials::list_of_client(&mut conn, &client.id).await?;
    let row = |credential: &Credential| {
        let mut row = render(credential);
        if row.get("expires_at").is_none() {
            row["expires_at"] = Value::Null;
        }
        row
    };
    Ok(all.iter().map(row).collect())
}

/// Adds a credential. It counts once the client's `client_authentication_methods` names it.
pub async fn create(call: &mut Call, client: &str, body: Option<Value>) -> Outcome {
    let body = CREATE.check(body)?;
    let mut tx = call.app.db().write().await?;
    let client = load_client(&mut tx, client).await?;
    let made = add(call, &mut tx, &client.id, body).await?;
    tx.commit().await?;
    Ok(render(&made))
}

/// Returns a credential.
pub async fn read(call: &mut Call, client: &str, id: &str) -> Outcome {
    let mut conn = call.app.db().read().await?;
    Ok(render(&load(&mut conn, client, id).await?))
}

/// Changes when a credential ends.
pub async fn update(call: &mut Call, client: &str, id: &str, body: Option<Value>) -> Outcome {
    let body = UPDATE.check(body)?;
    let mut tx = call.app.db().write().await?;
    let mut credential = load(&mut tx, client, id).await?;
    credential.data.patch(&body);
    credential.data.set("updated_at", call.env.now.to_iso());
    credentials::save(&mut tx, &credential).await?;
    tx.commit().await?;
    Ok(render(&credential))
}

/// Deletes a credential; assertions that it signed are refused from now on. None there is no error.
pub async fn delete(call: &mut Call, client: &str, id: &str) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    let client = load_client(&mut tx, client).await?;
    let Ok(id) = CredentialId::parse(id) else { return Ok(()) };
    credentials::delete(&mut tx, &client.id, &id).await?;
    tx.commit().await?;
    Ok(())
}

async fn load(conn: &mut Conn, client: &str, id: &str) -> Outcome<Credential> {
    let client = load_client(conn, client).await?;
    let id = CredentialId::parse(id).map_err(|_| ManagementCode::InexistentCredential)?;
    credentials::find(conn, &client.id, &id).await?.ok_or_else(|| ManagementCode::InexistentCredential.into())
}

/// Whole credentials in `client_authentication_methods`, taken out of a client's body: by method.
pub(super) type NewCredentials = Vec<(&'static str, Vec<Map<String, Value>>)>;

/// Takes whole credentials out of a body. References (`{"id": …}`) are left where they are.
pub(super) fn take_new(body: &mut Map<String, Value>) -> Outcome<Option<NewCredentials>> {
    let Some(Value::Object(methods)) = body.get("client_authentication_methods") else { return Ok(None) };
    let mut new = Vec::new();
    for method in METHODS {
        let given = methods.get(method).and_then(|m| m.get("credentials")).and_then(Value::as_array);
        let Some(given) = given else { continue };
        let whole: Vec<&Value> = given.iter().filter(|c| c.get("id").is_none()).collect();
        if whole.is_empty() {
            continue;
        }
        let checked =
            whole.into_iter().map(|c| CREATE.check(Some(c.clone()))).collect::<Outcome<Vec<_>>>()?;
        new.push((method, checked));
    }
    if new.is_empty() {
        return Ok(None);
    }
    body.remove("client_authentication_methods");
    Ok(Some(new))
}

/// Stores the credentials and returns `client_authentication_methods` twice: with references to them, as it is kept, and with the
/// credentials, as it is answered once.
pub(super) async fn create_all(
    call: &mut Call,
    tx: &mut Conn,
    client: &ClientId,
    new: NewCredentials,
) -> Outcome<(Value, Value)> {
    let (mut kept, mut shown) = (Map::new(), Map::new());
    for (method, bodies) in new {
        let (mut references, mut whole) = (Vec::new(), Vec::new());
        for body in bodies {
            let made = add(call, tx, client, body).await?;
            references.push(json!({"id": made.id}));
            whole.push(render(&made));
        }
        kept.insert(method.to_owned(), json!({"credentials": references}));
        shown.insert(method.to_owned(), json!({"credentials": whole}));
    }
    Ok((Value::Object(kept), Value::Object(shown)))
}

async fn add(
    call: &mut Call,
    tx: &mut Conn,
    client: &ClientId,
    body: Map<String, Value>,
) -> Outcome<Credential> {
    let mut data = Document(body);
    let pem = data.text("pem").map(str::to_owned);
    let kind = data.text("credential_type").unwrap_or_default().to_owned();
    if kind != "cert_subject_dn" && pem.is_none() {
        return Err(refused("Payload validation error: 'Missing required property: pem'."));
    }
    let from_certificate = data.flag("parse_expiry_from_cert").unwrap_or(false);
    if let Some(pem) = &pem {
        let parsed = PublicPem::parse(pem).map_err(|e| refused(format!("The pem is not valid: {e}.")))?;
        let thumbprint = parsed.thumbprint();
        if kind == "public_key" {
            let kid = data.text("kid").map_or(thumbprint, str::to_owned);
            data.set("kid", kid);
            let alg = data.text("alg").unwrap_or("RS256").to_owned();
            data.set("alg", alg);
        } else {
            data.set("thumbprint_sha256", thumbprint);
        }
        let ends_with_it = from_certificate || (kind == "x509_cert" && data.at("expires_at").is_none());
        if let Some(end) = parsed.not_after().filter(|_| ends_with_it) {
            data.set("expires_at", end.to_iso());
        }
    }
    for name in ["pem", "parse_expiry_from_cert"] {
        data.0.remove(name);
    }
    data.set("created_at", call.env.now.to_iso());
    data.set("updated_at", call.env.now.to_iso());
    let id = CredentialId::new(call.env.rng());
    let credential = Credential { id, client: client.clone(), data, pem };
    credentials::create(tx, &credential, call.env.now).await?;
    Ok(credential)
}

fn render(credential: &Credential) -> Value {
    let mut out = credential.data.0.clone();
    out.insert("id".to_owned(), json!(credential.id));
    Value::Object(out)
}

fn is_date(text: &str) -> bool {
    Timestamp::parse_iso(text).is_some()
}
