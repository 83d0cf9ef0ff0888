//! What is asked for. A case is a line: its name, and the paths that it asks for in turn.

use serde_json::Value;
use tokio_postgres::Client;

use crate::{client::Reader, seed::READER};

/// Something that is asked for again and again.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) paths: Vec<String>,
}

/// Words of one frequency, so that no case is of one word alone.
const RARE: [u32; 6] = [57_001, 48_203, 52_437, 43_111, 39_009, 59_500];
const MIDDLING: [u32; 6] = [301, 420, 555, 733, 980, 1_500];
const COMMON: [u32; 4] = [2, 3, 5, 9];

/// All cases, on what is in the database.
#[expect(clippy::too_many_lines, reason = "a case is a line or four")]
pub(crate) async fn cases(reader: &mut Reader, database: &Client) -> anyhow::Result<Vec<Case>> {
    let chats = conversations(reader).await?;
    let deep = deep_cursors(reader, &chats).await?;
    let some = messages(database).await?;
    let words = words(database).await?;
    let word = |n: &u32| words[*n as usize - 1].clone();
    let (rare, middling, common) = (
        RARE.map(|n| word(&n)),
        MIDDLING.map(|n| word(&n)),
        COMMON.map(|n| word(&n)),
    );
    let each = |of: &[String], path: &dyn Fn(&str) -> String| {
        of.iter().map(|one| path(one)).collect::<Vec<_>>()
    };
    let escaped = |q: &str| q.replace(' ', "%20").replace('"', "%22");
    let search = |q: &str| format!("/api/search?q={}", escaped(q));
    let first = &chats[0];
    let case = |name, paths| Case { name, paths };
    Ok(vec![
        case(
            "conversations, first page",
            vec!["/api/conversations".to_owned()],
        ),
        case(
            "conversations, next page",
            vec![next(reader, "/api/conversations").await?],
        ),
        case(
            "messages, first page",
            each(&chats, &|id| format!("/api/conversations/{id}/messages")),
        ),
        case("messages, 10,000 back", deep.clone()),
        case(
            "messages, forwards",
            each(&deep, &|path| format!("{path}&order=oldest")),
        ),
        case("message", each(&some, &|id| format!("/api/messages/{id}"))),
        case(
            "around a message",
            each(&some, &|id| format!("/api/messages/{id}/context")),
        ),
        case(
            "search, rare word",
            each(&rare, &|w| search(&format!("{w} "))),
        ),
        case(
            "search, middling word",
            each(&middling, &|w| search(&format!("{w} "))),
        ),
        case(
            "search, common word",
            each(&common, &|w| search(&format!("{w} "))),
        ),
        case(
            "search, common word, next page",
            vec![next(reader, &search(&format!("{} ", common[0]))).await?],
        ),
        case("search, no such word", vec![search("xylophonist ")]),
        case(
            "search, two words",
            each(&middling, &|w| search(&format!("{w} {} ", common[1]))),
        ),
        case(
            "search, phrase",
            each(&common, &|w| search(&format!("\"{w} {}\"", common[0]))),
        ),
        case(
            "search, phrase of rare words",
            each(&rare, &|w| search(&format!("\"{w} {}\"", common[0]))),
        ),
        case(
            "search, beginning of a word",
            each(&rare, &|w| search(&w[..w.len() - 1])),
        ),
        case("search, one letter", vec![search("z"), search("t")]),
        case(
            "search, best, rare word",
            each(&rare, &|w| search(&format!("{w} ")) + "&order=best"),
        ),
        case(
            "search, best, common word",
            each(&common, &|w| search(&format!("{w} ")) + "&order=best"),
        ),
        case(
            "search in a chat, rare word",
            each(&rare, &|w| {
                search(&format!("{w} ")) + "&conversationId=" + first
            }),
        ),
        case(
            "search in a chat, middling word",
            each(&middling, &|w| {
                search(&format!("{w} ")) + "&conversationId=" + first
            }),
        ),
        case(
            "search in a chat, common word",
            each(&common, &|w| {
                search(&format!("{w} ")) + "&conversationId=" + first
            }),
        ),
        case("analytics, 30 days", vec!["/api/analytics".to_owned()]),
        case(
            "analytics, 30 days of a chat",
            each(&chats, &|id| format!("/api/analytics?conversationId={id}")),
        ),
    ])
}

async fn conversations(reader: &mut Reader) -> anyhow::Result<Vec<String>> {
    let list = reader.json("/api/conversations").await?;
    Ok(ids(&list))
}

fn ids(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().into_iter().flatten();
    items
        .filter_map(|item| Some(item["id"].as_str()?.to_owned()))
        .collect()
}

/// The path of the page behind one.
async fn next(reader: &mut Reader, path: &str) -> anyhow::Result<String> {
    let page = reader.json(path).await?;
    let mark = if path.contains('?') { '&' } else { '?' };
    Ok(match page["nextCursor"].as_str() {
        Some(cursor) => format!("{path}{mark}cursor={cursor}"),
        None => path.to_owned(),
    })
}

/// Pages that are 10,000 messages back, or as far as it goes.
async fn deep_cursors(reader: &mut Reader, chats: &[String]) -> anyhow::Result<Vec<String>> {
    let mut deep = Vec::new();
    for id in chats.iter().take(5) {
        let first = format!("/api/conversations/{id}/messages?limit=200");
        let mut path = first.clone();
        let mut cursor = None;
        for _ in 0..50 {
            let page = reader.json(&path).await?;
            let Some(next) = page["nextCursor"].as_str() else {
                break;
            };
            path = format!("{first}&cursor={next}");
            cursor = Some(next.to_owned());
        }
        deep.extend(
            cursor.map(|cursor| format!("/api/conversations/{id}/messages?cursor={cursor}")),
        );
    }
    anyhow::ensure!(!deep.is_empty(), "there are too few messages");
    Ok(deep)
}

/// Ids of messages, from here and there.
async fn messages(database: &Client) -> anyhow::Result<Vec<String>> {
    let rows = database
        .query(
            "SELECT m.id::text FROM tributary.conversation_access a
             CROSS JOIN LATERAL (SELECT m.id FROM tributary.messages m WHERE m.conversation_id = a.conversation_id
                                 ORDER BY m.timestamp DESC, m.event_id COLLATE \"C\" DESC OFFSET 30 LIMIT 1) m
             WHERE a.user_id = $1 LIMIT 50",
            &[&READER],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn words(database: &Client) -> anyhow::Result<Vec<String>> {
    let rows = database
        .query("SELECT word FROM public.words ORDER BY n", &[])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
