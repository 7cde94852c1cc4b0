//! Listening: TCP and TLS connections to one router, with limits against slow and stuck peers, and an orderly end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ConnectInfo;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// How long a peer may take to send a request's headers, or to say the next thing on a kept-alive connection. Node programs that compute for
/// a while without looking at their sockets (the Deploy CLI, compiling its schemas) use one again that was closed meanwhile, and fail.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a request's body may take from the moment it has to be waited for.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long running requests are waited for at the end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How many connections are held at a time; more wait in the system's queue.
const MAX_CONNECTIONS: usize = 10_000;
/// How many requests one HTTP/2 connection may have open.
const MAX_STREAMS: u32 = 128;

/// Whether a request came by TLS or in the clear. Put into each request's extensions, beside the peer's `ConnectInfo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTPS.
    Tls,
    /// Plain HTTP.
    Plain,
}

/// One address that is listened on.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Door {
    /// Listens on a bound socket; with `tls` it speaks HTTPS.
    pub fn new(listener: std::net::TcpListener, tls: Option<Arc<rustls::ServerConfig>>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener: TcpListener::from_std(listener)?, tls })
    }
}

/// Answers all doors with `router` until `stop` is done, then finishes the running requests.
pub async fn serve(doors: Vec<Door>, router: Router, stop: impl Future<Output = ()>) {
    let (closing, closed) = watch::channel(false);
    let graceful = Arc::new(GracefulShutdown::new());
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let tasks: Vec<_> = doors
        .into_iter()
        .map(|door| {
            tokio::spawn(accept(
                door,
                router.clone(),
                closed.clone(),
                Arc::clone(&graceful),
                Arc::clone(&room),
            ))
        })
        .collect();
    stop.await;
    let _ = closing.send(true);
    for task in tasks {
        let _ = task.await;
    }
    let Some(graceful) = Arc::into_inner(graceful) else { return };
    if tokio::time::timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("Some requests were still running {DRAIN_TIMEOUT:?} after the stop; dropped them");
    }
}

async fn accept(
    door: Door,
    router: Router,
    mut closed: watch::Receiver<bool>,
    graceful: Arc<GracefulShutdown>,
    room: Arc<Semaphore>,
) {
    let tls = door.tls.map(TlsAcceptor::from);
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = door.listener.accept() => accepted,
            _ = closed.wait_for(|c| *c) => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, or the peer was gone already. A pause keeps the first from becoming a busy loop.
                tracing::debug!(%error, "Cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (router, tls, watcher) = (router.clone(), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _permit = permit;
            match tls {
                None => converse(stream, router, peer, Transport::Plain, watcher).await,
                Some(tls) => {
                    if let Some(stream) = handshake(&tls, stream).await {
                        converse(stream, router, peer, Transport::Tls, watcher).await;
                    }
                }
            }
        });
    }
}

async fn handshake(
    tls: &TlsAcceptor,
    stream: TcpStream,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "A TLS handshake failed: {error}");
            None
        }
        Err(_) => None,
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    peer: SocketAddr,
    transport: Transport,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let service = router.map_request(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(transport);
        request.map(|body| axum::body::Body::new(Timely { body, deadline: None }))
    });
    let service = TowerToHyperService::new(service.map_err(|never: Infallible| match never {}));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::trace!(%error, "A connection ended early: {error}");
    }
}

/// A body that has to be there in time: a peer that sends a byte now and then does not hold a request for ever.
struct Timely {
    body: Incoming,
    /// Set when there is something to wait for; most bodies come with their headers.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Body for Timely {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|f| f.map_err(Into::into)));
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(BODY_TIMEOUT)));
        match deadline.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err("the body took too long".into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Waits for Ctrl-C or, as service managers send it, SIGTERM.
pub async fn stop_signal() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler the default action ends the process anyway.
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Sends the beginning of a request, then a blank now and then; returns the answer and how long the connection lasted.
    async fn drip(beginning: &str) -> (String, Duration) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", post(async |body: String| body));
        tokio::spawn(serve(vec![Door::new(listener, None).unwrap()], router, std::future::pending()));
        let mut peer = TcpStream::connect(address).await.unwrap();
        // A peer that says too much is hung up on before it is done.
        drop(peer.write_all(beginning.as_bytes()).await);
        let begin = tokio::time::Instant::now();
        let mut answer = Vec::new();
        // The clock is paused: it jumps to the next moment at which something happens.
        while begin.elapsed() < Duration::from_secs(3600) {
            let mut some = [0; 1024];
            match tokio::time::timeout(Duration::from_secs(2), peer.read(&mut some)).await {
                Ok(Ok(0) | Err(_)) => break,
                Ok(Ok(n)) => answer.extend_from_slice(&some[..n]),
                Err(_) => drop(peer.write_all(b"a").await),
            }
        }
        (String::from_utf8(answer).unwrap(), begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_drips_its_headers_is_hung_up_on() {
        let (_, lasted) = drip("POST / HTTP/1.1\r\nHost: a\r\nX: ").await;
        assert!(lasted <= HEADER_TIMEOUT + Duration::from_secs(3), "{lasted:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_drips_its_body_is_hung_up_on() {
        let (answer, lasted) = drip("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(lasted <= BODY_TIMEOUT + HEADER_TIMEOUT + Duration::from_secs(3), "{lasted:?}");
    }
    #[tokio::test(start_paused = true)]
    async fn headers_that_never_end_are_not_kept() {
        let long = format!("POST / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(300_000));
        let (answer, lasted) = drip(&long).await;
        // The answer may be lost: what was still on its way makes the system reset the connection.
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
        assert!(lasted < HEADER_TIMEOUT, "{lasted:?}");
    }
}
