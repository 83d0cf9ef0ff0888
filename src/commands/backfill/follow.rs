//! Waits until backfills have ended. They go on without anybody who waits.

use std::{collections::BTreeSet, io::IsTerminal as _, time::Duration};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize as _;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{
    super::{
        endpoint::{Endpoint, Failure},
        output,
        table::harmless,
    },
    Job,
    progress::Tally,
};

/// Between two looks. Each is a call that the audit remembers.
const PAUSE: Duration = Duration::from_secs(1);
/// With many rooms a look takes longer; it must not be all that Tributary does.
const SHARE: u32 = 10;
/// So few are asked for one by one.
const FEW: usize = 3;
/// How often in a row Tributary may be away: about a minute.
const AWAY: u32 = 60;

/// The backfills of these ids; all that are active unless there are some.
pub(super) async fn found(endpoint: &Endpoint, ids: &[Uuid]) -> anyhow::Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for id in ids {
        let job = endpoint.get(&["backfill", &id.to_string()], &[]).await?;
        jobs.push(Job::deserialize(job)?);
    }
    if ids.is_empty() {
        for state in ["running", "waiting", "queued"] {
            let query = [("state", state)];
            let page = endpoint.list(&["backfill"], &query, usize::MAX).await?;
            for job in page.items {
                jobs.push(Job::deserialize(job)?);
            }
        }
    }
    // One that went from one state to another meanwhile is in both lists.
    let mut seen = BTreeSet::new();
    jobs.retain(|job| seen.insert(job.id));
    Ok(jobs)
}

/// Shows how far `jobs` are until all have ended; an error if one failed or was
/// cancelled.
pub(super) async fn run(endpoint: &Endpoint, mut jobs: Vec<Job>, json: bool) -> anyhow::Result<()> {
    let begun = Instant::now();
    let before = Tally::of(&jobs);
    let show = Show::new(before.total, json)?;
    for job in jobs.iter().filter(|job| job.has_ended()) {
        show.ended(job)?;
    }
    let mut missed = 0;
    while jobs.iter().any(|job| !job.has_ended()) {
        show.progress(&Tally::of(&jobs), &before, begun.elapsed());
        let looked = Instant::now();
        match look(endpoint, &mut jobs, &show).await {
            Ok(()) => missed = 0,
            Err(error) if is_away(&error) && missed < AWAY => missed += 1,
            Err(error) => return Err(error),
        }
        if jobs.iter().any(|job| !job.has_ended()) {
            sleep(PAUSE.max(looked.elapsed() * SHARE)).await;
        }
    }
    show.finish(&jobs)?;
    let tally = Tally::of(&jobs);
    if tally.done < tally.total {
        bail!("{}", tally.summary());
    }
    Ok(())
}

fn is_away(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Failure::Unreachable(..)))
}

/// Brings those that have not ended up to date.
async fn look(endpoint: &Endpoint, jobs: &mut [Job], show: &Show) -> anyhow::Result<()> {
    let mut open: Vec<_> = jobs.iter_mut().filter(|job| !job.has_ended()).collect();
    if open.len() > FEW {
        let mut cursor: Option<String> = None;
        while !open.is_empty() {
            let behind = cursor.as_deref().map(|cursor| ("cursor", cursor));
            let query: Vec<_> = [("limit", "200")].into_iter().chain(behind).collect();
            let page = endpoint.get(&["backfill"], &query).await?;
            for item in page["items"].as_array().into_iter().flatten() {
                let at = open.iter().position(|job| item["id"] == job.id.to_string());
                if let Some(at) = at {
                    update(open.swap_remove(at), item, show)?;
                }
            }
            let Some(next) = page["nextCursor"].as_str() else {
                break;
            };
            cursor = Some(next.to_owned());
        }
    }
    for job in open {
        let path = ["backfill", &job.id.to_string()];
        let item = endpoint.get(&path, &[]).await?;
        update(job, &item, show)?;
    }
    Ok(())
}

fn update(job: &mut Job, item: &Value, show: &Show) -> anyhow::Result<()> {
    let now = Job::deserialize(item).context("the answer is no backfill")?;
    if now == *job {
        return Ok(());
    }
    *job = now;
    show.changed(item)?;
    if job.has_ended() {
        show.ended(job)?;
    }
    Ok(())
}

/// How it is shown.
enum Show {
    /// A line of JSON for everything that has changed.
    Json,
    /// A bar on stderr.
    Bar(ProgressBar),
    /// A line for each room that has ended.
    Lines,
}

impl Show {
    fn new(total: u64, json: bool) -> anyhow::Result<Self> {
        if json {
            return Ok(Self::Json);
        }
        if !std::io::stderr().is_terminal() {
            return Ok(Self::Lines);
        }
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} rooms, {msg}")?;
        Ok(Self::Bar(ProgressBar::new(total).with_style(style)))
    }

    fn progress(&self, now: &Tally, before: &Tally, elapsed: Duration) {
        if let Self::Bar(bar) = self {
            bar.set_position(now.ended());
            bar.set_message(now.pace(before, elapsed));
        }
    }

    fn changed(&self, item: &Value) -> anyhow::Result<()> {
        if matches!(self, Self::Json) {
            output::line(item)?;
        }
        Ok(())
    }

    fn ended(&self, job: &Job) -> anyhow::Result<()> {
        let why = job.error.as_ref().or(job.reason.as_ref());
        let why = why.map(|why| harmless(why)).unwrap_or_default();
        let (state, room, stored) = (&job.state, harmless(&job.room_id), job.stored);
        let line = format!("{state}: {room}, {stored} new messages ({why})");
        match self {
            Self::Lines => output::line(line)?,
            // Above the bar, and only what somebody has to look at.
            Self::Bar(bar) if job.state != "done" => bar.println(line),
            Self::Bar(_) | Self::Json => {}
        }
        Ok(())
    }

    fn finish(&self, jobs: &[Job]) -> anyhow::Result<()> {
        match self {
            Self::Json => return Ok(()),
            Self::Bar(bar) => bar.finish_and_clear(),
            Self::Lines => {}
        }
        output::line(Tally::of(jobs).summary())?;
        Ok(())
    }
}
