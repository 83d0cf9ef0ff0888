//! The numbers as one would count them by hand, compared with the database's.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDateTime, Timelike as _, Utc};
use diesel::{
    QueryableByName,
    sql_types::{Array, Text, Timestamp, Timestamptz},
};
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use serde_json::{Value, json};
use tributary::db::{
    Connection,
    read::analytics::{Scope, analytics},
};
use uuid::Uuid;

use super::history::{Conversation, History, Message, USER};
use crate::support::world::World;

const CASES: u64 = 60;
const ZONES: [&str; 3] = ["UTC", "Europe/Berlin", "Asia/Kathmandu"];

/// What clocks showed at each of these moments.
async fn local_times(
    conn: &mut Connection,
    zone: &str,
    moments: &[DateTime<Utc>],
) -> HashMap<DateTime<Utc>, NaiveDateTime> {
    #[derive(QueryableByName)]
    struct Local {
        #[diesel(sql_type = Timestamptz)]
        at: DateTime<Utc>,
        #[diesel(sql_type = Timestamp)]
        local: NaiveDateTime,
    }
    let rows: Vec<Local> =
        diesel::sql_query("SELECT at, at AT TIME ZONE $1 AS local FROM unnest($2) AS at")
            .bind::<Text, _>(zone)
            .bind::<Array<Timestamptz>, _>(moments)
            .load(conn)
            .await
            .unwrap();
    rows.into_iter().map(|row| (row.at, row.local)).collect()
}

fn tally(messages: &[&Message]) -> (usize, usize) {
    let sent = messages.iter().filter(|m| m.sender.is_self).count();
    (sent, messages.len() - sent)
}

/// What counts of a conversation, in its order.
fn counted<'a>(conversation: &'a Conversation, scope: &Scope<'_>) -> Vec<&'a Message> {
    let mut messages: Vec<_> = conversation
        .visible()
        .filter(|m| !m.is_deleted && !m.sender.is_service)
        .filter(|m| m.timestamp >= scope.from && m.timestamp < scope.to)
        .collect();
    messages.sort_by_key(|m| (m.timestamp, m.event_id.as_bytes()));
    messages
}

/// How long answers in a conversation took: the viewer's own, and the others'.
fn waits(messages: &[&Message]) -> [Vec<i64>; 2] {
    let mut waits = [Vec::new(), Vec::new()];
    let turns = messages.chunk_by(|a, b| a.sender.is_self == b.sender.is_self);
    let firsts: Vec<_> = turns.map(|turn| turn[0]).collect();
    for pair in firsts.windows(2) {
        let waited = (pair[1].timestamp - pair[0].timestamp).num_milliseconds();
        waits[usize::from(!pair[1].sender.is_self)].push(waited);
    }
    waits
}

fn answers(mut waits: Vec<i64>) -> Value {
    waits.sort_unstable();
    let rank = |tenths: usize| waits.get((waits.len() * tenths).div_ceil(10).max(1) - 1);
    json!({"count": waits.len(), "medianMs": rank(5), "p90Ms": rank(9)})
}

async fn expected(conn: &mut Connection, history: &History, scope: &Scope<'_>) -> Value {
    let mine = history.conversations.iter().filter(|conversation| {
        conversation.is_listed() && scope.conversation_id.is_none_or(|id| id == conversation.id)
    });
    let per_conversation: Vec<_> = mine.map(|c| (c.id, counted(c, scope))).collect();
    let all: Vec<_> = per_conversation
        .iter()
        .flat_map(|(_, m)| m.clone())
        .collect();
    let moments: Vec<_> = all.iter().map(|m| m.timestamp).collect();
    let local = local_times(conn, scope.time_zone, &moments).await;

    let mut days: BTreeMap<_, Vec<&Message>> = BTreeMap::new();
    let mut hours: BTreeMap<u32, Vec<&Message>> = (0..24).map(|hour| (hour, Vec::new())).collect();
    for message in &all {
        let at = local[&message.timestamp];
        days.entry(at.date()).or_default().push(message);
        hours.get_mut(&at.hour()).unwrap().push(message);
    }
    let of = |messages: &[&Message]| {
        let (sent, received) = tally(messages);
        json!({"sent": sent, "received": received})
    };
    let with = |key: &str, value: Value, messages: &[&Message]| {
        let mut row = of(messages);
        row[key] = value;
        row
    };
    let days: Vec<_> = days
        .iter()
        .map(|(day, m)| with("day", json!(day), m))
        .collect();
    let hours: Vec<_> = hours
        .iter()
        .map(|(hour, m)| with("hour", json!(hour), m))
        .collect();
    let waits = per_conversation.iter().map(|(_, messages)| waits(messages));
    let [own, others] = waits.fold([Vec::new(), Vec::new()], |[mut own, mut others], next| {
        let [next_own, next_others] = next;
        own.extend(next_own);
        others.extend(next_others);
        [own, others]
    });
    let mut numbers = of(&all);
    numbers["days"] = days.into();
    numbers["hours"] = hours.into();
    numbers["responseTimes"] = json!({"own": answers(own), "others": answers(others)});
    numbers["people"] = people(&per_conversation);
    numbers["conversations"] = conversations(&per_conversation);
    numbers
}

fn conversations(all: &[(Uuid, Vec<&Message>)]) -> Value {
    let mut all: Vec<_> = all
        .iter()
        .filter(|(_, messages)| !messages.is_empty())
        .collect();
    all.sort_by_key(|(id, messages)| (std::cmp::Reverse(messages.len()), *id));
    let row = |(id, messages): &&(Uuid, Vec<&Message>)| {
        let (sent, received) = tally(messages);
        json!({"conversationId": id, "title": format!("title of {id}"),
               "sent": sent, "received": received})
    };
    all.iter().take(20).map(row).collect()
}

/// A person is one wherever they are, with the name of where they wrote most.
fn people(all: &[(Uuid, Vec<&Message>)]) -> Value {
    let mut people: BTreeMap<&str, BTreeMap<Uuid, i64>> = BTreeMap::new();
    for message in all.iter().flat_map(|(_, messages)| messages) {
        if !message.sender.is_self {
            let person = people.entry(message.sender.matrix_user_id).or_default();
            *person.entry(message.sender.id).or_default() += 1;
        }
    }
    let mut people: Vec<_> = people.into_iter().collect();
    people.sort_by_key(|(_, wrote)| std::cmp::Reverse(wrote.values().sum::<i64>()));
    let row = |(matrix_user_id, wrote): &(&str, BTreeMap<Uuid, i64>)| {
        let most = wrote.values().max().unwrap();
        let (name, _) = wrote.iter().find(|(_, count)| *count == most).unwrap();
        json!({"matrixUserId": matrix_user_id, "displayName": format!("name of {name}"),
               "messages": wrote.values().sum::<i64>(), "conversations": wrote.len()})
    };
    people.iter().take(20).map(row).collect()
}

/// What the reference knows nothing of.
fn stripped(mut numbers: Value) -> Value {
    for key in ["conversationId", "timeZone", "from", "to"] {
        numbers.as_object_mut().unwrap().remove(key).unwrap();
    }
    for person in numbers["people"].as_array_mut().unwrap() {
        person
            .as_object_mut()
            .unwrap()
            .remove("externalId")
            .unwrap();
        person.as_object_mut().unwrap().remove("avatarUrl").unwrap();
    }
    numbers
}

/// A period that cuts most histories somewhere, and one that cuts none.
fn periods() -> [[DateTime<Utc>; 2]; 2] {
    let at = |text: &str| text.parse().unwrap();
    [
        [at("2020-01-01T00:00:00Z"), at("2030-01-01T00:00:00Z")],
        [at("2025-10-24T12:00:03Z"), at("2025-10-26T00:30:00Z")],
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_are_those_that_one_counts_by_hand() {
    let world = World::new().await;
    let mut conn = world.db.get().await.unwrap();
    conn.batch_execute(
        "INSERT INTO tributary.messenger_connections
             (id, user_id, bridge_id, matrix_user_id, bridge_user_id, status, linked_at)
         SELECT gen_random_uuid(), user_id, 'meta', matrix_user_id, remote_id, 'CONNECTED', now()
         FROM (VALUES ('user_alice', '@alice:lab.local', '100'),
                      ('user_alice', '@alice2:lab.local', NULL),
                      ('user_bob', '@bob:lab.local', NULL)) AS c(user_id, matrix_user_id, remote_id)",
    )
    .await
    .unwrap();
    let begin: u32 = rand::random();
    let (mut counted, mut answered, mut partly) = (0, 0, 0);
    for seed in u64::from(begin)..u64::from(begin) + CASES {
        let history = History::of(seed);
        conn.batch_execute("TRUNCATE tributary.rooms, tributary.conversations CASCADE")
            .await
            .unwrap();
        conn.batch_execute(&history.sql()).await.unwrap();
        let first = history.conversations.iter().find(|c| c.is_listed());
        for (conversation_id, [from, to]) in [None, first.map(|c| c.id)]
            .into_iter()
            .flat_map(|id| periods().map(|period| (id, period)))
        {
            let scope = Scope {
                user_id: USER,
                conversation_id,
                time_zone: ZONES[usize::try_from(seed % 3).unwrap()],
                from,
                to,
            };
            let numbers = analytics(&mut conn, &scope).await.unwrap().unwrap();
            counted += numbers.total.all();
            answered += numbers.response_times.own.count;
            let numbers = stripped(serde_json::to_value(numbers).unwrap());
            let expected = expected(&mut conn, &history, &scope).await;
            assert_eq!(numbers, expected, "seed {seed}, {scope:?}");
        }
        let sees_part = |c: &&Conversation| c.is_listed() && c.visible().count() < c.all();
        partly += history.conversations.iter().filter(sees_part).count();
    }
    // A test of nothing passes too easily.
    assert!(
        counted > 1000 && answered > 100 && partly > 10,
        "{counted} {answered} {partly}"
    );
}
