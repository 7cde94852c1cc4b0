//! `lockstep users`: people, from a shell.

use std::io::{BufRead as _, IsTerminal as _};

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::Failure;
use super::management::{Management, confirm, table};
use super::server::ServerArgs;

const EXAMPLES: &str = "\
Examples:
  lockstep users list                                      the first fifty
  lockstep users list --search 'email:*@example.com AND logins_count:[1 TO *]'
  lockstep users show ana@example.com                      with her factors, roles and sessions
  lockstep users create ana@example.com < password.txt     the first line is the password
  lockstep users block ana@example.com
  lockstep users delete \"auth0|a1a000000000000000000001\"

A user is named by id or mail address. The search language is that of the Management API (docs/MANAGEMENT-API.md).
A running `lockstep dev` is found without any settings; for another server give --url, --client-id, --client-secret.";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List or search users
    List {
        /// Only those that match
        #[arg(short, long, value_name = "QUERY")]
        search: Option<String>,
        /// Which page, from 0
        #[arg(long, default_value_t = 0)]
        page: u32,
        /// How many on a page, up to 100
        #[arg(long, default_value_t = 50)]
        per_page: u32,
    },
    /// Show a user with factors, roles and sessions
    Show {
        /// A user id or mail address
        user: String,
    },
    /// Create a user; the password is the first line of standard input
    Create {
        /// The mail address
        email: String,
        /// The database connection
        #[arg(long, default_value = "Username-Password-Authentication")]
        connection: String,
        /// The address is known to be hers
        #[arg(long)]
        verified: bool,
    },
    /// Let a user in no more, and end her sessions
    Block {
        /// A user id or mail address
        user: String,
    },
    /// Let a blocked user in again, also one who guessed too often
    Unblock {
        /// A user id or mail address
        user: String,
    },
    /// Delete a user with everything that is hers
    Delete {
        /// A user id or mail address
        user: String,
        /// Delete without asking
        #[arg(long)]
        force: bool,
    },
}

/// Runs the subcommand.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let api = Management::open(&args.server).await?;
    match args.command {
        Command::List { search, page, per_page } => {
            list(&api, search.as_deref(), page, per_page, args.json).await
        }
        Command::Show { user } => show(&api, &user, args.json).await,
        Command::Create { email, connection, verified } => {
            let body = json!({
                "connection": connection, "email": email, "email_verified": verified, "password": password()?,
                "verify_email": false
            });
            let user = api.call(Method::POST, &["users"], &[], Some(body)).await?;
            told(&user, args.json, "Created")
        }
        Command::Block { user } => {
            let id = api.user_id(&user).await?;
            let user = api.call(Method::PATCH, &["users", &id], &[], Some(json!({"blocked": true}))).await?;
            told(&user, args.json, "Blocked")
        }
        Command::Unblock { user } => {
            let id = api.user_id(&user).await?;
            api.call(Method::DELETE, &["user-blocks", &id], &[], None).await?;
            let user = api.call(Method::PATCH, &["users", &id], &[], Some(json!({"blocked": false}))).await?;
            told(&user, args.json, "Unblocked")
        }
        Command::Delete { user, force } => {
            let id = api.user_id(&user).await?;
            // Deleting who is not there succeeds on the wire; a person means somebody.
            api.get(&["users", &id], &[("fields", "user_id")]).await?;
            confirm(&format!("Delete {id} with all factors, sessions and tokens?"), force)?;
            api.call(Method::DELETE, &["users", &id], &[], None).await?;
            super::print(&format!("Deleted {id}."));
            Ok(())
        }
    }
}

async fn list(
    api: &Management,
    search: Option<&str>,
    page: u32,
    per_page: u32,
    as_json: bool,
) -> Result<(), Failure> {
    let (page, per_page) = (page.to_string(), per_page.to_string());
    let mut query = vec![("page", page.as_str()), ("per_page", &per_page), ("include_totals", "true")];
    if let Some(search) = search {
        query.push(("q", search));
    }
    let found = api.get(&["users"], &query).await?;
    if as_json {
        super::print(&serde_json::to_string_pretty(&found["users"])?);
        return Ok(());
    }
    let users = found["users"].as_array().cloned().unwrap_or_default();
    let rows: Vec<Vec<String>> = users
        .iter()
        .map(|user| {
            let name =
                text(user, "email").or_else(|| text(user, "username")).or_else(|| text(user, "phone_number"));
            vec![
                text(user, "user_id").unwrap_or_default(),
                name.unwrap_or_default(),
                text(user, "last_login").unwrap_or_else(|| "never".to_owned()),
                if user["blocked"] == true { "blocked".to_owned() } else { String::new() },
            ]
        })
        .collect();
    super::print(&table(&["USER", "NAME", "LAST LOGIN", "STATE"], &rows));
    super::eprint(&format!("{} of {}", rows.len(), found["total"]));
    Ok(())
}

async fn show(api: &Management, user: &str, as_json: bool) -> Result<(), Failure> {
    let id = api.user_id(user).await?;
    let user = api.get(&["users", &id], &[]).await?;
    let factors = api.get(&["users", &id, "authenticators"], &[]).await?;
    let roles = api.get(&["users", &id, "roles"], &[]).await?;
    let sessions = api.get(&["users", &id, "sessions"], &[("take", "100")]).await?;
    if as_json {
        let all = json!({"user": user, "authenticators": factors, "roles": roles, "sessions": sessions["sessions"]});
        super::print(&serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    let mut lines = Vec::new();
    for name in
        ["user_id", "email", "username", "phone_number", "name", "created_at", "last_login", "logins_count"]
    {
        match &user[name] {
            Value::Null => {}
            Value::String(text) => lines.push(format!("{name:13} {text}")),
            other => lines.push(format!("{name:13} {other}")),
        }
    }
    if user["blocked"] == true {
        lines.push("blocked       yes".to_owned());
    }
    let listed = |label: &str, items: &Value, line: &dyn Fn(&Value) -> String| {
        let items: Vec<String> = items.as_array().into_iter().flatten().map(line).collect();
        format!("{label:13} {}", if items.is_empty() { "none".to_owned() } else { items.join(", ") })
    };
    lines.push(listed("factors", &factors, &|factor| {
        let name = text(factor, "name").map(|name| format!(" ({name})")).unwrap_or_default();
        let state = if factor["active"] == false { ", not confirmed" } else { "" };
        format!("{}{name}{state}", text(factor, "type").unwrap_or_default())
    }));
    lines.push(listed("roles", &roles, &|role| text(role, "name").unwrap_or_default()));
    lines.push(listed("sessions", &sessions["sessions"], &|session| {
        format!("since {}", text(session, "created_at").unwrap_or_default())
    }));
    super::print(&lines.join("\n"));
    Ok(())
}

fn told(user: &Value, as_json: bool, done: &str) -> Result<(), Failure> {
    if as_json {
        super::print(&serde_json::to_string_pretty(user)?);
    } else {
        super::print(&format!("{done} {}.", text(user, "user_id").unwrap_or_default()));
    }
    Ok(())
}

fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}

/// Reads the password. Never an argument: those stand in the list of processes and in the shell's history.
fn password() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        return Err(Failure::new("the password is read from standard input")
            .hint("Pipe it in: lockstep users create EMAIL < FILE"));
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::new("standard input holds no password"));
    }
    Ok(password.to_owned())
}
