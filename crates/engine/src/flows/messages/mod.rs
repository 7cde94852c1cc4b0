//! What messages say: our words in the person's language, or the templates that the tenant wrote.
//!
//! Nothing here sends. A [`Written`] goes to the outbox in the commit of the change it tells about.

pub mod template;
mod words;

use lockstep_core::env::Env;
use lockstep_core::factors::{FactorKind, masked};
use lockstep_core::ids::MessageId;
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::client::Client;
use lockstep_core::model::message::{Channel, CodeToSend, Message, MessageKind, Purpose};
use lockstep_core::model::settings::{Guardian, TenantSettings};
use lockstep_core::model::user::User;
use lockstep_core::time::Timestamp;
use serde_json::{Value, json};

use crate::store::db::{Conn, DbError};
use crate::store::{outbox, settings};

/// The setting with the mail templates that the tenant wrote: template name → document.
pub const EMAIL_TEMPLATES: &str = "email_templates";
/// The setting with the telephone templates that the tenant wrote: a list of documents.
pub const PHONE_TEMPLATES: &str = "branding.phone.templates";

/// Who a message is for, and from.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// The tenant.
    pub tenant: &'a TenantSettings,
    /// The application that the person comes from.
    pub client: Option<&'a Client>,
    /// The person, where there is an account.
    pub user: Option<&'a User>,
    /// The language, by its code.
    pub language: &'a str,
    /// The host of the issuer.
    pub host: &'a str,
}

/// A message, written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The subject of a mail.
    pub subject: String,
    /// The text; of a call, what is spoken.
    pub text: String,
    /// The HTML of a mail.
    pub html: Option<String>,
    /// The sender that the template names.
    pub from: Option<String>,
    /// The code in it.
    pub code: Option<String>,
}

/// The templates that the tenant wrote for codes.
#[derive(Clone, Debug, Default)]
pub struct CodeTemplates {
    text: Option<String>,
    voice: Option<String>,
    mail: Option<Value>,
}

impl CodeTemplates {
    /// Returns these templates of a text message and a call.
    pub fn of(text: Option<String>, voice: Option<String>) -> Self {
        // A placeholder that people use beside Liquid's.
        let liquid = |text: Option<String>| text.map(|text| text.replace("@{code}", "{{ code }}"));
        Self { text: liquid(text), voice: liquid(voice), mail: None }
    }

    /// Loads those for a purpose. Templates of `branding/phone/templates` count more than those of `guardian/factors/phone/templates`.
    pub async fn load(conn: &mut Conn, guardian: &Guardian, code: &CodeToSend) -> Result<Self, DbError> {
        let enrols = code.purpose == Purpose::Enrolment;
        if code.channel == Channel::Email {
            let name =
                if code.purpose == Purpose::Passwordless { "auth_email_by_code" } else { "mfa_oob_code" };
            return Ok(Self { mail: email_template(conn, name).await?, ..Self::default() });
        }
        let all: Value = settings::find(conn, PHONE_TEMPLATES).await?.unwrap_or_default();
        let kind = if enrols { "otp_enroll" } else { "otp_verify" };
        let branded = all
            .as_array()
            .into_iter()
            .flatten()
            .find(|template| template["type"] == kind && template["disabled"].as_bool() != Some(true));
        if let Some(body) = branded.map(|template| &template["content"]["body"]) {
            let text = |name: &str| body[name].as_str().map(str::to_owned);
            return Ok(Self::of(text("text"), text("voice")));
        }
        let name = if enrols { "enrollment_message" } else { "verification_message" };
        let legacy = guardian.other.get("phone.templates").and_then(|all| all[name].as_str());
        Ok(Self::of(legacy.map(str::to_owned), legacy.map(str::to_owned)))
    }
}

/// Returns a mail template that the tenant wrote and switched on.
async fn email_template(conn: &mut Conn, name: &str) -> Result<Option<Value>, DbError> {
    let all: Value = settings::find(conn, EMAIL_TEMPLATES).await?.unwrap_or_default();
    Ok(all.get(name).filter(|template| template["enabled"].as_bool() == Some(true)).cloned())
}

/// Writes the message with a code.
pub fn code(about: &About<'_>, templates: &CodeTemplates, code: &CodeToSend) -> Written {
    let written = match code.channel {
        Channel::Sms => sms(about, templates, code),
        Channel::Voice => voice(about, templates, code),
        Channel::Email => mail_with_code(about, templates, code),
    };
    Written { code: Some(code.code.clone()), ..written }
}

/// The last line binds the code to our host: phones offer it on our pages only.
fn sms(about: &About<'_>, templates: &CodeTemplates, code: &CodeToSend) -> Written {
    let values = about.values(&json!({"code": code.code, "message_type": "sms", "pause": ""}));
    let own = || {
        let key = match code.purpose {
            Purpose::Challenge => "sms.challenge",
            Purpose::Enrolment => "sms.enrolment",
            Purpose::Passwordless => "sms.passwordless",
        };
        about.say(key, &[("code", &code.code)])
    };
    let text = templates.text.as_deref().and_then(|t| template::text(t, &values).ok());
    let text = text.filter(|text| text.contains(&code.code)).unwrap_or_else(own);
    let bound = format!("@{} #{}", about.host, code.code);
    let ends_with_it = text.trim_end().lines().last() == Some(&bound);
    let text = if ends_with_it { text } else { format!("{}\n\n{bound}", text.trim_end()) };
    Written { text, ..Written::default() }
}

/// Digits are said one by one, and all of it twice: who has to write it down hears it once too early.
fn voice(about: &About<'_>, templates: &CodeTemplates, code: &CodeToSend) -> Written {
    let digits = code.code.chars().map(String::from).collect::<Vec<_>>().join(", ");
    let values = about.values(&json!({"code": digits, "message_type": "voice", "pause": ","}));
    let own = || about.say("voice.code", &[("code", &digits)]);
    let spoken = templates.voice.as_deref().and_then(|t| template::text(t, &values).ok());
    let spoken = spoken.filter(|text| text.contains(&digits)).unwrap_or_else(own);
    let twice = spoken.matches(&digits).count() >= 2;
    let text = if twice { spoken } else { format!("{spoken} {spoken}") };
    Written { text, ..Written::default() }
}

fn mail_with_code(about: &About<'_>, templates: &CodeTemplates, code: &CodeToSend) -> Written {
    let values = about.values(&json!({"code": code.code, "message_type": "email"}));
    let (lead, rest) = match code.purpose {
        Purpose::Challenge => ("code.lead.challenge", "code.rest"),
        Purpose::Enrolment => ("code.lead.enrolment", "code.rest"),
        Purpose::Passwordless => ("code.lead.passwordless", "code.rest.passwordless"),
    };
    let own = || {
        let lead = about.say(lead, &[]);
        let rest = about.say(rest, &[]);
        let subject = about.say("code.subject", &[("code", &code.code)]);
        let text = format!("{lead}\n\n{}\n\n{rest}\n\n@{} #{}\n", code.code, about.host, code.code);
        let shown = format!(
            "<p style=\"font:600 32px/1.4 ui-monospace,monospace;letter-spacing:.2em\" dir=\"ltr\">{}</p>",
            escape(&code.code)
        );
        let html = about.page(&subject, &[&paragraph(&lead), &shown, &paragraph(&rest)]);
        Written { subject, text, html: Some(html), ..Written::default() }
    };
    about.by_template(templates.mail.as_ref(), &values, &code.code).unwrap_or_else(own)
}

/// Which mail with a link it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// To set a new password.
    Reset,
    /// To enrol a factor.
    Enrolment,
    /// To prove the address.
    Verification,
}

/// Writes a mail with a link.
pub async fn link(conn: &mut Conn, about: &About<'_>, kind: Link, url: &str) -> Result<Written, DbError> {
    let (name, template) = match kind {
        Link::Reset => ("reset", "reset_email"),
        Link::Enrolment => ("enrollment", "enrollment_email"),
        Link::Verification => ("verification", "verify_email"),
    };
    let stored = email_template(conn, template).await?;
    let values = about.values(&json!({"url": url, "link": url}));
    let own = || {
        let say = |part: &str| about.say(&format!("{name}.{part}"), &[]);
        let (subject, lead, button, rest) = (say("subject"), say("lead"), say("button"), say("rest"));
        let text = format!("{lead}\n\n{button}:\n{url}\n\n{rest}\n");
        let action = format!(
            "<p><a href=\"{link}\" style=\"display:inline-block;padding:12px 24px;border-radius:6px;\
             background:#1f2328;color:#fff;text-decoration:none\">{button}</a></p>\
             <p style=\"word-break:break-all\" dir=\"ltr\">{link}</p>",
            link = escape(url),
            button = escape(&button)
        );
        let html = about.page(&subject, &[&paragraph(&lead), &action, &paragraph(&rest)]);
        Written { subject, text, html: Some(html), ..Written::default() }
    };
    Ok(about.by_template(stored.as_ref(), &values, url).unwrap_or_else(own))
}

/// Puts a written mail into the outbox.
pub async fn queue(
    tx: &mut Conn,
    env: &mut Env,
    about: &About<'_>,
    kind: MessageKind,
    recipient: String,
    written: Written,
    expires_at: Timestamp,
) -> Result<(), DbError> {
    let message = Message {
        kind,
        user: about.user.map(|user| user.id.clone()),
        recipient,
        subject: written.subject,
        text: written.text,
        html: written.html,
        from: written.from,
        code: written.code,
        language: about.language.to_owned(),
        expires_at,
    };
    outbox::create(tx, &MessageId::new(env.rng()), &message, env.now).await
}

/// What a person is told about their account.
#[derive(Clone, Debug)]
pub enum Notice<'a> {
    /// A factor was added.
    Added(&'a Authenticator),
    /// A factor was removed.
    Removed(FactorKind, Option<String>),
    /// A key was used that there may be a copy of.
    KeyCopied(&'a Authenticator),
    /// The same of a passkey, with its label.
    PasskeyCopied(Option<&'a str>),
    /// A passkey was added.
    PasskeyAdded,
    /// A passkey was removed, with its label.
    PasskeyRemoved(Option<&'a str>),
    /// There is a new recovery code.
    NewRecoveryCode,
    /// The recovery code was used.
    RecoveryCodeUsed,
    /// An administrator removed all factors.
    Reset,
    /// The password was changed.
    NewPassword,
    /// An account was linked, with its name.
    Linked(&'a str),
}

/// Writes a notice. It holds no link: a mail that asks to click is what thieves send too.
pub fn notice(about: &About<'_>, notice: &Notice<'_>) -> Written {
    let (key, what) = match notice {
        Notice::Added(on) => ("notice.added", about.name(on.kind, masked(on).as_deref())),
        Notice::Removed(kind, to) => ("notice.removed", about.name(*kind, to.as_deref())),
        Notice::KeyCopied(on) => {
            ("notice.copied", on.name.clone().unwrap_or_else(|| about.name(on.kind, None)))
        }
        Notice::PasskeyCopied(label) => {
            let name = || words::say(about.language, "factor.passkey", &[]);
            ("notice.copied", label.map_or_else(name, str::to_owned))
        }
        Notice::PasskeyAdded => ("notice.passkey_added", String::new()),
        Notice::PasskeyRemoved(None) => ("notice.passkey_removed", String::new()),
        Notice::PasskeyRemoved(Some(label)) => ("notice.passkey_removed_named", (*label).to_owned()),
        Notice::NewRecoveryCode => ("notice.recovery", String::new()),
        Notice::RecoveryCodeUsed => ("notice.recovery_used", String::new()),
        Notice::Reset => ("notice.reset", String::new()),
        Notice::NewPassword => ("notice.password", String::new()),
        Notice::Linked(name) => ("notice.linked", (*name).to_owned()),
    };
    let (subject, rest) = match notice {
        Notice::KeyCopied(_) | Notice::PasskeyCopied(_) => ("notice.copied.subject", "notice.copied.rest"),
        _ => ("notice.subject", "notice.rest"),
    };
    let (subject, rest) = (about.say(subject, &[]), about.say(rest, &[]));
    let lead = about.say(key, &[("what", &what)]);
    let html = about.page(&subject, &[&paragraph(&lead), &paragraph(&rest)]);
    Written { subject, text: format!("{lead}\n\n{rest}\n"), html: Some(html), ..Written::default() }
}

impl About<'_> {
    fn say(&self, key: &str, values: &[(&str, &str)]) -> String {
        let tenant = one_line(self.tenant.friendly_name());
        let mut all = vec![("tenant", tenant.as_str())];
        all.extend_from_slice(values);
        words::say(self.language, key, &all)
    }

    fn name(&self, kind: FactorKind, to: Option<&str>) -> String {
        let to = to.unwrap_or_default();
        words::say(self.language, &format!("factor.{}", kind.method_type()), &[("to", to)]).trim().to_owned()
    }

    /// What templates may use: Auth0's names (contract/management-api.md 2.3, 13, 14).
    fn values(&self, more: &Value) -> Value {
        let tenant = self.tenant.friendly_name();
        let client = self.client.map_or("", Client::name);
        let user = self.user.map_or(Value::Null, |user| {
            json!({
                "user_id": user.id, "email": user.email, "email_verified": user.email_verified, "name": user.profile.name,
                "nickname": user.profile.nickname, "given_name": user.profile.given_name,
                "family_name": user.profile.family_name,
                "username": user.username, "user_metadata": user.user_metadata,
            })
        });
        let mut values = json!({
            "tenant": {"friendly_name": tenant, "support_email": self.tenant.0.text("support_email"),
                "support_url": self.tenant.0.text("support_url"), "picture_url": self.tenant.0.text("picture_url")},
            "friendly_name": tenant, "application": {"name": client}, "client": {"name": client}, "user": user,
            "locale": self.language, "request_language": self.language, "requestInfo": {"lang": self.language},
        });
        if let (Some(values), Some(more)) = (values.as_object_mut(), more.as_object()) {
            values.extend(more.clone());
        }
        values
    }

    /// Fills in a mail template. One that fails, or loses what the mail is for, is not used.
    fn by_template(&self, stored: Option<&Value>, values: &Value, needed: &str) -> Option<Written> {
        let stored = stored?;
        let part = |name: &str| stored[name].as_str().filter(|text| !text.is_empty());
        let subject = template::text(part("subject")?, values);
        let filled = part("body").map(|body| template::html(body, values));
        let (Ok(subject), Some(Ok(html))) = (subject, filled) else {
            tracing::warn!(template = %stored["template"], "A mail template cannot be filled in; our own words are sent");
            return None;
        };
        let from = part("from").and_then(|from| template::text(from, values).ok());
        html.contains(&escape(needed)).then(|| Written {
            subject: one_line(&subject),
            text: format!("{}\n\n{needed}\n", one_line(&subject)),
            html: Some(html),
            from,
            code: None,
        })
    }

    /// A whole page of one column.
    fn page(&self, title: &str, parts: &[&str]) -> String {
        let dir = lockstep_core::model::languages::direction(self.language);
        format!(
            "<!doctype html><html lang=\"{lang}\" dir=\"{dir}\"><meta charset=\"utf-8\"><title>{title}</title>\
             <body style=\"margin:0;padding:24px;font:16px/1.5 system-ui,sans-serif;color:#1f2328;background:#fff\">\
             <div style=\"max-width:560px;margin:0 auto\">{parts}</div></body></html>",
            lang = escape(self.language),
            title = escape(title),
            parts = parts.concat(),
        )
    }
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>", escape(text))
}

/// Text for a header: no line break can add a second one.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Escapes text for HTML and XML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests;
