//! PURE: the answer's numbers, from its rows.

use chrono::NaiveDate;
use diesel::{
    QueryableByName,
    sql_types::{BigInt, Date, Nullable, Text, Uuid as SqlUuid},
};
use uuid::Uuid;

use crate::model::analytics::{Answers, Day, Hour, ResponseTimes, Tally};

/// A row; what the columns are depends on its kind.
#[derive(Debug, QueryableByName)]
pub(super) struct Row {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = BigInt)]
    nth: i64,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Date>)]
    day: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<BigInt>)]
    one: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    other: Option<i64>,
}

impl Row {
    fn numbers(&self) -> (i64, i64) {
        (self.one.unwrap_or(0), self.other.unwrap_or(0))
    }

    fn tally(&self) -> Tally {
        let (sent, received) = self.numbers();
        Tally { sent, received }
    }

    const fn answers(&self) -> Answers {
        Answers {
            count: self.nth,
            median_ms: self.one,
            p90_ms: self.other,
        }
    }
}

/// A participant who wrote: how much, and in how many conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Writer {
    pub(super) participant_id: Uuid,
    pub(super) messages: i64,
    pub(super) conversations: i64,
}

/// What was counted, without names.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) total: Tally,
    pub(super) days: Vec<Day>,
    pub(super) hours: Vec<Hour>,
    pub(super) response_times: ResponseTimes,
    pub(super) people: Vec<Writer>,
    pub(super) conversations: Vec<(Uuid, Tally)>,
}

/// Sorts the rows by what they are.
pub(super) fn gather(mut rows: Vec<Row>) -> Counted {
    rows.sort_by_key(|row| (row.day, row.nth));
    let mut counted = Counted {
        hours: (0..24).map(no_hour).collect(),
        ..Counted::default()
    };
    for row in &rows {
        match (row.kind.as_str(), row.id, row.day) {
            ("day", _, Some(day)) => counted.add_day(day, row.tally()),
            ("hour", ..) => counted.add_hour(row),
            ("own", ..) => counted.response_times.own = row.answers(),
            ("others", ..) => counted.response_times.others = row.answers(),
            ("conversation", Some(id), _) => counted.conversations.push((id, row.tally())),
            ("person", Some(id), _) => counted.add_person(id, row),
            _ => {}
        }
    }
    counted
}

fn no_hour(hour: u8) -> Hour {
    Hour {
        hour,
        tally: Tally::default(),
    }
}

impl Counted {
    fn add_day(&mut self, day: NaiveDate, tally: Tally) {
        self.total.sent += tally.sent;
        self.total.received += tally.received;
        self.days.push(Day { day, tally });
    }

    fn add_hour(&mut self, row: &Row) {
        let hour = self
            .hours
            .iter_mut()
            .find(|hour| i64::from(hour.hour) == row.nth);
        if let Some(hour) = hour {
            hour.tally = row.tally();
        }
    }

    fn add_person(&mut self, participant_id: Uuid, row: &Row) {
        let (messages, conversations) = row.numbers();
        self.people.push(Writer {
            participant_id,
            messages,
            conversations,
        });
    }
}
