//! `lockstep api`: the Management API from a shell, with the manners of `auth0 api`.

use std::io::{IsTerminal as _, Read as _, Write as _};

use clap::ValueEnum;
use serde_json::Value;

use super::Failure;
use super::server::{self, Server};

const EXAMPLES: &str = "\
Examples:
  lockstep api get guardian/factors
  lockstep api put guardian/factors/otp --data '{\"enabled\": true}'
  lockstep api patch guardian/policies --data '[\"all-applications\"]'
  lockstep api get users -q 'q=email:\"ana@example.com\"' -q per_page=1
  lockstep api get \"users/auth0|a1a000000000000000000001/authenticators\"
  lockstep api post users --data - < user.json
  lockstep api delete \"users/auth0|a1a000000000000000000001\" --force

Without a method it is GET, or POST when there is data. The answer is printed as JSON; from status 400 on the
exit code is 1. A running `lockstep dev` is found without any settings. For another server give --url,
--client-id and --client-secret, or LOCKSTEP_URL, LOCKSTEP_CLIENT_ID and LOCKSTEP_CLIENT_SECRET.";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "lockstep api [get|post|put|patch|delete] <PATH> [OPTIONS]")]
pub(crate) struct Args {
    /// Method (get, post, put, patch, delete) and path below /api/v2/, such as guardian/factors
    #[arg(required = true, num_args = 1..=2, value_names = ["METHOD", "PATH"])]
    call: Vec<String>,
    /// JSON body; "-" reads it from standard input
    #[arg(short, long, value_name = "JSON")]
    data: Option<String>,
    /// Query parameter, name=value (repeatable)
    #[arg(short, long, value_name = "K=V", value_parser = pair)]
    query: Vec<(String, String)>,
    /// Delete without asking
    #[arg(long)]
    force: bool,
    /// Never ask anything
    #[arg(long)]
    no_input: bool,
    #[command(flatten)]
    server: server::ServerArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Makes the call and prints the answer.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let body = args.data.as_deref().map(read_body).transpose()?;
    let (method, path) = split_call(&args.call, body.is_some())?;
    if method == Method::Delete
        && !args.force
        && !args.no_input
        && std::io::stdin().is_terminal()
        && !confirmed(&path)?
    {
        return Err(Failure::new("nothing was deleted"));
    }
    let server = Server::find(&args.server)?;
    let token = server.management_token().await?;
    let mut url = server.url(&format!("api/v2/{}", encode_path(&path)))?;
    if !args.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&args.query);
    }
    let method = match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    };
    let mut request = server.http()?.request(method, url).bearer_auth(token);
    if let Some(body) = &body {
        request = request.json(body);
    }
    let answer = request.send().await.map_err(|e| server.unreachable(&e))?;
    let status = answer.status();
    let text = answer.text().await?;
    if !text.trim().is_empty() {
        super::print(&pretty(&text));
    }
    if status.is_client_error() || status.is_server_error() {
        return Err(refused(status, &text));
    }
    Ok(())
}

/// Tells method and path apart: the method may be left out.
fn split_call(call: &[String], has_body: bool) -> Result<(Method, String), Failure> {
    let (method, path) = match call {
        [method, path] => {
            let known = Method::from_str(method, true);
            let failure =
                || Failure::new(format!("{method:?} is no method; use get, post, put, patch or delete"));
            (known.map_err(|_| failure())?, path)
        }
        [path] if Method::from_str(path, true).is_ok() => {
            return Err(Failure::new(format!("the path is missing: lockstep api {path} guardian/factors")));
        }
        [path] => (if has_body { Method::Post } else { Method::Get }, path),
        _ => return Err(Failure::new("give a method and a path")),
    };
    let path = path.trim_start_matches('/');
    Ok((method, path.strip_prefix("api/v2/").unwrap_or(path).to_owned()))
}

fn read_body(data: &str) -> Result<Value, Failure> {
    let mut text = data.to_owned();
    if data == "-" {
        text.clear();
        std::io::stdin().read_to_string(&mut text)?;
    }
    serde_json::from_str(&text).map_err(|e| Failure::new(format!("the data is not JSON: {e}")))
}

/// Encodes what shells let through but URLs do not have: `users/auth0|1` becomes `users/auth0%7C1`.
fn encode_path(path: &str) -> String {
    path.replace('|', "%7C").replace(' ', "%20")
}

fn pretty(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_else(|_| text.to_owned()),
        Err(_) => text.trim_end().to_owned(),
    }
}

fn confirmed(path: &str) -> Result<bool, Failure> {
    let mut err = std::io::stderr();
    write!(err, "Delete {path}? [y/N] ").and_then(|()| err.flush())?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// The body was printed already; standard error says what to do about it.
fn refused(status: reqwest::StatusCode, text: &str) -> Failure {
    let failure = Failure::new(format!("the server answered {status}"));
    match missing_scope(text) {
        Some(scope) => failure.hint(format!("Grant the client the scope {scope} for the Management API.")),
        None => failure,
    }
}

fn missing_scope(text: &str) -> Option<String> {
    let body: Value = serde_json::from_str(text).ok()?;
    (body.get("errorCode")? == "insufficient_scope").then_some(())?;
    let (_, scopes) = body.get("message")?.as_str()?.split_once("expected any of: ")?;
    scopes.split(',').next().map(|scope| scope.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(words: &[&str], has_body: bool) -> Result<(Method, String), String> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        split_call(&words, has_body).map_err(|f| f.message)
    }

    #[test]
    fn the_method_may_be_left_out() {
        assert_eq!(call(&["guardian/factors"], false), Ok((Method::Get, "guardian/factors".to_owned())));
        assert_eq!(call(&["users"], true), Ok((Method::Post, "users".to_owned())));
        assert_eq!(call(&["PATCH", "/api/v2/guardian/policies"], true).unwrap().1, "guardian/policies");
        assert!(call(&["get"], false).unwrap_err().contains("path is missing"));
        assert!(call(&["fetch", "users"], false).unwrap_err().contains("no method"));
    }

    #[test]
    fn a_missing_scope_is_named() {
        let body = r#"{"statusCode":403,"error":"Forbidden","errorCode":"insufficient_scope",
            "message":"Insufficient scope, expected any of: read:users,update:users"}"#;
        assert_eq!(missing_scope(body).as_deref(), Some("read:users"));
        assert_eq!(missing_scope(r#"{"errorCode":"inexistent_user","message":"x"}"#), None);
    }

    #[test]
    fn bars_and_blanks_in_ids_are_encoded() {
        assert_eq!(encode_path("users/auth0|1/authenticators?x=1"), "users/auth0%7C1/authenticators?x=1");
    }
}
