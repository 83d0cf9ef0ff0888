//! One connection, from its first byte to its last.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::ConnectInfo,
};
use hyper::{
    Request, StatusCode,
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Settings, stream::Stream, watch::Watch};
use crate::meters::meters;

/// Serves requests, and gives the stream to whoever upgrades it, until one side ends it.
pub(super) async fn serve(
    stream: Stream,
    peer: SocketAddr,
    router: Router,
    settings: Arc<Settings>,
    stop: CancellationToken,
) {
    let (watch, received) = (stream.watch(), stream.counts());
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        watch.began();
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(received.clone());
        let watch = Arc::clone(&watch);
        let answer = router.call(request);
        async {
            let answer = answer.await?;
            if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                watch.upgraded();
            }
            Ok::<_, Infallible>(answer.map(|body| Answer { body, watch }))
        }
    });
    let connection = http1::Builder::new()
        // The watch does that: hyper's would also end the wait for the next request.
        .header_read_timeout(None)
        .max_header_size(settings.longest_head)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut overdue = pin!(watch.overdue());
    let mut is_stopping = false;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled(), if !is_stopping => {
                is_stopping = true;
                watch.stopping(Instant::now());
                connection.as_mut().graceful_shutdown();
            }
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                watch.ended();
                return;
            }
            () = overdue.as_mut() => {
                meters().connections_overdue.increment(1);
                return;
            }
        }
    }
}

/// An answer's body, which tells when it is gone.
struct Answer {
    body: Body,
    watch: Arc<Watch>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.watch.answered(Instant::now());
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
