//! Every token that we could think of, over HTTP and over the socket: who is let in, who is
//! not, and why. What Clerk issues to a signed-in user is let in, whatever its owner adds.

mod carriers;
mod door;
mod keys;
mod row;
mod rows;

use std::collections::{BTreeMap, HashMap, HashSet};

use self::{
    door::{Doors, PLACES},
    row::Row,
};

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "how many there are is asked for")]
async fn every_token_is_let_in_or_refused_for_its_reason() {
    let rows = rows::all();
    let names: HashSet<_> = rows.iter().map(|row| &row.name).collect();
    assert_eq!(names.len(), rows.len(), "two rows of one name");
    let mut doors = Doors::new().await;
    let mut shown = HashMap::new();
    let mut wrong = Vec::new();
    for row in &rows {
        let Row { name, expected, .. } = row;
        let door = doors.of(&row.setting).await;
        let refusal = door.refusal(&row.token).await;
        if refusal != expected.refusal() {
            wrong.push(format!("{name}: {refusal:?}, not {expected:?}"));
        }
        let right = (expected.status(), expected.code().map(str::to_owned));
        for place in PLACES {
            let Some(answer) = door.show(row, place).await else {
                continue;
            };
            *shown.entry(place).or_insert(0) += 1;
            if answer != right {
                wrong.push(format!("{name} at {place:?}: {answer:?}, not {right:?}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    let mut outcomes = BTreeMap::new();
    for row in &rows {
        *outcomes.entry(row.expected.status()).or_insert(0) += 1;
    }
    println!("{} tokens: {outcomes:?}; shown {shown:?}", rows.len());
    assert!(rows.len() >= 150 && outcomes.values().all(|&count| count >= 10));
    assert!(PLACES.iter().all(|place| shown[place] >= 150), "{shown:?}");
    // Each setting fetches once, however many unknown names it is shown.
    assert!(
        doors.fetches().await <= doors.count(),
        "{}",
        doors.fetches().await
    );
}
