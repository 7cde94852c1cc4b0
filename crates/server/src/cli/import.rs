//! `lockstep import auth0`: brings users over from an export, of any size.
//!
//! The rows go through the same code as those of the Management API's job. How far it is lies in the database, in the commit of the rows
//! themselves, so that `--resume` neither loses a row nor stores one twice.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::bufread::MultiGzDecoder;
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::time::SystemClock;
use lockstep_core::user_import::{RowError, Source, shown};
use lockstep_engine::app::App;
use lockstep_engine::flows::user_import::{self, Stored, Target};
use lockstep_engine::store::db::DbError;
use lockstep_engine::store::{connections, meta};
use serde_json::{Value, json};

use super::{Failure, config};

const EXAMPLES: &str = "\
Examples:
  lockstep import auth0 users.json.gz --dry-run          tell what would be refused, and change nothing
  lockstep import auth0 export/ --config lockstep.toml   all .json, .jsonl, .ndjson files of a folder, also .gz
  lockstep import auth0 users.ndjson --resume            go on after an interruption
  lockstep import auth0 users.json --report refused.ndjson

Files hold one user a line, or an array of users: what Auth0's bulk export writes, its password export (passwordHash), or files
made for its import (password_hash, custom_password_hash, mfa_factors). Exit codes: 0 all rows are in, 3 some were refused,
1 it was broken off.";

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, clap::Subcommand)]
enum From {
    /// Import users that Auth0 exported
    Auth0(Auth0Args),
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct Auth0Args {
    /// A file of users, or a folder of such files
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
    #[command(flatten)]
    config: config::FileArg,
    /// The database connection that the users get
    #[arg(long, value_name = "NAME", default_value = "Username-Password-Authentication")]
    connection: String,
    /// Refuse rows of users who are there already, instead of updating them
    #[arg(long)]
    new_only: bool,
    /// Check every row and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on where an earlier run of the same files was interrupted
    #[arg(long, conflicts_with = "dry_run")]
    resume: bool,
    /// Write the refused rows with their errors to this file, one a line, without hashes and seeds
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Rows in one commit: a running server's logins wait for it.
const BATCH: usize = 200;
/// How often progress is told.
const EVERY: Duration = Duration::from_secs(2);
/// The largest row.
const MAX_ROW: usize = 4 * 1024 * 1024;
/// The exit code when rows were refused.
const REFUSED: u8 = 3;

/// Imports.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let From::Auth0(args) = args.from;
    super::start_logging("warn", false);
    let files = files(&args.path)?;
    let config = config::load(&args.config.file)?;
    let db = config::open_database(&config, config::load_master_keys(&config)?).await?;
    let app = App::open(config.app.clone(), db, Arc::new(SystemClock)).await?;
    let result = import(&app, &args, &files).await;
    app.db().close().await;
    let counts = result?;
    super::print(&counts.told(args.dry_run));
    if counts.refused == 0 {
        return Ok(());
    }
    Err(Failure { code: REFUSED, ..Failure::new(format!("{} rows were refused", counts.refused)) })
}

async fn import(app: &App, args: &Auth0Args, files: &[PathBuf]) -> Result<Counts, Failure> {
    let connection = connections::find_by_name(&mut app.db().read().await?, &args.connection).await?;
    let connection = connection.filter(|c| c.is_database()).ok_or_else(|| {
        Failure::new(format!("there is no database connection {:?}", args.connection))
            .hint("Name another one with --connection.")
    })?;
    let target = Target { connection: &connection, upsert: !args.new_only, source: Source::Export };
    let mut report = match &args.report {
        Some(path) => Some(BufWriter::new(open_report(path, args.resume)?)),
        None => None,
    };
    let mut told = Told { counts: Counts::default(), begun: now(), last: now() };
    for file in files {
        let mark = Mark::of(file, args)?;
        let mut rows = Rows::open(file)?;
        let mut position = 0;
        if args.resume {
            position = mark.read(app).await?;
            for _ in 0..position {
                rows.next_row()?;
            }
            told.counts.skipped += position;
        }
        loop {
            let mut batch = Vec::with_capacity(BATCH);
            while batch.len() < BATCH
                && let Some(row) = rows.next_row()?
            {
                batch.push(row);
            }
            if batch.is_empty() {
                break;
            }
            let end = position + batch.len() as u64;
            let stored = match store(app, &target, &batch, &mark, end, args.dry_run).await {
                // Somebody signed up at that moment.
                Err(DbError::Conflict) => store(app, &target, &batch, &mark, end, args.dry_run).await,
                other => other,
            };
            let stored = stored.map_err(|e| {
                let message = format!("{}: broken off after {position} rows: {e}", file.display());
                Failure::new(message).hint("Run the command again with --resume.")
            })?;
            for (n, (row, stored)) in batch.iter().zip(stored).enumerate() {
                told.counts.add(&stored);
                if let Stored::Failed(errors) = stored {
                    told.refused(&mut report, file, position + n as u64 + 1, row, &errors)?;
                }
            }
            position = end;
            told.progress();
        }
    }
    if let Some(report) = &mut report {
        report.flush()?;
    }
    Ok(told.counts)
}

/// Stores a batch, with how far that is.
async fn store(
    app: &App,
    target: &Target<'_>,
    batch: &[Result<Value, String>],
    mark: &Mark,
    end: u64,
    dry_run: bool,
) -> Result<Vec<Stored>, DbError> {
    let mut env = app.env();
    let mut tx = app.db().write().await?;
    tx.expect_long();
    let mut all = Vec::new();
    for row in batch {
        all.push(match row {
            Ok(value) => user_import::store(&mut tx, &mut env, target, value).await?,
            Err(cause) => Stored::Failed(vec![RowError::new(
                "INVALID_TYPE",
                format!("The row is not JSON: {cause}"),
                "",
            )]),
        });
    }
    if !dry_run {
        mark.write(&mut tx, end).await?;
        tx.commit().await?;
    }
    Ok(all)
}

/// What came of the rows.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    inserted: u64,
    updated: u64,
    refused: u64,
    skipped: u64,
}

impl Counts {
    fn add(&mut self, stored: &Stored) {
        match stored {
            Stored::Inserted => self.inserted += 1,
            Stored::Updated => self.updated += 1,
            Stored::Failed(_) => self.refused += 1,
        }
    }

    fn done(&self) -> u64 {
        self.inserted + self.updated + self.refused
    }

    fn told(&self, dry_run: bool) -> String {
        let Self { inserted, updated, refused, skipped } = self;
        let before = if *skipped > 0 { format!(" {skipped} were done before.") } else { String::new() };
        if dry_run {
            format!(
                "Nothing was changed. {inserted} users would be new, {updated} updated, {refused} rows refused."
            )
        } else {
            format!("{inserted} users are new, {updated} updated, {refused} rows refused.{before}")
        }
    }
}

struct Told {
    counts: Counts,
    begun: Instant,
    last: Instant,
}

impl Told {
    fn progress(&mut self) {
        if self.last.elapsed() >= EVERY {
            self.last = now();
            let (done, seconds) = (self.counts.done(), self.begun.elapsed().as_secs_f64());
            let rate = done as f64 / seconds.max(0.001);
            super::eprint(&format!("{done} rows, {} refused, {rate:.0} a second", self.counts.refused));
        }
    }

    fn refused(
        &self,
        report: &mut Option<BufWriter<File>>,
        file: &Path,
        number: u64,
        row: &Result<Value, String>,
        errors: &[RowError],
    ) -> Result<(), Failure> {
        let list: Vec<Value> = errors.iter().map(RowError::to_json).collect();
        match report {
            Some(report) => {
                let user = row.as_ref().map_or(Value::Null, shown);
                let line = json!({"file": file, "row": number, "user": user, "errors": list});
                writeln!(report, "{line}")?;
            }
            // The first ones on the terminal; who wants all of them asks for a report.
            None if self.counts.refused <= 20 => {
                let what: Vec<String> =
                    errors.iter().map(|e| format!("{} {} {}", e.code, e.path, e.message)).collect();
                super::eprint(&format!("{}: row {number}: {}", file.display(), what.join("; ")));
            }
            None => {}
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of the machine measures how long it takes")]
fn now() -> Instant {
    Instant::now()
}

/// How far an import of a file is, in the database.
struct Mark {
    name: String,
    size: u64,
}

impl Mark {
    fn of(file: &Path, args: &Auth0Args) -> Result<Self, Failure> {
        let whole = file.canonicalize()?;
        let place = format!("{}\0{}", whole.display(), args.connection);
        Ok(Self { name: format!("import:{}", sha256_b64url(place)), size: std::fs::metadata(file)?.len() })
    }

    async fn read(&self, app: &App) -> Result<u64, Failure> {
        let stored = meta::find(&mut app.db().read().await?, &self.name).await?;
        let Some(stored) = stored else { return Ok(0) };
        let stored: Value = serde_json::from_str(&stored)?;
        if stored["size"] != self.size {
            return Err(Failure::new("the file has changed since the import that was interrupted")
                .hint("Without --resume it is read from the beginning; users who are there are updated."));
        }
        Ok(stored["rows"].as_u64().unwrap_or(0))
    }

    async fn write(&self, tx: &mut lockstep_engine::store::db::Conn, rows: u64) -> Result<(), DbError> {
        let value = json!({"rows": rows, "size": self.size}).to_string();
        if !meta::create(tx, &self.name, &value).await? {
            meta::save(tx, &self.name, &value).await?;
        }
        Ok(())
    }
}

fn open_report(path: &Path, append: bool) -> Result<File, Failure> {
    let mut options = File::options();
    options.create(true).write(true).append(append).truncate(!append);
    options.open(path).map_err(|e| Failure::new(format!("--report: {}: {e}", path.display())))
}

/// Returns the files to read, in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |e: std::io::Error| Failure::new(format!("{}: {e}", path.display()));
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        if file.is_file() && [".json", ".jsonl", ".ndjson"].iter().any(|end| name.ends_with(end)) {
            found.push(file);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(Failure::new(format!("{}: no .json, .jsonl or .ndjson file is there", path.display())));
    }
    Ok(found)
}

/// The rows of a file, one after the other: of an array, or of lines. Only one is in memory.
struct Rows {
    input: Box<dyn BufRead + Send>,
}

impl Rows {
    fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |e: std::io::Error| Failure::new(format!("{}: {e}", path.display()));
        let mut plain = BufReader::with_capacity(1 << 16, File::open(path).map_err(failed)?);
        let zipped = plain.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]);
        let input: Box<dyn BufRead + Send> = if zipped {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(plain)))
        } else {
            Box::new(plain)
        };
        Ok(Self { input })
    }

    /// Returns the next row, or why it is none. What cannot be told apart any more is a failure.
    fn next_row(&mut self) -> Result<Option<Result<Value, String>>, Failure> {
        // What stands between rows: blanks, commas, the brackets of an array, a byte order mark.
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let between = |b: &u8| b.is_ascii_whitespace() || b",[]\xef\xbb\xbf".contains(b);
            let skipped = buffer.iter().position(|b| !between(b)).unwrap_or(buffer.len());
            let more = skipped == buffer.len();
            self.input.consume(skipped);
            if !more {
                break;
            }
        }
        let (mut row, mut depth, mut quoted, mut escaped) = (Vec::new(), 0_usize, false, false);
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return if depth == 0 {
                    Ok(Some(read(&row)))
                } else {
                    Err(Failure::new("the file ends within a row"))
                };
            }
            let mut end = None;
            for (n, byte) in buffer.iter().enumerate() {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if quoted => escaped = true,
                    b'"' => quoted = !quoted,
                    _ if quoted => {}
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' if depth > 1 => depth -= 1,
                    b'}' | b']' if depth == 1 => end = Some(n + 1),
                    // Something that is no object ends where the next thing begins.
                    b',' | b'\n' | b']' if depth == 0 => end = Some(n),
                    _ => {}
                }
                if end.is_some() {
                    break;
                }
            }
            let taken = end.unwrap_or(buffer.len());
            row.extend_from_slice(&buffer[..taken]);
            self.input.consume(taken);
            if end.is_some() {
                return Ok(Some(read(&row)));
            }
            if row.len() > MAX_ROW {
                return Err(Failure::new("a row is larger than 4 MiB, or a quote is not closed"));
            }
        }
    }
}

fn read(row: &[u8]) -> Result<Value, String> {
    // The error names a place and no content.
    serde_json::from_slice(row).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use lockstep_core::env::Issuer;
    use lockstep_engine::app::new_master_keys;
    use lockstep_engine::config::Config;
    use lockstep_engine::store::db::Db;

    use super::*;

    fn rows(text: &str) -> Vec<Result<Value, String>> {
        // A buffer of three bytes: rows lie across its ends.
        let mut rows = Rows { input: Box::new(BufReader::with_capacity(3, Cursor::new(text.to_owned()))) };
        let mut all = Vec::new();
        while let Some(row) = rows.next_row().unwrap_or_else(|f| panic!("{}", f.message)) {
            all.push(row);
        }
        all
    }

    #[tokio::test]
    async fn an_import_that_was_broken_off_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.ndjson");
        let lines: String = (0..1000).map(|n| format!("{{\"email\": \"p{n}@example.com\"}}\n")).collect();
        std::fs::write(&path, lines).unwrap();
        let db = Db::sqlite(&folder.path().join("lockstep.db"), new_master_keys()).await.unwrap();
        let config = Config::new(Issuer::parse("https://login.example.org/").unwrap());
        let app = App::open(config, db, Arc::new(SystemClock)).await.unwrap();
        let args = |resume| Auth0Args {
            path: path.clone(),
            config: config::FileArg { file: PathBuf::new() },
            connection: "Username-Password-Authentication".to_owned(),
            new_only: true,
            dry_run: false,
            resume,
            report: None,
        };
        let files = [path.clone()];
        let mark = Mark::of(&path, &args(false)).unwrap_or_else(|f| panic!("{}", f.message));
        let rows = async || mark.read(&app).await.unwrap_or_else(|f| panic!("{}", f.message));
        let half_done = async {
            while rows().await == 0 {
                tokio::task::yield_now().await;
            }
        };
        let first = args(false);
        tokio::select! {
            biased;
            () = half_done => {}
            _ = import(&app, &first, &files) => {}
        }
        let done = rows().await;
        assert!(done > 0 && done < 1000 && done % BATCH as u64 == 0, "{done}");
        let counts = import(&app, &args(true), &files).await.unwrap_or_else(|f| panic!("{}", f.message));
        assert_eq!((counts.skipped, counts.inserted, counts.refused), (done, 1000 - done, 0));
        let again = import(&app, &args(true), &files).await.unwrap_or_else(|f| panic!("{}", f.message));
        assert_eq!((again.skipped, again.inserted), (1000, 0));
    }

    #[test]
    fn lines_and_arrays_are_read_alike() {
        let expected = [Ok(json!({"a": "}{\"],"})), Ok(json!({"b": [{"c": []}]}))];
        assert_eq!(rows("{\"a\": \"}{\\\"],\"}\n{\"b\": [{\"c\": []}]}\n"), expected);
        assert_eq!(rows("\u{feff}[ {\"a\": \"}{\\\"],\"} , {\"b\": [{\"c\": []}]} ]"), expected);
        assert_eq!(rows("[]"), []);
        assert_eq!(rows(""), []);
    }

    #[test]
    fn a_row_that_is_none_does_not_take_the_next_along() {
        let read = rows("7\n{\"a\": 1}\n{bad}\n{\"b\": 2}");
        assert_eq!((&read[0], &read[1]), (&Ok(json!(7)), &Ok(json!({"a": 1}))));
        assert!(read[2].is_err() && read[3] == Ok(json!({"b": 2})));
    }

    #[test]
    fn a_file_that_ends_within_a_row_is_told() {
        let mut rows = Rows { input: Box::new(Cursor::new("{\"a\": 1")) };
        assert!(rows.next_row().is_err());
    }

    #[test]
    fn zipped_files_are_read_whatever_their_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.json");
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(b"{\"a\": 1}\n").unwrap();
        let mut twice = gzip.finish().unwrap();
        twice.extend(twice.clone());
        std::fs::write(&path, twice).unwrap();
        let mut rows = Rows::open(&path).unwrap_or_else(|f| panic!("{}", f.message));
        let mut count = 0;
        while rows.next_row().unwrap_or_else(|f| panic!("{}", f.message)).is_some() {
            count += 1;
        }
        assert_eq!(count, 2);
    }
}
