//! The Management API as the commands for people use it: one call, and its refusal in words.

use reqwest::Method;
use serde_json::Value;

use super::Failure;
use super::server::{Server, ServerArgs};

/// A server, and a token for it.
pub(crate) struct Management {
    server: Server,
    http: reqwest::Client,
    token: String,
    reason: Option<String>,
}

impl Management {
    /// Finds the server and gets a token.
    pub(crate) async fn open(args: &ServerArgs) -> Result<Self, Failure> {
        let server = Server::find(args)?;
        let (http, token) = (server.http()?, server.management_token().await?);
        Ok(Self { server, http, token, reason: None })
    }

    /// Says why, in the tenant log, for every call from now on.
    pub(crate) fn because(mut self, reason: &str) -> Self {
        // A header holds no other characters.
        let ascii = reason.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' });
        self.reason = Some(ascii.collect());
        self
    }

    /// Calls a path, given by its segments, and returns the body of the answer.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Value, Failure> {
        let mut url = self.server.url("api/v2")?;
        url.path_segments_mut().map_err(|()| Failure::new("no URL of a server"))?.extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(reason) = &self.reason {
            request = request.header("lockstep-reason", reason);
        }
        if let Some(body) = &body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|e| self.server.unreachable(&e))?;
        let (status, text) = (answer.status(), answer.text().await?);
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let message = body["message"].as_str().unwrap_or("no reason was given");
        Err(Failure::new(format!("the server answered {}: {message}", status.as_u16())))
    }

    /// Calls GET.
    pub(crate) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, Failure> {
        self.call(Method::GET, path, query, None).await
    }

    /// Returns the id of a user who is named by id or by mail address.
    pub(crate) async fn user_id(&self, named: &str) -> Result<String, Failure> {
        if named.contains('|') {
            return Ok(named.to_owned());
        }
        let found = self.get(&["users-by-email"], &[("email", named)]).await?;
        let ids: Vec<&str> =
            found.as_array().into_iter().flatten().filter_map(|user| user["user_id"].as_str()).collect();
        match ids.as_slice() {
            [] => Err(Failure::new("there is no such user")),
            [one] => Ok((*one).to_owned()),
            several => Err(Failure::new(format!(
                "several users have this address: give the id of one of them: {}",
                several.join(", ")
            ))),
        }
    }
}

/// Asks before something cannot be undone; a script that cannot answer has to say `--force`.
pub(crate) fn confirm(question: &str, force: bool) -> Result<(), Failure> {
    use std::io::{IsTerminal as _, Write as _};
    if force {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new("nothing was done").hint("Without a terminal to ask on, say --force."));
    }
    let mut err = std::io::stderr();
    write!(err, "{question} [y/N] ").and_then(|()| err.flush())?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::new("nothing was done"))
}

/// Lays rows out in columns, under their names.
pub(crate) fn table(names: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([names[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(names.to_vec())];
    lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![
            vec!["otp".to_owned(), "on".to_owned()],
            vec!["webauthn-roaming".to_owned(), "off".to_owned()],
        ];
        assert_eq!(
            table(&["FACTOR", "STATE"], &rows),
            "FACTOR            STATE\notp               on\nwebauthn-roaming  off"
        );
    }
}
