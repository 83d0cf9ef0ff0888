//! The addresses that are listened at. They are had before the database is, so that a
//! supervisor hears why nothing is served yet.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use axum::Router;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    api,
    app::App,
    config,
    server::{self, Settings},
};

/// What is listened at.
pub(super) struct Doors {
    public: TcpListener,
    operator: Option<TcpListener>,
}

impl Doors {
    /// Listens at the configured addresses.
    ///
    /// # Errors
    ///
    /// When one cannot be had.
    pub(super) fn open(config: &config::Server) -> anyhow::Result<Self> {
        let operator = match config.operator_bind {
            Some(bind) => Some(listen(bind, ", server.operator_bind")?),
            None => None,
        };
        Ok(Self {
            public: listen(config.bind, "")?,
            operator,
        })
    }

    /// Answers how Tributary is, and nothing else, until `over` is cancelled. Whoever connects
    /// then is served by [`Self::serve`]: both listen at the same sockets.
    ///
    /// # Errors
    ///
    /// When the process has no descriptor left.
    pub(super) fn wait(
        self,
        tasks: &mut JoinSet<()>,
        app: &Arc<App>,
        settings: &Settings,
        over: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let (public, waiting) = twice(self.public)?;
        let router = api::waiting_router(Arc::clone(app));
        tasks.spawn(server::serve(
            waiting,
            router,
            settings.clone(),
            over.clone(),
        ));
        let mut operator = None;
        if let Some(listener) = self.operator {
            let (kept, waiting) = twice(listener)?;
            let router = api::waiting_operator_router(Arc::clone(app));
            tasks.spawn(server::serve(
                waiting,
                router,
                settings.clone(),
                over.clone(),
            ));
            operator = Some(kept);
        }
        Ok(Self { public, operator })
    }

    /// Serves until `stop` is cancelled.
    pub(super) fn serve(
        self,
        tasks: &mut JoinSet<()>,
        app: &Arc<App>,
        router: Router,
        settings: &Settings,
    ) {
        let stop = &app.stop;
        tasks.spawn(server::serve(
            self.public,
            router,
            settings.clone(),
            stop.clone(),
        ));
        if let Some(listener) = self.operator {
            let router = api::operator_router(Arc::clone(app));
            tasks.spawn(server::serve(
                listener,
                router,
                settings.clone(),
                stop.clone(),
            ));
        }
    }
}

fn listen(bind: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    server::listen(bind).with_context(|| format!("cannot listen on {bind}{key}"))
}

/// A listener and another one at the same socket.
fn twice(listener: TcpListener) -> std::io::Result<(TcpListener, TcpListener)> {
    let one = listener.into_std()?;
    let other = one.try_clone()?;
    Ok((TcpListener::from_std(one)?, TcpListener::from_std(other)?))
}
