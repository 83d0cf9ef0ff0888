//! The API on a loopback port, and users with session tokens for it.

use std::{net::SocketAddr, sync::Arc};

use chrono::TimeDelta;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tributary::{
    api,
    app::{App, Identity},
    auth::{clerk::DEVELOPMENT_ISSUER, dev},
    server,
};

use super::{
    keys::{signing_key, signing_key_file},
    ownership::World,
};

/// A running API over a world.
pub(crate) struct Server {
    pub(crate) world: World,
    address: SocketAddr,
    client: reqwest::Client,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Server {
    pub(crate) async fn start(mut world: World) -> Self {
        world.config.clerk.development_key_file = Some(signing_key_file().to_owned());
        let stop = CancellationToken::new();
        let app = Arc::new(app(&world, stop.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let settings = server::Settings::new(&app.config.server.trusted_proxies);
        let router = api::router(app);
        tokio::spawn(server::serve(listener, router, settings, stop.clone()));
        Self {
            world,
            address,
            client: reqwest::Client::new(),
            stop,
        }
    }

    /// A request without any credentials.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    /// A request of a signed-in user.
    pub(crate) fn request_as(&self, user_id: &str, method: Method, path: &str) -> RequestBuilder {
        let token = self.token(user_id, TimeDelta::zero());
        self.request(method, path).bearer_auth(token)
    }

    /// A session token of a minute that began `ago`.
    pub(crate) fn token(&self, user_id: &str, ago: TimeDelta) -> String {
        let issued_at = self.world.now() - ago;
        dev::mint(
            signing_key(),
            DEVELOPMENT_ISSUER,
            user_id,
            issued_at,
            TimeDelta::minutes(1),
        )
        .unwrap()
    }
}

/// The status and the JSON of an answer; null for none.
pub(crate) async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).unwrap()
    };
    (status, body)
}

fn app(world: &World, stop: CancellationToken) -> App {
    let identity = Identity {
        sender_bot: "@tributary:lab.local".to_owned(),
        hs_token: "the-hs-token".into(),
    };
    let (config, feed) = (world.config.clone(), world.ingest.feed.clone());
    App::new(
        config,
        &identity,
        world.db.clone(),
        feed,
        world.clock.clone(),
        stop,
    )
    .unwrap()
}
