//! Mails: plain words, as text and as HTML, one column. Templates that a tenant writes come with the e-mail settings.

/// Returns subject, text and HTML of the mail with a link to set a new password.
pub fn reset_password(tenant: &str, link: &str) -> (String, String, Option<String>) {
    let subject = format!("Set a new password for {}", one_line(tenant));
    let lead = format!("Somebody asked to set a new password for your {} account.", one_line(tenant));
    let rest =
        "The link works once, for five days. If it was not you, do nothing: your password stays as it is.";
    message(subject, &lead, "Set a new password", link, rest)
}

/// Returns subject, text and HTML of the mail with a link to set up a second factor.
pub fn enrollment(tenant: &str, link: &str) -> (String, String, Option<String>) {
    let subject = format!("Set up two-step verification for {}", one_line(tenant));
    let lead = format!("{} asks you to set up a second step for logging in.", one_line(tenant));
    let rest =
        "The link works once, for five days. If you did not expect it, ask the people who run the service.";
    message(subject, &lead, "Set it up", link, rest)
}

fn message(
    subject: String,
    lead: &str,
    button: &str,
    link: &str,
    rest: &str,
) -> (String, String, Option<String>) {
    let text = format!("{lead}\n\n{button}:\n{link}\n\n{rest}\n");
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <body style=\"margin:0;padding:24px;font:16px/1.5 system-ui,sans-serif;color:#1f2328;background:#fff\">\
         <div style=\"max-width:560px;margin:0 auto\"><p>{lead}</p>\
         <p><a href=\"{link}\" style=\"display:inline-block;padding:12px 24px;border-radius:6px;background:#1f2328;\
         color:#fff;text-decoration:none\">{button}</a></p>\
         <p style=\"word-break:break-all\">{link}</p><p>{rest}</p></div></body></html>",
        title = escape(&subject),
        lead = escape(lead),
        link = escape(link),
        button = escape(button),
        rest = escape(rest),
    );
    (subject, text, Some(html))
}

/// Text for a header: no line break can add a second one.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_name_adds_neither_header_nor_markup() {
        let (subject, _, html) =
            reset_password("Eve\r\nBcc: x@evil.example <b>", "https://lockstep.test/u/reset?t=1");
        assert!(!subject.contains('\n') && !subject.contains('\r'));
        assert!(!html.unwrap().contains("<b>"));
    }
}
