//! A page of history: what of it was asked for, and whether it is the last.

use chrono::{DateTime, Utc};

use crate::{fold, ingest::Batch, matrix::client::MessagesPage};

/// A decoded page.
pub(super) struct Page {
    pub(super) batch: Batch,
    /// Messages on it that were asked for.
    pub(super) messages: u64,
    /// Events on it.
    pub(super) fetched: u64,
    /// Messages on it that are older than the cut.
    pub(super) older: u64,
    /// Whether these are as many messages as were wanted.
    pub(super) is_full: bool,
    /// Whether it was cut short for that.
    pub(super) is_cut: bool,
    pub(super) oldest: Option<DateTime<Utc>>,
    /// Where the next one starts.
    pub(super) end: Option<String>,
}

impl Page {
    /// Decodes a page that was received `now`: at most `wanted` messages, none from
    /// before `cut`.
    pub(super) fn decode(
        room_id: &str,
        raw: MessagesPage,
        wanted: u64,
        cut: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Self {
        let mut page = Self {
            batch: Batch::default(),
            messages: 0,
            fetched: 0,
            older: 0,
            is_full: false,
            is_cut: false,
            oldest: None,
            end: raw.end,
        };
        for event in &raw.chunk {
            if page.messages >= wanted {
                page.is_cut = true;
                break;
            }
            page.fetched += 1;
            let events = page.batch.events.len();
            page.batch.decode(event, Some(room_id), now);
            let Some(event) = page.batch.events.get(events) else {
                continue;
            };
            if !fold::message::is_new_message(event) {
                continue;
            }
            if event.timestamp() < cut {
                // Older than what was asked for. What came later may still be younger.
                page.batch.events.pop();
                page.older += 1;
                continue;
            }
            page.messages += 1;
            page.oldest = page.oldest.into_iter().chain([event.timestamp()]).min();
        }
        // The senders' member events, as of then: one more fact each.
        for event in &raw.state {
            page.batch.decode(event, Some(room_id), now);
        }
        page.is_full = page.messages >= wanted;
        page
    }

    /// Why the walk ends with this page, if it does.
    pub(super) fn ended(&self) -> Option<&'static str> {
        if self.is_full {
            Some("messages")
        } else if self.older > 0 && (self.messages == 0 || self.end.is_none()) {
            // Order of arrival is not order of time: only a whole page of older
            // messages says that there is nothing younger behind it.
            Some("days")
        } else if self.end.is_none() {
            Some("start")
        } else {
            None
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{json, value::to_raw_value};

    use super::*;

    /// A page of five events.
    pub(in super::super) fn page(end: Option<&str>, messages: u64, older: u64) -> Page {
        Page {
            batch: Batch::default(),
            messages,
            fetched: 5,
            older,
            is_full: false,
            is_cut: false,
            oldest: None,
            end: end.map(str::to_owned),
        }
    }

    #[test]
    fn whichever_limit_comes_first_ends_the_walk() {
        assert_eq!(page(Some("t"), 3, 0).ended(), None);
        assert_eq!(page(Some("t"), 3, 2).ended(), None);
        assert_eq!(page(Some("t"), 0, 0).ended(), None);
        assert_eq!(page(Some("t"), 0, 2).ended(), Some("days"));
        assert_eq!(page(None, 3, 0).ended(), Some("start"));
        assert_eq!(page(None, 3, 2).ended(), Some("days"));
        let full = Page {
            is_full: true,
            ..page(None, 0, 2)
        };
        assert_eq!(full.ended(), Some("messages"));
    }

    #[test]
    fn what_was_not_asked_for_is_left_out() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let event = |n: i64| {
            to_raw_value(&json!({
                "event_id": format!("${n}"), "sender": "@a:b", "type": "m.room.message",
                "origin_server_ts": now.timestamp_millis() - n * 1000,
                "content": {"msgtype": "m.text", "body": "hi"},
            }))
            .unwrap()
        };
        let decoded = |wanted, cut: i64| {
            let raw = MessagesPage {
                chunk: (0..5).map(event).collect(),
                end: Some("t".to_owned()),
                ..MessagesPage::default()
            };
            let cut = now - chrono::TimeDelta::seconds(cut);
            let page = Page::decode("!r", raw, wanted, cut, now);
            (page.messages, page.older, page.is_full, page.is_cut)
        };
        assert_eq!(decoded(9, 60), (5, 0, false, false));
        assert_eq!(decoded(5, 60), (5, 0, true, false));
        assert_eq!(decoded(3, 60), (3, 0, true, true));
        assert_eq!(decoded(9, 2), (3, 2, false, false));
    }
}
