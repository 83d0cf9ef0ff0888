use serde_json::json;

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn push(state: &str, seconds: i64, why: Option<&str>) -> Push {
    let body = json!({
        "state_event": state, "timestamp": at(seconds).timestamp(), "ttl": 3600, "source": "bridge",
        "user_id": "@alice:lab.local", "remote_id": "1", "message": why,
    });
    Push::read(&body, at(1000)).unwrap()
}

/// The status after each push about one login, beginning with PENDING.
fn replay(pushes: &[Push]) -> (Status, Option<String>) {
    let mut logins: Vec<Login> = Vec::new();
    let mut status = Status::Pending;
    let mut error = None;
    for push in pushes {
        if let Some(login) = push.heard("1", &logins) {
            logins = vec![login];
            (status, error) = verdict(&logins, status);
        }
    }
    (status, error)
}

#[test]
fn each_state_has_its_status() {
    for (state, why, expected) in [
        ("CONNECTED", None, (Status::Connected, None)),
        ("CONNECTED", Some("fine"), (Status::Connected, None)),
        (
            "BAD_CREDENTIALS",
            Some("cookie"),
            (Status::Error, Some("cookie")),
        ),
        (
            "UNKNOWN_ERROR",
            None,
            (Status::Error, Some("UNKNOWN_ERROR")),
        ),
        ("LOGGED_OUT", None, (Status::Disconnected, None)),
        ("CONNECTING", None, (Status::Pending, Some("CONNECTING"))),
        ("FROM_THE_FUTURE", Some("x"), (Status::Pending, Some("x"))),
    ] {
        let (status, error) = replay(&[push(state, 0, why)]);
        assert_eq!((status, error.as_deref()), expected, "{state}");
    }
}

#[test]
fn a_passing_state_keeps_the_status_and_says_what_is_wrong() {
    for (settled, status) in [
        ("CONNECTED", Status::Connected),
        ("BAD_CREDENTIALS", Status::Error),
    ] {
        for passing in [
            "TRANSIENT_DISCONNECT",
            "BRIDGE_UNREACHABLE",
            "BACKFILLING",
            "NEW",
        ] {
            let after = replay(&[push(settled, 0, None), push(passing, 1, Some("wait"))]);
            assert_eq!(after, (status, Some("wait".to_owned())), "{passing}");
        }
    }
    let healed = [
        push("CONNECTED", 0, None),
        push("TRANSIENT_DISCONNECT", 1, None),
        push("CONNECTED", 2, None),
    ];
    assert_eq!(replay(&healed), (Status::Connected, None));
}

#[test]
fn an_older_word_is_ignored_and_one_of_the_same_second_counts() {
    let older = [push("CONNECTED", 5, None), push("LOGGED_OUT", 4, None)];
    assert_eq!(replay(&older).0, Status::Connected);
    let same = [push("CONNECTED", 5, None), push("LOGGED_OUT", 5, None)];
    assert_eq!(replay(&same).0, Status::Disconnected);
}

#[test]
fn the_best_login_counts() {
    let login = |remote_id: &str, state: &str, error: Option<&str>| Login {
        remote_id: remote_id.to_owned(),
        state_event: state.to_owned(),
        error: error.map(str::to_owned),
        stated_at: at(0),
    };
    let bad = login("1", "BAD_CREDENTIALS", Some("cookie"));
    let out = login("2", "LOGGED_OUT", None);
    let up = login("3", "CONNECTED", None);
    let shaky = login("4", "CONNECTED", Some("wait"));
    let new = login("5", "CONNECTING", Some("CONNECTING"));
    let of = |logins: &[&Login]| {
        let logins: Vec<_> = logins.iter().map(|login| (*login).clone()).collect();
        let (status, error) = verdict(&logins, Status::Pending);
        (status, error.unwrap_or_default())
    };
    assert_eq!(
        of(&[&bad, &out, &up, &shaky, &new]),
        (Status::Connected, String::new())
    );
    assert_eq!(of(&[&bad, &shaky]), (Status::Connected, "wait".into()));
    assert_eq!(of(&[&out, &bad, &new]), (Status::Error, "cookie".into()));
    assert_eq!(of(&[&new, &out]), (Status::Disconnected, String::new()));
    assert_eq!(of(&[&new]), (Status::Pending, "CONNECTING".into()));
    assert_eq!(of(&[]), (Status::Pending, String::new()));
}

#[test]
fn nonsense_is_read_as_absent() {
    let now = at(0);
    let read = |body: Value| Push::read(&body, now);
    for nobody in [
        json!(null),
        json!([]),
        json!("CONNECTED"),
        json!({}),
        json!({"state_event": "UNCONFIGURED", "timestamp": 1}),
        json!({"state_event": 5, "user_id": "@a:b"}),
        json!({"state_event": "CONNECTED", "user_id": {"a": 1}}),
        json!({"state_event": "", "user_id": "@a:b"}),
    ] {
        assert_eq!(read(nobody.clone()), None, "{nobody}");
    }
    for timestamp in [
        json!(null),
        json!("1"),
        json!(-1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!(-1e300),
        json!([1]),
        json!(now.timestamp_millis()),
    ] {
        let body = json!({
            "state_event": "connected", "user_id": "@a:b", "remote_id": 7, "remote_name": "a\u{0}b",
            "message": [], "error": "e", "timestamp": timestamp,
        });
        let push = read(body).unwrap();
        assert_eq!(push.at, now, "{timestamp}");
        assert_eq!(push.state_event, "CONNECTED");
        assert_eq!(push.remote_id, None);
        assert_eq!(push.remote_name.as_deref(), Some("a\u{fffd}b"));
        assert_eq!(push.why.as_deref(), Some("e"));
    }
    let early = read(json!({"state_event": "X", "user_id": "@a:b", "timestamp": 5.9})).unwrap();
    assert_eq!(early.at.timestamp(), 5);
}

#[test]
fn the_bridges_next_word_replaces_the_companions() {
    let said = reported("1", Status::Connected, &[]).unwrap();
    assert_eq!(
        verdict(std::slice::from_ref(&said), Status::Pending).0,
        Status::Connected
    );
    let heard = push("BAD_CREDENTIALS", -1_000_000, None)
        .heard("1", &[said])
        .unwrap();
    assert_eq!(verdict(&[heard], Status::Connected).0, Status::Error);
    assert_eq!(reported("1", Status::Pending, &[]), None);
}
