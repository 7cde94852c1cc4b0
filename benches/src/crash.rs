//! Crash: SIGKILL in the middle of TOTP logins, again and again. After each restart: what was acknowledged is there, and no code counts
//! twice, whether its login was acknowledged or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::sync::Mutex;

use crate::Outcome;
use crate::server::Place;
use crate::tenant::{Person, Tenant};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often the server is killed
    #[arg(long, default_value_t = 100)]
    rounds: u32,
    /// People who log in during a round
    #[arg(long, default_value_t = 6)]
    people: usize,
}

/// What a person's logins of a round came to.
struct Story {
    person: Person,
    code: String,
    /// Logins that were acknowledged, before and after the kill.
    successes: AtomicU64,
    /// The last write to the user that was acknowledged.
    written: AtomicU64,
    /// A refresh token that was handed out.
    refresh: Mutex<Option<String>>,
}

#[derive(Default)]
struct Totals {
    before: u64,
    after: u64,
    writes: u64,
    refused: u64,
    slowest: Duration,
}

/// Runs the rounds; the first broken promise ends the run.
pub(crate) async fn run(place: Place, args: Args) -> Outcome<()> {
    let machine = place.init()?;
    let (mut server, _) = place.start().await?;
    let tenant = Tenant::set_up(&place, machine).await?;
    let mut totals = Totals::default();
    for round in 0..args.rounds {
        let mut stories = Vec::new();
        for n in 0..args.people {
            let person = tenant.person(&format!("r{round}p{n}")).await?;
            stories.push(Arc::new(Story {
                person,
                code: String::new(),
                successes: AtomicU64::new(0),
                written: AtomicU64::new(0),
                refresh: Mutex::new(None),
            }));
        }
        // One code for all, early in its step, so that it is still good after the restart.
        let code = fresh_code().await?;
        let stories: Vec<_> = stories
            .into_iter()
            .filter_map(Arc::into_inner)
            .map(|story| Arc::new(Story { code: code.clone(), ..story }))
            .collect();
        let mut running = tokio::task::JoinSet::new();
        for story in &stories {
            // Two logins with the same code at once, and a writer.
            running.spawn(log_in(tenant.clone(), Arc::clone(story)));
            running.spawn(log_in(tenant.clone(), Arc::clone(story)));
            running.spawn(write(tenant.clone(), Arc::clone(story)));
        }
        // A different moment each round: from the first request to the last.
        tokio::time::sleep(Duration::from_millis(u64::from(round * 37 % 900))).await;
        server.kill()?;
        // How they ended does not matter: the server went away.
        while running.join_next().await.is_some() {}

        let (again, took) =
            place.start().await.map_err(|e| format!("round {round}: no clean restart: {e}"))?;
        server = again;
        totals.slowest = totals.slowest.max(took);
        for story in &stories {
            check(&tenant, story, &mut totals)
                .await
                .map_err(|e| format!("round {round}, {}: {e}", story.person.email))?;
        }
    }
    if totals.before == 0 || totals.after == 0 || totals.refused == 0 {
        return Err("the kills came too early or too late: nothing was tested".into());
    }
    println!("kills                          {}", args.rounds);
    println!("logins acknowledged before     {}", totals.before);
    println!("  their code refused after     {}", totals.refused);
    println!("logins acknowledged after      {}", totals.after);
    println!("writes acknowledged and found  {}", totals.writes);
    println!("slowest restart                {} ms", totals.slowest.as_millis());
    println!("codes spent twice 0, acknowledged writes lost 0");
    Ok(())
}

/// Waits until a step has just begun, and returns its code.
async fn fresh_code() -> Outcome<String> {
    let since_epoch = std::time::SystemTime::UNIX_EPOCH.elapsed()?.as_secs();
    // Rounds are short; only the end of a step is too late.
    if since_epoch % 30 > 20 {
        tokio::time::sleep(Duration::from_secs(30 - since_epoch % 30)).await;
    }
    Tenant::code()
}

/// Logs in as far as it goes; returns whether that was acknowledged.
async fn log_in(tenant: Tenant, story: Arc<Story>) -> Outcome<bool> {
    let mut visitor = tenant.to_challenge(&story.person).await?;
    visitor.submit(&[("code", &story.code)]).await?;
    let Some(code) = visitor.code() else { return Ok(false) };
    story.successes.fetch_add(1, Ordering::SeqCst);
    let answer = tenant.redeem(&code).await?;
    *story.refresh.lock().await = answer["refresh_token"].as_str().map(str::to_owned);
    Ok(true)
}

async fn write(tenant: Tenant, story: Arc<Story>) -> Outcome<bool> {
    let begin = Instant::now();
    for n in 1_u64.. {
        let body = json!({"user_metadata": {"n": n}});
        let path = format!("users/{}", story.person.id);
        tenant.call(Method::PATCH, &path, body).await?;
        story.written.store(n, Ordering::SeqCst);
        if begin.elapsed() > Duration::from_secs(5) {
            break;
        }
    }
    Ok(true)
}

async fn check(tenant: &Tenant, story: &Arc<Story>, totals: &mut Totals) -> Outcome<()> {
    let user =
        tenant.call(Method::GET, &format!("users/{}", story.person.id), serde_json::Value::Null).await?;
    let found = user["user_metadata"]["n"].as_u64().unwrap_or(0);
    let written = story.written.load(Ordering::SeqCst);
    if found < written {
        return Err(format!("lost a write: {written} was acknowledged, {found} is there").into());
    }
    totals.writes += written;
    let before = story.successes.load(Ordering::SeqCst);
    if let Some(token) = story.refresh.lock().await.as_deref() {
        tenant
            .post_token(&tenant.refresh_request(token))
            .await
            .map_err(|e| format!("lost a refresh token: {e}"))?;
    }
    log_in(tenant.clone(), Arc::clone(story)).await?;
    let all = story.successes.load(Ordering::SeqCst);
    if all > 1 {
        return Err(format!("a code was spent {all} times").into());
    }
    totals.before += before;
    totals.after += all - before;
    totals.refused += u64::from(before == 1);
    Ok(())
}
