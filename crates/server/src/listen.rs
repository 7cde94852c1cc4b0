//! Listening: TCP and TLS connections to one router, with limits against slow and stuck peers, and an orderly end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// How long a peer may take to send a request's headers, or to say the next thing on a kept-alive connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
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
        request.map(axum::body::Body::new)
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
