use super::*;
use lockstep_core::ids::{AuthenticatorId, UserId};
use lockstep_core::time::Timestamp;

fn tenant(name: &str) -> TenantSettings {
    let mut tenant = TenantSettings::default();
    tenant.0.set("friendly_name", name);
    tenant
}

fn about<'a>(tenant: &'a TenantSettings, language: &'a str) -> About<'a> {
    About { tenant, client: None, user: None, language, host: "lockstep.test" }
}

fn a_code(channel: Channel) -> CodeToSend {
    CodeToSend {
        channel,
        to: "+12025550143".into(),
        code: "112233".into(),
        purpose: Purpose::Challenge,
        expires_at: Timestamp::from_secs(1),
    }
}

fn written(tenant: &TenantSettings, language: &str, templates: &CodeTemplates, channel: Channel) -> Written {
    code(&about(tenant, language), templates, &a_code(channel))
}

#[test]
fn a_text_ends_with_the_line_that_binds_the_code_to_our_host() {
    let tenant = tenant("Acme");
    for language in ["en", "de", "fr", "es", "ja", "ar"] {
        let text = written(&tenant, language, &CodeTemplates::default(), Channel::Sms).text;
        assert_eq!(text.lines().last(), Some("@lockstep.test #112233"), "{text}");
        assert!(text.contains("Acme"));
        assert!(
            text.find("112233").unwrap() < text.find('@').unwrap(),
            "people read it before the last line"
        );
        assert!(language != "en" || text.chars().count() <= 140, "it fits into one message: {text}");
    }
    let own = CodeTemplates {
        text: Some("{{ code }} for {{ tenant.friendly_name }}".into()),
        ..CodeTemplates::default()
    };
    assert_eq!(written(&tenant, "en", &own, Channel::Sms).text, "112233 for Acme\n\n@lockstep.test #112233");
    // Where something follows the line, phones do not see it.
    let own =
        CodeTemplates { text: Some("@lockstep.test #{{ code }} Bye".into()), ..CodeTemplates::default() };
    let text = written(&tenant, "ar", &own, Channel::Sms).text;
    assert_eq!(text.lines().last(), Some("@lockstep.test #112233"), "{text}");
    // A template that loses the code, or that fails, is not sent.
    for broken in ["Hello", "{{ code | nosuchfilter }}"] {
        let own = CodeTemplates { text: Some(broken.into()), ..CodeTemplates::default() };
        assert!(written(&tenant, "en", &own, Channel::Sms).text.contains("is your code for Acme"));
    }
}

#[test]
fn a_call_says_the_digits_one_by_one_and_twice() {
    let tenant = tenant("A & B <Co>");
    for language in ["en", "de", "fr", "es", "ja", "ar"] {
        let text = written(&tenant, language, &CodeTemplates::default(), Channel::Voice).text;
        assert_eq!(text.matches("1, 1, 2, 2, 3, 3").count(), 2, "{text}");
        assert!(!text.contains("112233"), "an engine would read it as one number");
    }
    let own =
        CodeTemplates { voice: Some("Code {{ pause }} {{ code }}!".into()), ..CodeTemplates::default() };
    let text = written(&tenant, "en", &own, Channel::Voice).text;
    assert_eq!(text.matches("1, 1, 2, 2, 3, 3").count(), 2, "{text}");
}

#[test]
fn names_are_text_in_subject_and_html() {
    let tenant = tenant("Eve\r\nBcc: x@evil.example <b>&</b>");
    let mail = written(&tenant, "en", &CodeTemplates::default(), Channel::Email);
    assert!(!mail.subject.contains('\n') && !mail.subject.contains('\r'));
    assert!(!mail.html.unwrap().contains("<b>"));
    assert!(mail.text.contains("@lockstep.test #112233"));
    let user = User {
        email: Some("eve@example.com".into()),
        ..User::new(UserId::trusted("auth0|eve"), "db", Timestamp::from_secs(0))
    };
    let mut user = user;
    user.profile.name = Some("<script>alert(1)</script>{{7*7}}".into());
    let template = json!({"template": "mfa_oob_code", "enabled": true, "subject": "For {{ user.name }}",
        "body": "<p>{{ user.name }}: {{ code }}</p>", "from": "{{ friendly_name }} <a@b.example>"});
    let templates = CodeTemplates { mail: Some(template), ..CodeTemplates::default() };
    let about = About { user: Some(&user), ..about(&tenant, "en") };
    let mail = code(&about, &templates, &a_code(Channel::Email));
    let html = mail.html.unwrap();
    assert!(html.contains("&lt;script&gt;") && html.contains("{{7*7}}") && html.contains("112233"), "{html}");
}

#[test]
fn a_notice_names_the_factor_and_holds_no_link() {
    let tenant = tenant("Acme");
    let removed = Notice::Removed(FactorKind::Phone, Some("XXXXXXXX0143".into()));
    let mail = notice(&about(&tenant, "de"), &removed);
    assert!(mail.text.contains("Telefon XXXXXXXX0143"), "{}", mail.text);
    let key = Authenticator {
        id: AuthenticatorId::trusted("dev_0123456789abcdef"),
        user: UserId::trusted("auth0|ana"),
        kind: FactorKind::WebauthnRoaming,
        confirmed: true,
        name: Some("Blue <b>".into()),
        data: json!({}),
        spent_step: None,
        created_at: Timestamp::from_secs(0),
        enrolled_at: None,
        last_auth_at: None,
        link_id: None,
    };
    let copied = Notice::KeyCopied(&key);
    let mail = notice(&about(&tenant, "en"), &copied);
    assert!(mail.subject.contains("copied") && mail.text.contains("Blue <b>"), "{}", mail.text);
    assert!(!mail.text.contains("nothing to do") && !mail.html.unwrap().contains("<b>"));
    for kind in [
        &removed,
        &copied,
        &Notice::NewRecoveryCode,
        &Notice::RecoveryCodeUsed,
        &Notice::Reset,
        &Notice::NewPassword,
    ] {
        let mail = notice(&about(&tenant, "en"), kind);
        assert!(!mail.html.unwrap().contains("href") && !mail.text.contains("http"));
    }
}
