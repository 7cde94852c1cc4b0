//! Many people: makes them in a database, and measures what is asked about them.
//!
//! ```sh
//! lockstep-bench people --users 1000000 --folder /var/tmp/million
//! lockstep-bench people-load --folder /var/tmp/million
//! ```
//!
//! The folder keeps configuration, master key and, for SQLite, the database, so that the second command can be run again and again.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use lockstep_core::crypto::hasher::{self, HashParams};
use lockstep_core::crypto::seal::MasterKeys;
use lockstep_core::factors::totp::{self, Parameters, Seed};
use lockstep_core::ids::{AuthenticatorId, UserId};
use lockstep_core::model::user::{Profile, User};
use lockstep_core::random::SystemRng;
use lockstep_core::time::{Clock as _, Span, SystemClock, Timestamp};
use lockstep_engine::config::server::{self, Database};
use lockstep_engine::store::db::Db;
use lockstep_engine::store::{authenticators, users};
use reqwest::Method;
use serde_json::{Value, json};

use crate::Outcome;
use crate::load::once;
use crate::server::Place;
use crate::tenant::{CONNECTION, PASSWORD, Person, SEED, Tenant};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many people there shall be
    #[arg(long, default_value_t = 50_000)]
    users: usize,
    /// Where configuration, key and database are kept; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Every so many-th has an authenticator app
    #[arg(long, default_value_t = 5)]
    totp_every: usize,
}

#[derive(clap::Args)]
pub(crate) struct LoadArgs {
    /// The folder that `people` made
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Requests of each kind; fewer logins, where there are fewer people with an authenticator app
    #[arg(long, default_value_t = 200)]
    requests: usize,
    /// Requests at a time
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Only the searches of this name
    #[arg(long, value_name = "NAME", value_parser = SHAPES.iter().map(|(name, _)| *name).collect::<Vec<_>>())]
    only: Option<String>,
}

/// So many go with one commit.
const BATCH: usize = 1000;
/// So many write at once, where the database lets them.
const WRITERS: usize = 4;

const GIVEN: [&str; 40] = [
    "Ana", "Ben", "Carla", "David", "Elena", "Farid", "Grace", "Hugo", "Ingrid", "João", "Keiko", "Liam",
    "Maya", "Noah", "Olga", "Priya", "Quentin", "Rosa", "Samir", "Thảo", "Uma", "Viktor", "Wei", "Ximena",
    "Yusuf", "Zoë", "Aisha", "Björn", "Chloé", "Dmitri", "Emeka", "Fatima", "Giulia", "Hana", "Iván", "Jana",
    "Kofi", "Lucía", "Mateo", "Nadia",
];
const FAMILY: [&str; 50] = [
    "Smith",
    "García",
    "Müller",
    "Nguyen",
    "Kim",
    "Silva",
    "Rossi",
    "Khan",
    "Ivanov",
    "Tanaka",
    "Dubois",
    "Novak",
    "Okafor",
    "Hansen",
    "Cohen",
    "Ali",
    "Kumar",
    "Wang",
    "López",
    "Andersson",
    "Kowalski",
    "Papadopoulos",
    "O'Brien",
    "Ferrari",
    "Schmidt",
    "Suzuki",
    "Mensah",
    "Haddad",
    "Jensen",
    "Costa",
    "Moreau",
    "Horvat",
    "Popescu",
    "Yılmaz",
    "Van Dijk",
    "Lindqvist",
    "Marin",
    "Abebe",
    "Chen",
    "Fischer",
    "Jones",
    "Martin",
    "Sato",
    "Ortiz",
    "Petrov",
    "Reyes",
    "Santos",
    "Weber",
    "Young",
    "Zhang",
];
const LANGUAGES: [&str; 4] = ["en", "es", "de", "ja"];
const DOMAINS: [&str; 8] = [
    "example.com",
    "mail.example",
    "acme.example",
    "corp.example",
    "uni.example",
    "shop.example",
    "lab.example",
    "rare.example",
];

/// Returns the address of the n-th person.
fn email(n: usize) -> String {
    // Half have the first domain, a quarter the second, and so on.
    let domain = DOMAINS[(n.trailing_ones() as usize).min(DOMAINS.len() - 1)];
    let plain =
        |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    format!("{}.{}{n}@{domain}", plain(GIVEN[n % GIVEN.len()]), plain(FAMILY[n / 7 % FAMILY.len()]))
}

fn person(n: usize, now: Timestamp) -> User {
    let (given, family) = (GIVEN[n % GIVEN.len()], FAMILY[n / 7 % FAMILY.len()]);
    let created_at = now - Span::minutes(2_000_000 - (n as i64).min(1_999_999));
    let plan = match n % 20 {
        0 => "gold",
        1..=5 => "silver",
        _ => "free",
    };
    let app_metadata = json!({"plan": plan, "customer_id": format!("cus_{n:08}"), "seats": n % 97,
        "roles": if n.is_multiple_of(50) { json!(["admin", "user"]) } else { json!(["user"]) }});
    let user_metadata = json!({"lang": LANGUAGES[n % 4], "address": {"city": FAMILY[n % 31]}});
    User {
        email: Some(email(n)),
        email_verified: !n.is_multiple_of(9),
        profile: Profile {
            name: Some(format!("{given} {family}")),
            nickname: Some(format!("{}{n}", given.to_lowercase())),
            given_name: Some(given.to_owned()),
            family_name: Some(family.to_owned()),
            picture: None,
        },
        app_metadata: app_metadata.as_object().cloned(),
        user_metadata: user_metadata.as_object().cloned(),
        blocked: n.is_multiple_of(997),
        blocked_set: n.is_multiple_of(997),
        logins_count: (n % 120) as i64,
        last_login: (!n.is_multiple_of(3)).then(|| now - Span::minutes((n as i64 * 7919) % 500_000)),
        created_at,
        updated_at: created_at,
        ..User::new(UserId::new(&mut SystemRng), CONNECTION, created_at)
    }
}

/// Makes the people that are not there yet.
pub(crate) async fn make(place: Place, args: Args) -> Outcome<()> {
    if !place.file("bench.json").exists() {
        let machine = place.init()?;
        let (server, _) = place.start().await?;
        let tenant = Tenant::set_up(&place, machine).await?;
        server.kill()?;
        std::fs::write(place.file("bench.json"), tenant.credentials().to_string())?;
    }
    let (db, writers) = open(&place).await?;
    db.migrate().await?;
    let hash = hasher::hash(PASSWORD, HashParams::default(), &mut SystemRng).map_err(|e| e.to_string())?;
    let hash: Arc<str> = hash.as_str().into();
    let now = SystemClock.now();
    let begun = Instant::now();
    let next = Arc::new(AtomicUsize::new(made(&place)));
    let first = next.load(Ordering::Relaxed);
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..writers {
        let (db, next, hash) = (db.clone(), Arc::clone(&next), Arc::clone(&hash));
        running.spawn(async move {
            loop {
                let from = next.fetch_add(BATCH, Ordering::Relaxed);
                if from >= args.users {
                    return Outcome::Ok(());
                }
                let mut tx = db.write().await?;
                for n in from..(from + BATCH).min(args.users) {
                    let user = person(n, now);
                    users::create(&mut tx, &user, Some(&hash)).await?;
                    if n.is_multiple_of(args.totp_every.max(1)) {
                        let parameters = Parameters::usual(Seed::parse(SEED).map_err(|e| e.to_string())?);
                        let id = AuthenticatorId::new(&mut SystemRng);
                        let app = totp::imported(id, user.id.clone(), &parameters, None, user.created_at)
                            .map_err(|e| e.to_string())?;
                        authenticators::create(&mut tx, &app).await?;
                    }
                }
                tx.commit().await?;
            }
        });
    }
    while let Some(done) = running.join_next().await {
        done??;
    }
    db.close().await;
    let count = args.users.saturating_sub(first);
    std::fs::write(place.file("people"), args.users.max(first).to_string())?;
    let seconds = begun.elapsed().as_secs_f64();
    println!("{count} people made in {seconds:.1} s, {:.0} /s", count as f64 / seconds.max(0.001));
    Ok(())
}

/// How many people an earlier run made.
fn made(place: &Place) -> usize {
    std::fs::read_to_string(place.file("people")).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

async fn open(place: &Place) -> Outcome<(Db, usize)> {
    let text = std::fs::read_to_string(place.file("lockstep.toml"))?;
    let variables = place.database().map(|url| ("LOCKSTEP_DATABASE_URL".to_owned(), url.to_owned()));
    let config = server::read(&text, place.folder(), variables.into_iter())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let keys = std::fs::read_to_string(&config.master_key_file)?;
    let keys = MasterKeys::parse(&keys).map_err(|e| e.to_string())?;
    Ok(match &config.database {
        Database::Sqlite(path) => (Db::sqlite(path, keys).await?, 1),
        Database::Postgres(url, connections) => (Db::postgres(url, *connections, keys).await?, WRITERS),
    })
}

/// What is asked: its name, and the query string of the n-th time. What few hold asks for a page that a thousand people fill: a longer page
/// costs more, however many people there are.
type Shape = (&'static str, fn(usize, Timestamp) -> String);

const SHAPES: &[Shape] = &[
    ("list, first page, total", |_, _| "include_totals=true".to_owned()),
    ("list, page 9 of 100, total", |_, _| "page=9&per_page=100&include_totals=true".to_owned()),
    ("list, latest logins first", |_, _| "sort=last_login:-1".to_owned()),
    ("email", |n, _| q(&format!("email:\"{}\"", email(n)))),
    ("email begins with", |n, _| page(20, &format!("email:{}*", &email(n)[..4]))),
    ("email.domain, common", |_, _| q("email.domain:example.com")),
    ("email.domain, rare", |_, _| page(5, "email.domain:rare.example")),
    ("name begins with", |n, _| page(20, &format!("name:{}*", begins(GIVEN[n % 40], 2)))),
    ("name has in it", |_, _| page(20, "name:*anaka*")),
    ("name and verified", |n, _| {
        page(20, &format!("name:{}* AND email_verified:true", begins(GIVEN[n % 40], 3)))
    }),
    ("term without a field", |n, _| q(&format!("\"{}\"", email(n)))),
    ("app_metadata, one", |n, _| q(&format!("app_metadata.customer_id:cus_{n:08}"))),
    ("app_metadata, common", |_, _| q("app_metadata.plan:gold")),
    ("app_metadata, two common", |_, _| page(10, "app_metadata.plan:gold AND app_metadata.roles:admin")),
    ("app_metadata, number range", |_, _| q("app_metadata.seats:[90 TO *]")),
    ("user_metadata", |_, _| q("user_metadata.address.city:Tanaka")),
    ("created_at, a day", |n, now| {
        let day = &person(n, now).created_at.to_iso()[..10];
        q(&format!("created_at:[{day} TO {day}]"))
    }),
    ("logins_count", |_, _| q("logins_count:[110 TO *]")),
    ("connection", |_, _| q(&format!("identities.connection:\"{CONNECTION}\""))),
    ("not blocked", |_, _| q("blocked:false")),
    ("blocked", |_, _| page(2, "blocked:true")),
    ("nobody", |_, _| q("app_metadata.plan:platinum OR name:nobody*")),
];

fn q(text: &str) -> String {
    page(50, text)
}

fn page(length: usize, text: &str) -> String {
    let q: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    format!("q={q}&search_engine=v3&include_totals=true&per_page={length}")
}

fn begins(name: &str, count: usize) -> String {
    name.chars().take(count).collect()
}

/// Measures.
pub(crate) async fn measure(place: Place, args: LoadArgs) -> Outcome<()> {
    let people = made(&place);
    let credentials: Value = serde_json::from_str(&std::fs::read_to_string(place.file("bench.json"))?)?;
    let (server, start) = place.start().await?;
    println!("people {people}, start to first answer {:.0} ms", start.as_secs_f64() * 1000.0);
    let tenant = Tenant::resume(&place, &credentials).await?;
    let now = SystemClock.now();
    let search = async |name: &str, shapes: &'static [Shape]| {
        let counter = Arc::new(AtomicUsize::new(0));
        let figures = once(args.workers, args.requests * shapes.len(), |_| {
            let (tenant, n) = (tenant.clone(), counter.fetch_add(1, Ordering::Relaxed));
            let (_, query) = shapes[n % shapes.len()];
            let path = format!("users?{}", query(n / shapes.len() * 7919 % people.max(1), now));
            async move { tenant.call(Method::GET, &path, Value::Null).await.map(drop) }
        })
        .await;
        // One that takes too long is a finding, not the end.
        match figures {
            Ok(figures) => figures.print(name, &server),
            Err(error) => {
                println!("{name:30} {error}");
                Ok(())
            }
        }
    };
    let only = args.only.as_deref();
    for shape in SHAPES.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        search(shape.0, std::slice::from_ref(shape)).await?;
    }
    if only.is_some() {
        return Ok(());
    }
    search("all of these, in turn", SHAPES).await?;
    let run = format!("{}", SystemClock.now().as_millis());
    let counter = Arc::new(AtomicUsize::new(0));
    once(args.workers, args.requests, |_| {
        let (tenant, n, run) = (tenant.clone(), counter.fetch_add(1, Ordering::Relaxed), run.clone());
        async move { tenant.user(&format!("new{run}x{n}")).await.map(drop) }
    })
    .await?
    .print("create (with its hash)", &server)?;
    // Those with an app who are not blocked; another part of them each run, since a code counts once.
    let begin = now.as_secs().unsigned_abs() as usize;
    let counter = Arc::new(AtomicUsize::new(0));
    let logins = args.requests.min(people / 5 * 9 / 10);
    once(args.workers, logins, |_| {
        let n = loop {
            let n = (begin + counter.fetch_add(1, Ordering::Relaxed)) * 5 % people.max(1) / 5 * 5;
            if !person(n, now).blocked {
                break n;
            }
        };
        let (tenant, person) = (tenant.clone(), Person { id: String::new(), email: email(n) });
        async move {
            let mut visitor = tenant.to_challenge(&person).await?;
            visitor.submit(&[("code", &Tenant::code()?)]).await?;
            let code = visitor.code().ok_or_else(|| format!("not logged in: {}", visitor.url))?;
            tenant.redeem(&code).await.map(drop)
        }
    })
    .await?
    .print("login: password, TOTP, tokens", &server)
}
