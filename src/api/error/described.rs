//! The refusals, for the API's description.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use axum::http::StatusCode;
use utoipa::{
    IntoResponses,
    openapi::{
        Object, Ref, RefOr, Response,
        schema::{ObjectBuilder, Type},
    },
};

use super::{ApiError, NoFile};

/// A refusal, as the description tells of it.
pub(in crate::api) struct Described {
    /// The name of its response.
    pub(in crate::api) name: &'static str,
    pub(in crate::api) status: StatusCode,
    /// The word that programs compare.
    pub(in crate::api) code: &'static str,
    pub(in crate::api) description: &'static str,
    /// What it says, for an example.
    pub(in crate::api) detail: Cow<'static, str>,
}

/// Every refusal. One that is missing here is refused all the same, and not described:
/// what asks every endpoint for what it may not answer finds it.
pub(in crate::api) fn described() -> Vec<Described> {
    let all = [
        (
            "Invalid",
            ApiError::invalid("limit is 1 to 200"),
            "The request is not one",
        ),
        (
            "Unauthorized",
            ApiError::Unauthorized("a session token is required"),
            "No key or session, or none that is known",
        ),
        (
            "Forbidden",
            ApiError::Forbidden("the session is not active"),
            "A known caller who may not",
        ),
        (
            "NotFound",
            ApiError::NotFound,
            "It does not exist, or is not the caller's",
        ),
        (
            "MethodNotAllowed",
            ApiError::MethodNotAllowed,
            "The path takes other methods",
        ),
        (
            "TimedOut",
            ApiError::TimedOut,
            "The body did not arrive in time",
        ),
        (
            "Conflict",
            ApiError::Conflict("the account is linked to somebody else"),
            "It contradicts what is",
        ),
        ("TooLarge", ApiError::TooLarge, "The body is too long"),
        (
            "UnsupportedMediaType",
            ApiError::UnsupportedMediaType,
            "The body is not said to be JSON",
        ),
        (
            "RateLimited",
            ApiError::RateLimited(Duration::ZERO),
            "Too often",
        ),
        (
            "Internal",
            ApiError::Internal(anyhow::anyhow!("an example")),
            "Tributary's own fault",
        ),
        (
            "Unavailable",
            ApiError::Unavailable("the database is not available"),
            "Not now",
        ),
    ];
    let described = |(name, error, description): (_, ApiError, _)| Described {
        name,
        status: error.status(),
        code: error.code(),
        description,
        detail: error.detail(),
    };
    all.into_iter().map(described).collect()
}

impl Described {
    /// Where its response is described.
    pub(in crate::api) fn place(&self) -> String {
        format!("#/components/responses/{}", self.name)
    }
}

/// What follows from how an operation is made; the description's last step writes it down.
#[derive(Debug, Clone, Copy)]
pub struct Refusals;

/// 403, also where no session is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Forbids;

/// 404, though no id is in the path.
#[derive(Debug, Clone, Copy)]
pub struct Unknown;

/// 409: the endpoint can contradict what is.
#[derive(Debug, Clone, Copy)]
pub struct Conflicts;

type Responses = BTreeMap<String, RefOr<Response>>;

impl IntoResponses for Refusals {
    fn responses() -> Responses {
        BTreeMap::new()
    }
}

impl IntoResponses for Forbids {
    fn responses() -> Responses {
        one(StatusCode::FORBIDDEN)
    }
}

impl IntoResponses for Unknown {
    fn responses() -> Responses {
        one(StatusCode::NOT_FOUND)
    }
}

impl IntoResponses for Conflicts {
    fn responses() -> Responses {
        one(StatusCode::CONFLICT)
    }
}

fn one(status: StatusCode) -> Responses {
    let known = described().into_iter().find(|known| known.status == status);
    let response = known.map(|known| (status.as_str().to_owned(), Ref::new(known.place()).into()));
    response.into_iter().collect()
}

/// The schema of `code`: any of the words.
pub(super) fn codes() -> Object {
    let codes = described().into_iter().map(|known| known.code);
    let of_files = NoFile::ALL.into_iter().map(NoFile::code);
    let of_files = of_files.chain([ApiError::RangeNotSatisfiable(0).code()]);
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some("For programs; stable."))
        .enum_values(Some(codes.chain(of_files)))
        .build()
}
