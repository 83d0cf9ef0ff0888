//! Asks a bridge how a connection's logins are: after a link, at the start, and whenever its
//! pushes leave a doubt.

use uuid::Uuid;

use super::{Handler, Lease, Outcome};
use crate::{
    accounts::{Accounts, Confirmed, Error, Question},
    db::jobs::Job,
    matrix::provisioning::{Login, Provisioning, Unanswered},
    meters::{Timer, meters},
};

/// How often to ask again because something else was heard meanwhile.
const TIMES: usize = 3;

/// The job `ask_bridge`; its key is the connection's id.
#[derive(Clone)]
pub struct AskBridge {
    /// What takes the answer in.
    pub accounts: Accounts,
    /// What is asked.
    pub provisioning: Provisioning,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// The connection shows what the bridge answered.
    Confirmed,
    /// Nobody needs to know any more.
    Moot,
    /// What was heard meanwhile may be newer than what was answered.
    Overtaken,
    /// The bridge did not answer.
    Unanswered(Unanswered),
}

impl AskBridge {
    /// Asks about a connection, and takes the answer in.
    pub(super) async fn ask(&self, connection_id: Uuid) -> Result<Asked, Error> {
        for _ in 0..TIMES {
            let Some(question) = self.accounts.question(connection_id).await? else {
                return Ok(Asked::Moot);
            };
            let logins = match self.logins(&question).await {
                Ok(logins) => logins,
                Err(unanswered) => return Ok(Asked::Unanswered(unanswered)),
            };
            if self.accounts.confirm(&question, &logins).await? == Confirmed::Taken {
                return Ok(Asked::Confirmed);
            }
        }
        Ok(Asked::Overtaken)
    }

    async fn logins(&self, question: &Question) -> Result<Vec<Login>, Unanswered> {
        let Question {
            bridge_id,
            matrix_user_id,
            ..
        } = question;
        let timer = Timer::new(&meters().bridge_call_seconds);
        let logins = self.provisioning.logins(bridge_id, matrix_user_id).await;
        drop(timer);
        let outcome = match &logins {
            Ok(_) => "answered",
            Err(Unanswered::Silent(_)) => "silent",
            Err(Unanswered::Refused(_)) => "refused",
        };
        meters().bridge_calls.of(bridge_id).of(outcome).increment(1);
        logins
    }
}

impl Handler for AskBridge {
    const KIND: &'static str = "ask_bridge";

    async fn run(&self, job: &Job, _lease: &Lease) -> Outcome {
        let Ok(connection_id) = job.key.parse() else {
            return Outcome::Failed {
                error: "the key is no connection".to_owned(),
            };
        };
        let done = |reason: &str| Outcome::Done {
            reason: reason.to_owned(),
        };
        let again = |error: String| Outcome::Retry { error, after: None };
        match self.ask(connection_id).await {
            Ok(Asked::Confirmed) => done("confirmed"),
            Ok(Asked::Moot) => done("nobody is linked to it any more"),
            Ok(Asked::Overtaken) => again("the bridge said something else meanwhile".to_owned()),
            Ok(Asked::Unanswered(error @ Unanswered::Silent(_))) => again(error.to_string()),
            Ok(Asked::Unanswered(error @ Unanswered::Refused(_))) => Outcome::Failed {
                error: error.to_string(),
            },
            Err(error) => again(error.to_string()),
        }
    }
}
