//! How often somebody may try: counted in Postgres, so that it holds on all replicas and
//! after a restart.
//!
//! A code is one of 31^8, about 8.5 * 10^11. One address gets 50 wrong tries a minute,
//! however many Clerk users it makes up, so 500 while a code lives. With 1,000 codes open
//! at any time it hits one of them within ten minutes with a chance of 5.9 * 10^-7, and has
//! an even chance after 22 years. Whoever has 1,000 addresses, and the 10,000 users that it
//! takes, has it after eight days, and has left 590 million rows in the audit by then.

use std::{net::IpAddr, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Accounts, Answer, Error, Refused};
use crate::{
    db::{
        self, Connection,
        connections::{self, Turn},
        link_attempts, report_attempts,
    },
    limits::address::Network,
};

/// The time in which tries are counted.
const COUNTED: TimeDelta = TimeDelta::minutes(1);
/// Wrong codes of one Clerk user.
const CODES_OF_USER: i64 = 5;
/// Wrong codes from one address: more than some users have, so that nobody locks out
/// all those who share an address with them.
const CODES_OF_ADDRESS: i64 = 50;
/// Reports from one address, right or wrong: each asks the homeserver, and the key for
/// them is in everybody's hands.
/// A company's desktops may share one, and all start in the morning.
const REPORTS_OF_ADDRESS: i64 = 300;

/// Counts a try as a wrong code; [`link_attempts::forget`] is for when it was not. In a
/// transaction of its own: nobody waits for a lock behind this count, and whoever hangs
/// up has still tried.
pub(super) async fn count_code(
    conn: &mut Connection,
    user_id: &str,
    origin: Option<IpAddr>,
    now: DateTime<Utc>,
) -> Answer<i64> {
    let address = origin.map(|origin| Network::of(origin).to_string());
    let since = now - COUNTED;
    // The turns make the counts right. An address's comes before all others.
    if let Some(address) = &address {
        connections::take_turn(conn, Turn::Address(address)).await?;
    }
    connections::take_turn(conn, Turn::User(user_id)).await?;
    let tries = link_attempts::after(conn, user_id, address.as_deref(), since).await?;
    let of_user = wait(tries.of_user, CODES_OF_USER, tries.first_of_user, now);
    let of_address = wait(
        tries.of_address,
        CODES_OF_ADDRESS,
        tries.first_of_address,
        now,
    );
    if let Some(retry_after) = of_user.max(of_address) {
        return Ok(Err(Refused::TooManyTries { retry_after }));
    }
    let id = link_attempts::record(conn, user_id, address.as_deref(), now, since).await?;
    Ok(Ok(id))
}

impl Accounts {
    /// Counts a report, before anybody is asked whether it is true.
    pub(super) async fn count_report(
        &self,
        origin: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Result<(), Refused>, Error> {
        use diesel_async::AsyncConnection as _;
        let Some(origin) = origin else {
            return Ok(Ok(()));
        };
        let address = Network::of(origin).to_string();
        let since = now - COUNTED;
        let mut conn = self.ingest.db.get().await?;
        let counted = conn.transaction::<_, db::Error, _>(async |conn| {
            connections::take_turn(conn, Turn::Address(&address)).await?;
            let reports = report_attempts::after(conn, &address, since).await?;
            let wait = wait(reports.count, REPORTS_OF_ADDRESS, reports.first, now);
            if let Some(retry_after) = wait {
                return Ok(Err(Refused::TooManyReports { retry_after }));
            }
            report_attempts::record(conn, &address, now, since).await?;
            Ok(Ok(()))
        });
        Ok(counted.await?)
    }
}

/// How long somebody has to wait who has tried `count` times; none while it is fewer
/// than `most`.
fn wait(
    count: i64,
    most: i64,
    first: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<Duration> {
    let free_at = first.unwrap_or(now) + COUNTED;
    (count >= most).then(|| (free_at - now).to_std().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_tried_enough_waits_until_the_first_try_is_forgotten() {
        let now = DateTime::from_timestamp(43_200, 0).unwrap();
        let first = Some(now - TimeDelta::seconds(45));
        assert_eq!(wait(4, 5, first, now), None);
        assert_eq!(wait(5, 5, first, now), Some(Duration::from_secs(15)));
        assert_eq!(wait(9, 5, first, now), Some(Duration::from_secs(15)));
        let past = Some(now - TimeDelta::minutes(5));
        assert_eq!(wait(5, 5, past, now), Some(Duration::ZERO));
    }
}
