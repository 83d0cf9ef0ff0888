//! Endpoints: routes that say what they are, and not before somebody asks.
//!
//! The whole description takes three megabytes to make, which the allocator would keep for
//! as long as the program runs, and nobody may ever read it. So an endpoint is its route and
//! a function that describes it.

use axum::{Router, handler::Handler, routing::MethodRouter};
use utoipa::{Path, openapi::OpenApi};
use utoipa_axum::PathItemExt as _;

use crate::app::AppState;

/// One handler under its path.
pub(super) struct Endpoint {
    path: String,
    methods: MethodRouter<AppState>,
    describe: fn() -> OpenApi,
}

impl Endpoint {
    /// The handler that `P` is the path of; [`endpoint!`] knows how both are called.
    pub(super) fn new<P: Path, H, T>(handler: &H, describe: fn() -> OpenApi) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        let filters = P::methods()
            .into_iter()
            .map(|method| method.to_method_filter());
        let methods = filters.fold(MethodRouter::new(), |methods, filter| {
            methods.on(filter, handler.clone())
        });
        Self {
            path: P::path(),
            methods,
            describe,
        }
    }

    /// Adds what it says of itself to what others said.
    pub(super) fn describe(mut said: OpenApi, endpoint: &Self) -> OpenApi {
        said.merge((endpoint.describe)());
        said
    }

    /// The same with something around its handler.
    pub(super) fn map(
        self,
        around: impl FnOnce(MethodRouter<AppState>) -> MethodRouter<AppState>,
    ) -> Self {
        Self {
            methods: around(self.methods),
            ..self
        }
    }
}

/// The routes of endpoints.
pub(super) fn routes(endpoints: Vec<Endpoint>) -> Router<AppState> {
    let routed =
        |router: Router<_>, endpoint: Endpoint| router.route(&endpoint.path, endpoint.methods);
    endpoints.into_iter().fold(Router::new(), routed)
}

/// The [`Endpoint`] of a handler that carries `#[utoipa::path(...)]`, which makes the type
/// `__path_<handler>` beside it.
macro_rules! endpoint {
    (@ [$($module:ident)*] $handler:ident) => {
        pastey::paste! {
            $crate::api::endpoint::Endpoint::new::<$($module::)*[<__path_ $handler>], _, _>(
                &$($module::)*$handler,
                || {
                    utoipa_axum::router::OpenApiRouter::<$crate::app::AppState>::new()
                        .routes(utoipa_axum::routes!($($module::)*$handler))
                        .into_openapi()
                },
            )
        }
    };
    (@ [$($module:ident)*] $next:ident :: $($rest:tt)+) => {
        endpoint!(@ [$($module)* $next] $($rest)+)
    };
    ($($path:tt)+) => {
        endpoint!(@ [] $($path)+)
    };
}

pub(super) use endpoint;
