//! `/console`: the web page for looking at Tributary, in two parts.
//!
//! The customer's is a client of the API and the socket like any other, with a session
//! token of its own; the operator's asks for the admin key. The files are those of
//! `web/console`, and the first folder of a file's path says whose it is.

mod caller;
mod dev_token;
mod files;
mod policy;
mod settings;

use axum::{
    Router,
    extract::Path,
    http::HeaderMap,
    response::{Redirect, Response},
    routing::{get, post},
};

use self::{files::Folder, policy::Policies};
use crate::{api::ApiError, app::AppState};

/// The customer's part; with the operator's, unless that has an address of its own.
pub(super) fn public(app: &AppState) -> Router<AppState> {
    let config = &app.config;
    if !config.console.on {
        return Router::new();
    }
    let mut folders = vec![Folder::Client, Folder::Customer, Folder::Shared];
    let mut router = Router::new()
        .route("/console/settings.json", get(settings::settings))
        .merge(page("/console", Folder::Customer, app))
        .merge(page("/console/", Folder::Customer, app));
    if settings::Clerk::of(&config.clerk).is_some() {
        folders.push(Folder::SignIn);
        router = router.merge(page("/console/sign-in", Folder::SignIn, app));
    }
    if config.clerk.development_key_file.is_some() {
        router = router.route("/console/dev-token", post(dev_token::mint_token));
    }
    if config.server.operator_bind.is_none() {
        folders.push(Folder::Operator);
        router = router.merge(page("/console/operator", Folder::Operator, app));
    }
    router.merge(assets(folders, app))
}

/// The operator's part, for `server.operator_bind`.
pub(super) fn operators(app: &AppState) -> Router<AppState> {
    if !app.config.console.on {
        return Router::new();
    }
    let to_the_page = || async { Redirect::temporary("/console/operator") };
    Router::new()
        .route("/console", get(to_the_page))
        .route("/console/", get(to_the_page))
        .merge(page("/console/operator", Folder::Operator, app))
        .merge(assets(vec![Folder::Operator, Folder::Shared], app))
}

fn page(at: &str, folder: Folder, app: &AppState) -> Router<AppState> {
    let policies = Policies::of(&app.config);
    let serve = async move |headers: HeaderMap| -> Result<Response, ApiError> {
        files::serve(&headers, folder, "index.html", &policies).ok_or(ApiError::NotFound)
    };
    Router::new().route(at, get(serve))
}

/// The files of these folders, but no page by its file's name: it would be the same page
/// at another address.
fn assets(folders: Vec<Folder>, app: &AppState) -> Router<AppState> {
    let policies = Policies::of(&app.config);
    let serve = async move |Path(path): Path<String>, headers: HeaderMap| {
        let (folder, name) = path.split_once('/').ok_or(ApiError::NotFound)?;
        let folder = Folder::named(folder).filter(|folder| folders.contains(folder));
        folder
            .filter(|_| name != "index.html")
            .and_then(|folder| files::serve(&headers, folder, name, &policies))
            .ok_or(ApiError::NotFound)
    };
    Router::new().route("/console/{*file}", get(serve))
}
