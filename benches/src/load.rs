//! Load: how fast, how big.
//!
//! Left alone, generator and server share all cores, and the figures are a lower bound. With `--server-cpus` the server gets cores of
//! its own, and the generator, started under `taskset`, others; the ceilings are measured on the generator's, so give both as many.
//!
//! A machine is not equally fast at all times, a virtual one least of all. What signatures bound is therefore measured in rounds, and the
//! signatures a second of the server's own cores before and after each.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lockstep_core::crypto::hasher::{self, HashParams};
use lockstep_core::crypto::jose::{Alg, SigningKey};
use lockstep_core::random::SystemRng;
use serde_json::json;
use tokio::sync::Mutex;

use crate::Outcome;
use crate::server::{Place, Server};
use crate::tenant::Tenant;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seconds a scenario runs
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Requests at a time
    #[arg(long, default_value_t = 16)]
    workers: usize,
    /// People who log in once each
    #[arg(long, default_value_t = 200)]
    people: usize,
    /// Cores for the server alone, as `taskset --cpu-list` takes them
    #[arg(long)]
    server_cpus: Option<String>,
    /// Only this scenario; may be given more than once
    #[arg(long, value_enum)]
    only: Vec<Scenario>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Scenario {
    Discovery,
    ClientCredentials,
    Login,
    Refresh,
    MfaOtp,
    MfaChallenge,
}

#[derive(clap::Args)]
pub(crate) struct SignaturesArgs {
    /// For so long
    #[arg(long, default_value_t = 500)]
    milliseconds: u64,
}

/// Measures how many RS256 signatures a second all cores make together that this process may use.
pub(crate) fn signatures(args: &SignaturesArgs) -> Outcome<f64> {
    let cores = std::thread::available_parallelism()?.get();
    ceiling(cores, Duration::from_millis(args.milliseconds), || {
        let key = SigningKey::generate(Alg::RS256).map_err(|e| e.to_string())?;
        let claims = json!({"iss": "https://bench.example/", "sub": "auth0|1", "aud": "a", "exp": 1});
        Ok(move || key.sign_jwt("at+jwt", &claims).is_ok())
    })
}

/// Measures everything and prints a table.
pub(crate) async fn run(mut place: Place, args: Args) -> Outcome<()> {
    place.pin(args.server_cpus);
    let cores = std::thread::available_parallelism()?.get();
    let time = Duration::from_secs(3);
    let rs256 = signatures(&SignaturesArgs { milliseconds: 3_000 })?;
    let argon2id = ceiling(cores, time, || {
        Ok(|| hasher::hash("Pw-bench-1!", HashParams::default(), &mut SystemRng).is_ok())
    })?;

    let machine = place.init()?;
    let mut starts = Vec::new();
    for _ in 0..20 {
        starts.push(place.start().await?.1);
    }
    starts.sort_unstable();
    let (server, _) = place.start().await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = server.memory()?;

    println!("cores                          {cores}");
    println!("RS256 signatures               {rs256:8.0} /s, the machine's ceiling on all cores");
    println!("argon2id hashes                {argon2id:8.1} /s, the machine's ceiling on all cores");
    println!("start to first answer          {:8.1} ms (median of 20)", ms(starts[10]));
    println!("memory idle                    {idle:8.1} MiB");

    let tenant = Tenant::set_up(&place, machine).await?;
    let load = Load { tenant, server, workers: args.workers, time: Duration::from_secs(args.seconds) };
    let wanted = |scenario| args.only.is_empty() || args.only.contains(&scenario);
    if wanted(Scenario::Discovery) {
        load.discovery().await?.print("discovery", &load.server)?;
    }
    if wanted(Scenario::ClientCredentials) {
        let (figures, shares) = in_rounds(&place, FEWEST_ROUNDS, 1.0, || load.client_credentials()).await?;
        figures.print("client_credentials", &load.server)?;
        println!("{:30} {shares} of what one RS256 signature allows", "");
    }
    if wanted(Scenario::Login) || wanted(Scenario::Refresh) {
        let (figures, tokens) = load.login(args.people).await?;
        figures.print("login: password, TOTP, tokens", &load.server)?;
        println!("{:30} {:8.0} % of the argon2id ceiling", "", 100.0 * figures.rate() / argon2id);
        if wanted(Scenario::Refresh) {
            load.refresh(tokens).await?.print("refresh with rotation", &load.server)?;
        }
    }
    if wanted(Scenario::MfaOtp) {
        let tokens = load.mfa_tokens(args.people, "otp").await?;
        // A third of a second each on one core: less would measure the beginning and the end.
        let rounds = (args.people / 400).max(FEWEST_ROUNDS);
        let (figures, shares) =
            in_rounds(&place, rounds, 2.0, || load.mfa_otp(args.people / rounds, &tokens)).await?;
        figures.print("grant mfa-otp, two signatures", &load.server)?;
        println!("{:30} {shares} of what two RS256 signatures allow", "");
    }
    if wanted(Scenario::MfaChallenge) {
        load.mfa_challenge(args.people).await?.print("/mfa/challenge by email", &load.server)?;
    }
    Ok(())
}

struct Load {
    tenant: Tenant,
    server: Server,
    workers: usize,
    time: Duration,
}

impl Load {
    async fn discovery(&self) -> Outcome<Figures> {
        let url = format!("{}/.well-known/openid-configuration", self.tenant.base);
        repeat(self.workers, self.time, |_| {
            let request = self.tenant.http.get(&url);
            async move {
                let answer = request.send().await?.error_for_status()?;
                answer.bytes().await?;
                Ok(())
            }
        })
        .await
    }

    async fn client_credentials(&self) -> Outcome<Figures> {
        let body = Arc::new(self.tenant.service_request());
        repeat(self.workers, self.time / FEWEST_ROUNDS as u32, |_| {
            let (tenant, body) = (self.tenant.clone(), Arc::clone(&body));
            async move { tenant.post_token(&body).await.map(|_| ()) }
        })
        .await
    }

    /// Everybody logs in once; returns their refresh tokens too.
    async fn login(&self, people: usize) -> Outcome<(Figures, Vec<String>)> {
        let mut waiting = Vec::new();
        for n in 0..people {
            waiting.push(self.tenant.person(&format!("p{n}")).await?);
        }
        let (waiting, tokens) = (Arc::new(Mutex::new(waiting)), Arc::new(Mutex::new(Vec::new())));
        let figures = once(self.workers, people, |_| {
            let (tenant, waiting, tokens) = (self.tenant.clone(), Arc::clone(&waiting), Arc::clone(&tokens));
            async move {
                let person = waiting.lock().await.pop().ok_or("nobody left")?;
                let mut visitor = tenant.to_challenge(&person).await?;
                visitor.submit(&[("code", &Tenant::code()?)]).await?;
                let code = visitor.code().ok_or_else(|| format!("not logged in: {}", visitor.url))?;
                let answer = tenant.redeem(&code).await?;
                let token = answer["refresh_token"].as_str().ok_or("no refresh token")?.to_owned();
                tokens.lock().await.push(token);
                Ok(())
            }
        })
        .await?;
        let tokens = std::mem::take(&mut *tokens.lock().await);
        Ok((figures, tokens))
    }

    /// Everybody's `mfa_token`, made before the clock runs: the password's hash is measured by the login.
    async fn mfa_tokens(&self, people: usize, name: &str) -> Outcome<Arc<Mutex<Vec<String>>>> {
        let tokens = Arc::new(Mutex::new(Vec::new()));
        let next = Arc::new(AtomicUsize::new(0));
        let name = Arc::new(name.to_owned());
        once(self.workers, people, |_| {
            let (tenant, tokens) = (self.tenant.clone(), Arc::clone(&tokens));
            let (next, name) = (Arc::clone(&next), Arc::clone(&name));
            async move {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let person = tenant.person(&format!("{name}{n}")).await?;
                tokens.lock().await.push(tenant.mfa_token(&person).await?);
                Ok(())
            }
        })
        .await?;
        Ok(tokens)
    }

    async fn mfa_otp(&self, people: usize, tokens: &Arc<Mutex<Vec<String>>>) -> Outcome<Figures> {
        once(self.workers, people, |_| {
            let (tenant, tokens) = (self.tenant.clone(), Arc::clone(tokens));
            async move {
                let token = tokens.lock().await.pop().ok_or("no token left")?;
                let answer = tenant.post_token(&tenant.otp_request(&token)?).await?;
                answer["id_token"].as_str().map(|_| ()).ok_or_else(|| "no ID token".into())
            }
        })
        .await
    }

    async fn mfa_challenge(&self, people: usize) -> Outcome<Figures> {
        let tokens = self.mfa_tokens(people, "mail").await?;
        once(self.workers, people, |_| {
            let (tenant, tokens) = (self.tenant.clone(), Arc::clone(&tokens));
            async move {
                let token = tokens.lock().await.pop().ok_or("no token left")?;
                tenant.challenge_by_email(&token).await
            }
        })
        .await
    }

    async fn refresh(&self, tokens: Vec<String>) -> Outcome<Figures> {
        let slots: Arc<Vec<Mutex<String>>> =
            Arc::new(tokens.into_iter().take(self.workers).map(Mutex::new).collect());
        repeat(slots.len(), self.time, |worker| {
            let (tenant, slots) = (self.tenant.clone(), Arc::clone(&slots));
            async move {
                let mut token = slots[worker].lock().await;
                let answer = tenant.post_token(&tenant.refresh_request(&token)).await?;
                *token = answer["refresh_token"].as_str().ok_or("no refresh token")?.to_owned();
                Ok(())
            }
        })
        .await
    }
}

/// In how many parts at least a scenario is measured that is compared with signatures.
const FEWEST_ROUNDS: usize = 5;

/// Runs a scenario in rounds, each between two measurements of what the server's cores sign. Returns its figures and, of each round, the share
/// that `signatures` for each request are of it.
async fn in_rounds(
    place: &Place,
    rounds: usize,
    signatures: f64,
    mut round: impl AsyncFnMut() -> Outcome<Figures>,
) -> Outcome<(Figures, Shares)> {
    let mut ceilings = vec![signed(place)?];
    let (mut all, mut rates) = (Figures { took: Vec::new(), wall: Duration::ZERO }, Vec::new());
    for _ in 0..rounds {
        let figures = round().await?;
        ceilings.push(signed(place)?);
        rates.push(figures.rate());
        all.took.extend(figures.took);
        all.wall += figures.wall;
    }
    all.took.sort_unstable();
    let share =
        |(rate, around): (&f64, &[f64])| 100.0 * rate * signatures / (around.iter().sum::<f64>() / 2.0);
    let mut shares: Vec<f64> = rates.iter().zip(ceilings.windows(2)).map(share).collect();
    shares.sort_unstable_by(f64::total_cmp);
    Ok((all, Shares(shares)))
}

/// Signatures a second, made by a process of its own on the server's cores, while the server has nothing to do.
fn signed(place: &Place) -> Outcome<f64> {
    let output = place.pinned(&std::env::current_exe()?).arg("signatures").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// The shares of all rounds, the smallest first.
struct Shares(Vec<f64>);

impl std::fmt::Display for Shares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = &self.0;
        let median = f64::midpoint(all[(all.len() - 1) / 2], all[all.len() / 2]);
        write!(f, "{median:8.0} % ({:.0} to {:.0} in {} rounds)", all[0], all[all.len() - 1], all.len())
    }
}

/// What a scenario took.
pub(crate) struct Figures {
    took: Vec<Duration>,
    wall: Duration,
}

impl Figures {
    fn rate(&self) -> f64 {
        self.took.len() as f64 / self.wall.as_secs_f64()
    }

    pub(crate) fn print(&self, name: &str, server: &Server) -> Outcome<()> {
        let at = |share: f64| ms(self.took[((self.took.len() - 1) as f64 * share) as usize]);
        let (rate, p50, p99, memory) = (self.rate(), at(0.5), at(0.99), server.memory()?);
        println!("{name:30} {rate:8.1} /s   p50 {p50:7.2} ms   p99 {p99:7.2} ms   memory {memory:6.1} MiB");
        Ok(())
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Runs a request over and over by some workers for a time.
async fn repeat<F, R>(workers: usize, time: Duration, request: F) -> Outcome<Figures>
where
    F: Fn(usize) -> R,
    R: Future<Output = Outcome<()>> + Send + 'static,
{
    let begin = Instant::now();
    drive(workers, request, || begin.elapsed() < time).await
}

/// Runs a request so many times by some workers.
pub(crate) async fn once<F, R>(workers: usize, times: usize, request: F) -> Outcome<Figures>
where
    F: Fn(usize) -> R,
    R: Future<Output = Outcome<()>> + Send + 'static,
{
    let left = AtomicUsize::new(times);
    drive(workers, request, || {
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
    })
    .await
}

async fn drive<F, R>(workers: usize, request: F, more: impl Fn() -> bool) -> Outcome<Figures>
where
    F: Fn(usize) -> R,
    R: Future<Output = Outcome<()>> + Send + 'static,
{
    let begin = Instant::now();
    let timed = |worker: usize| {
        let future = request(worker);
        async move {
            let begin = Instant::now();
            future.await.map(|()| (worker, begin.elapsed()))
        }
    };
    let mut running = tokio::task::JoinSet::new();
    for worker in 0..workers {
        if more() {
            running.spawn(timed(worker));
        }
    }
    let mut took = Vec::new();
    while let Some(done) = running.join_next().await {
        let (worker, time) = done??;
        took.push(time);
        if more() {
            running.spawn(timed(worker));
        }
    }
    let wall = begin.elapsed();
    took.sort_unstable();
    Ok(Figures { took, wall })
}

/// Does something on all cores for a time; returns how often a second.
fn ceiling<W: FnMut() -> bool>(
    cores: usize,
    time: Duration,
    make: impl Fn() -> Outcome<W> + Sync,
) -> Outcome<f64> {
    let counts: Vec<Outcome<u64>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|_| {
                scope.spawn(|| {
                    let mut work = make()?;
                    let (begin, mut count) = (Instant::now(), 0);
                    while begin.elapsed() < time {
                        if !work() {
                            return Err("the work failed".into());
                        }
                        count += 1;
                    }
                    Ok(count)
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
    });
    let total: u64 = counts.into_iter().sum::<Outcome<u64>>()?;
    Ok(total as f64 / time.as_secs_f64())
}
