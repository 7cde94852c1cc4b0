//! `lockstep logs`: the tenant's log in a terminal.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;

use super::Failure;
use super::management::Management;
use super::server::ServerArgs;

const EXAMPLES: &str = "\
Examples:
  lockstep logs list                                       the newest 50 records
  lockstep logs list -q 'type:fp AND ip:203.0.113.24' -n 200
  lockstep logs tail                                       what happens from now on
  lockstep logs tail -q 'user_id:\"auth0|a1a000000000000000000001\"' --json

The query is that of GET /api/v2/logs?q=: field:value, AND, OR, NOT, ranges, * at the ends. Fields: type, date, log_id, client_id,
client_name, connection, connection_id, description, hostname, ip, user_id, user_name, user_agent. The machine needs the scope read:logs.";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Print the newest records that a query finds, the newest first
    List {
        /// How many, 1000 at most
        #[arg(short, long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        number: u32,
        #[command(flatten)]
        common: Common,
    },
    /// Print records as they come, until it is stopped
    Tail {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Which records; all without it
    #[arg(short, long, value_name = "QUERY")]
    query: Option<String>,
    /// One record of JSON a line instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// How many records a request asks for.
const PAGE: u32 = 100;
/// How often `tail` looks.
const EVERY: Duration = Duration::from_secs(2);

/// Prints records.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    match args.what {
        What::List { number, common } => list(&Reader::open(&common).await?, &common, number).await,
        What::Tail { common } => tail(&Reader::open(&common).await?, &common).await,
    }
}

async fn list(reader: &Reader, common: &Common, number: u32) -> Result<(), Failure> {
    let mut left = number;
    for page in 0.. {
        let records = reader.page(common.query.as_deref(), "date:-1", page).await?;
        let last = records.len() < PAGE as usize || left <= PAGE;
        for record in records.iter().take(left as usize) {
            super::print(&shown(record, common.json));
        }
        if last {
            break;
        }
        left -= PAGE;
    }
    Ok(())
}

async fn tail(reader: &Reader, common: &Common) -> Result<(), Failure> {
    let newest = reader.page(None, "date:-1", 0).await?;
    let mut place = Place::after(&newest);
    super::eprint("Waiting for records; Ctrl-C ends it.");
    loop {
        let found = reader.page(Some(&place.query(common.query.as_deref())), "date:1", 0).await?;
        let more = found.len() == PAGE as usize;
        let mut new = 0;
        for record in found.iter().filter(|record| place.advance(record)) {
            new += 1;
            super::print(&shown(record, common.json));
        }
        if !more || new == 0 {
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// How far `tail` is.
struct Place {
    last: String,
    seen: HashSet<String>,
}

impl Place {
    fn after(newest: &[Value]) -> Self {
        let seen: HashSet<String> = newest.iter().filter_map(id).map(str::to_owned).collect();
        Self { last: seen.iter().max().cloned().unwrap_or_else(|| "0".to_owned()), seen }
    }

    /// Returns the query for what follows. The range includes its beginning, as in Auth0's own tool.
    fn query(&self, wanted: Option<&str>) -> String {
        let new = format!("log_id:[{} TO *]", self.last);
        wanted.map_or_else(|| new.clone(), |wanted| format!("({wanted}) AND {new}"))
    }

    /// Takes note of a record; returns whether it is new.
    fn advance(&mut self, record: &Value) -> bool {
        let Some(id) = id(record) else { return false };
        if !self.seen.insert(id.to_owned()) {
            return false;
        }
        if id > self.last.as_str() {
            id.clone_into(&mut self.last);
            // What is before can no longer be asked for; memory stays small over weeks.
            if self.seen.len() > 10_000 {
                let last = self.last.clone();
                self.seen.retain(|seen| *seen >= last);
            }
        }
        true
    }
}

fn id(record: &Value) -> Option<&str> {
    record.get("_id").and_then(Value::as_str)
}

struct Reader(Management);

impl Reader {
    async fn open(common: &Common) -> Result<Self, Failure> {
        Ok(Self(Management::open(&common.server).await?))
    }

    async fn page(&self, query: Option<&str>, sort: &str, page: u32) -> Result<Vec<Value>, Failure> {
        let (size, page) = (PAGE.to_string(), page.to_string());
        let mut asked = vec![("sort", sort), ("per_page", &size), ("page", &page)];
        asked.extend(query.map(|query| ("q", query)));
        match self.0.get(&["logs"], &asked).await? {
            Value::Array(records) => Ok(records),
            _ => Err(Failure::new("the server's answer is no list of records")),
        }
    }
}

/// Returns a record as a line.
fn shown(record: &Value, json: bool) -> String {
    if json {
        return record.to_string();
    }
    let text = |key: &str| record.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
    let mut line = format!("{}  {:<24}", text("date").unwrap_or_default(), text("type").unwrap_or_default());
    let who = text("user_name").or_else(|| text("user_id"));
    for part in [text("description"), who, text("client_name").or_else(|| text("client_id")), text("ip")] {
        line.push_str("  ");
        line.push_str(part.unwrap_or("-"));
    }
    // What strangers typed must not steer the terminal.
    line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tail_shows_each_record_once_and_goes_on_after_the_last() {
        let record = |id: &str| json!({"_id": id});
        let mut place = Place::after(&[record("902"), record("901")]);
        assert_eq!(place.query(Some("type:s OR type:f")), "(type:s OR type:f) AND log_id:[902 TO *]");
        assert!(
            !place.advance(&record("902")) && place.advance(&record("903")) && !place.advance(&record("903"))
        );
        assert_eq!(place.query(None), "log_id:[903 TO *]");
        assert_eq!(Place::after(&[]).query(None), "log_id:[0 TO *]");
    }

    #[test]
    fn a_line_has_no_control_characters_of_strangers() {
        let record = json!({"date": "2026-01-15T09:30:12.345Z", "type": "fu", "user_name": "\u{1b}[2Jana\n", "ip": "203.0.113.24"});
        let line = shown(&record, false);
        assert!(line.chars().all(|c| !c.is_control()), "{line:?}");
        assert!(line.contains("fu") && line.contains("ana") && line.ends_with("203.0.113.24"));
        assert_eq!(serde_json::from_str::<Value>(&shown(&record, true)).unwrap(), record);
    }
}
