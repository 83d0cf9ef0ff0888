//! Tributary dies again and again while the history comes in.

use std::collections::HashMap;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{
    history::{History, PATIENCE},
    note,
    synapse::Log,
    tables::Tables,
};
use crate::stack::Stack;

const KILLS: usize = 10;
const MESSAGES: usize = 500;
/// Nobody else asks for pages of this size.
const PAGE_SIZE: u32 = 60;
/// What a death costs each room that is in work: the page that is not yet committed.
const PAGES_PER_DEATH: usize = 1;

#[tokio::test(flavor = "multi_thread")]
async fn ten_deaths_cost_a_page_of_each_running_room_and_change_nothing() {
    let (messages, page_size) = (MESSAGES.to_string(), PAGE_SIZE.to_string());
    let settings = [
        ("BACKFILL__MAX_MESSAGES", messages.as_str()),
        ("BACKFILL__DAYS", "36500"),
        ("BACKFILL__PAGE_SIZE", &page_size),
    ];
    let mut stack = Stack::start_anew(&settings).await;
    let history = History::of(&stack);
    let tables = Tables::of(&stack).await;
    let log = Log::from_now(&stack);
    let mut dice = StdRng::seed_from_u64(4);
    history.link(&stack).await;

    let whole = history.rooms.len() * MESSAGES;
    // How often each room was in work when Tributary died.
    let mut running: HashMap<String, usize> = HashMap::new();
    for _ in 0..KILLS {
        // What comes until it is seen and while it dies is stored as well: half is left for that.
        let more = i64::try_from(whole / KILLS / 2).unwrap();
        let wanted = tables.messages().await + dice.random_range(1..more);
        stack
            .within(PATIENCE, "more was stored", async || {
                (tables.messages().await >= wanted).then_some(())
            })
            .await;
        stack.kill_tributary();
        for job in tables.backfills().await {
            if job.state == "running" {
                *running.entry(job.room_id).or_default() += 1;
            }
        }
        // Nobody holds them: the half minute may as well be over.
        tables.expire_leases().await;
        stack.start_tributary().await;
    }
    history.filled(&stack).await;

    let walks = history.walk_back(&stack, 1000, 2 * MESSAGES).await;
    history.assert_shown(&stack, &walks, MESSAGES).await;
    let mut again: HashMap<String, usize> = HashMap::new();
    for ((room_id, _), times) in log.pages(PAGE_SIZE) {
        *again.entry(room_id).or_default() += times - 1;
    }
    let sum = |of: &HashMap<String, usize>| of.values().sum::<usize>();
    note(&format!(
        "{} pages twice, of {} rooms in work at {KILLS} deaths",
        sum(&again),
        sum(&running)
    ));
    assert!(sum(&running) >= KILLS, "it died at leisure");
    for (room_id, pages) in again {
        let deaths = running.get(&room_id).copied().unwrap_or_default();
        assert!(
            pages <= deaths * PAGES_PER_DEATH,
            "{room_id}: {pages} pages twice, {deaths} deaths"
        );
    }
}
