//! PURE: what was looked at, what came of it, and what to do.

use std::fmt;

use serde::Serialize;

/// What is looked at, in the order in which it is. Programs rely on the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// The registration file.
    Registration,
    /// `database.url`.
    DatabaseReachable,
    /// The schema, against the newest one.
    DatabaseMigrated,
    /// What the role may do.
    DatabaseWritable,
    /// Sessions, poolers and `database.direct_url`.
    DatabaseDirect,
    /// Postgres' clock.
    DatabaseClock,
    /// `homeserver.url`.
    HomeserverReachable,
    /// The homeserver's clock.
    HomeserverClock,
    /// `whoami` with the `as_token`.
    HomeserverAsToken,
    /// A ping through the homeserver.
    HomeserverPing,
    /// `whoami` as a bridge's bot.
    HomeserverNamespace,
    /// `whoami` with a bridge's `as_token`.
    BridgeAsToken,
    /// A bridge's provisioning API.
    BridgeProvisioning,
    /// Clerk's keys.
    ClerkKeys,
    /// The media store.
    MediaStore,
}

impl Name {
    /// The stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::DatabaseReachable => "database.reachable",
            Self::DatabaseMigrated => "database.migrated",
            Self::DatabaseWritable => "database.writable",
            Self::DatabaseDirect => "database.direct",
            Self::DatabaseClock => "database.clock",
            Self::HomeserverReachable => "homeserver.reachable",
            Self::HomeserverClock => "homeserver.clock",
            Self::HomeserverAsToken => "homeserver.as_token",
            Self::HomeserverPing => "homeserver.ping",
            Self::HomeserverNamespace => "homeserver.namespace",
            Self::BridgeAsToken => "bridge.as_token",
            Self::BridgeProvisioning => "bridge.provisioning",
            Self::ClerkKeys => "clerk.keys",
            Self::MediaStore => "media.store",
        }
    }
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: Name,
    /// Of which bridge; none for what is not a bridge's.
    pub bridge: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All is well; what was seen, in a line.
    Ok(String),
    /// It is not.
    Failed(Problem),
    /// It cannot be looked at, because this one has failed.
    Needs(Name),
    /// It is not configured, which is no mistake; what would configure it.
    Unused(String),
}

/// What is wrong, and how it is put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A stable word.
    pub code: &'static str,
    /// In a line.
    pub cause: String,
    /// What to do, in as many lines as it takes.
    pub fix: String,
}

impl Problem {
    /// A problem.
    pub(super) fn new(
        code: &'static str,
        cause: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            code,
            cause: cause.into(),
            fix: fix.into(),
        }
    }
}

impl Check {
    /// What was looked at, for people: its name, and the bridge's.
    #[must_use]
    pub fn title(&self) -> String {
        let bridge = self.bridge.as_ref().map(|id| format!(" ({id})"));
        format!("{}{}", self.name.code(), bridge.unwrap_or_default())
    }

    /// Whether something is to be put right.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }

    const fn status(&self) -> &'static str {
        match self.outcome {
            Outcome::Ok(_) => "ok",
            Outcome::Failed(_) => "failed",
            Outcome::Needs(_) | Outcome::Unused(_) => "skipped",
        }
    }
}

/// For people: a line, and below it how to put it right.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8}{:<29} ", self.status(), self.title())?;
        match &self.outcome {
            Outcome::Ok(seen) => f.write_str(seen),
            Outcome::Needs(name) => write!(f, "needs {}", name.code()),
            Outcome::Unused(what) => write!(f, "not configured: {what}"),
            Outcome::Failed(problem) => {
                f.write_str(&problem.cause)?;
                problem.fix.lines().enumerate().try_for_each(|(n, line)| {
                    let head = if n == 0 { "fix: " } else { "     " };
                    write!(f, "\n{}", format!("        {head}{line}").trim_end())
                })
            }
        }
    }
}

/// For programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told<'a> {
    check: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bridge: Option<&'a str>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    needs: Option<&'static str>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'a str>,
}

impl<'a> From<&'a Check> for Told<'a> {
    fn from(check: &'a Check) -> Self {
        let (code, needs, message, fix) = match &check.outcome {
            Outcome::Ok(seen) => (None, None, seen.clone(), None),
            Outcome::Failed(problem) => {
                let fix = Some(problem.fix.as_str());
                (Some(problem.code), None, problem.cause.clone(), fix)
            }
            Outcome::Needs(name) => {
                let message = format!("needs {}", name.code());
                (Some("needs"), Some(name.code()), message, None)
            }
            Outcome::Unused(what) => {
                let message = format!("not configured: {what}");
                (Some("not_configured"), None, message, None)
            }
        };
        Self {
            check: check.name.code(),
            bridge: check.bridge.as_deref(),
            status: check.status(),
            code,
            needs,
            message,
            fix,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Check> {
        let check = |name, bridge: Option<&str>, outcome| Check {
            name,
            bridge: bridge.map(str::to_owned),
            outcome,
        };
        let wrong = Problem::new(
            "as_token_unknown",
            "the homeserver does not know the as_token",
            "name the file:\n\n  app_service_config_files:\n    - /x.yaml",
        );
        vec![
            check(
                Name::HomeserverReachable,
                None,
                Outcome::Ok("Matrix v1.12".to_owned()),
            ),
            check(Name::HomeserverAsToken, None, Outcome::Failed(wrong)),
            check(
                Name::HomeserverNamespace,
                Some("meta"),
                Outcome::Needs(Name::HomeserverAsToken),
            ),
            check(
                Name::BridgeProvisioning,
                Some("meta"),
                Outcome::Unused("bridges[0].provisioning_url".to_owned()),
            ),
        ]
    }

    #[test]
    fn people_read_a_line_each_and_what_to_do() {
        let lines: Vec<_> = all().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn programs_read_stable_words() {
        let all = all();
        let told: Vec<_> = all.iter().map(Told::from).collect();
        insta::assert_json_snapshot!(told);
    }
}
