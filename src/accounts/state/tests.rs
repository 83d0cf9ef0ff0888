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
        if let Some(login) = push.said.heard("1", &logins) {
            logins = vec![login];
            (status, error) = verdict(&logins, status);
        }
    }
    (status, error)
}

/// Every state there is in mautrix's enum, one that is not, and what it does to a connection
/// that was connected before.
#[test]
fn each_state_has_its_status() {
    use Status::{Connected, Disconnected, Error, Pending};
    for (state, first, after_connected) in [
        ("STARTING", Pending, Connected),
        ("UNCONFIGURED", Pending, Connected),
        ("RUNNING", Pending, Connected),
        ("BRIDGE_UNREACHABLE", Pending, Connected),
        ("CONNECTING", Pending, Connected),
        ("BACKFILLING", Pending, Connected),
        ("CONNECTED", Connected, Connected),
        ("TRANSIENT_DISCONNECT", Pending, Connected),
        ("BAD_CREDENTIALS", Error, Error),
        ("UNKNOWN_ERROR", Error, Error),
        ("LOGGED_OUT", Disconnected, Disconnected),
        ("FROM_THE_FUTURE", Pending, Connected),
    ] {
        for (before, expected) in [
            (vec![], first),
            (vec![push("CONNECTED", 0, None)], after_connected),
        ] {
            let after = |why| replay(&[before.as_slice(), &[push(state, 1, why)]].concat());
            let is_well = matches!(expected, Connected) && state == "CONNECTED";
            let named = match expected {
                _ if is_well => None,
                Disconnected => None,
                _ => Some(state.to_owned()),
            };
            assert_eq!(after(None), (expected, named), "{state}");
            let told = (!is_well).then(|| "in words".to_owned());
            assert_eq!(after(Some("in words")), (expected, told), "{state}");
        }
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
        assert_eq!(push.said.at, now, "{timestamp}");
        assert_eq!(push.said.state_event, "CONNECTED");
        assert_eq!(push.remote_id, None);
        assert_eq!(push.remote_name.as_deref(), Some("a\u{fffd}b"));
        assert_eq!(push.said.why.as_deref(), Some("e"));
    }
    let early = read(json!({"state_event": "X", "user_id": "@a:b", "timestamp": 5.9})).unwrap();
    assert_eq!(early.said.at.timestamp(), 5);
}

#[test]
fn the_bridges_next_word_replaces_the_companions() {
    let said = reported("1", Status::Connected, &[]).unwrap();
    assert_eq!(
        verdict(std::slice::from_ref(&said), Status::Pending).0,
        Status::Connected
    );
    let heard = push("BAD_CREDENTIALS", -1_000_000, None)
        .said
        .heard("1", &[said])
        .unwrap();
    assert_eq!(verdict(&[heard], Status::Connected).0, Status::Error);
    assert_eq!(reported("1", Status::Pending, &[]), None);
}

#[test]
fn only_two_lasting_states_of_one_second_leave_a_doubt() {
    let known = |state: &str| [push(state, 5, None).said.heard("1", &[]).unwrap()];
    for (before, state, seconds, is_doubtful) in [
        ("CONNECTED", "LOGGED_OUT", 5, true),
        ("LOGGED_OUT", "CONNECTED", 5, true),
        ("BAD_CREDENTIALS", "CONNECTED", 5, true),
        ("CONNECTED", "LOGGED_OUT", 6, false),
        ("CONNECTED", "LOGGED_OUT", 4, false),
        ("CONNECTED", "CONNECTED", 5, false),
        ("BAD_CREDENTIALS", "UNKNOWN_ERROR", 5, false),
        ("CONNECTED", "CONNECTING", 5, false),
        ("CONNECTING", "CONNECTED", 5, false),
    ] {
        let said = push(state, seconds, None).said;
        let found = said.is_ambiguous("1", &known(before));
        assert_eq!(found, is_doubtful, "{before} {state} {seconds}");
        assert!(!said.is_ambiguous("2", &known(before)));
    }
}

#[test]
fn a_silent_bridge_is_what_is_wrong_with_whoever_looks_connected() {
    let silent = |verdict| under_silence(verdict, Some(at(0)));
    let (status, error) = silent((Status::Connected, Some("wait".to_owned())));
    assert_eq!(status, Status::Connected);
    assert_eq!(
        error.unwrap(),
        "bridge_silent: the bridge does not answer; nothing came since 2027-01-15T08:00:00.000Z"
    );
    let bad = (Status::Error, Some("cookie".to_owned()));
    assert_eq!(silent(bad.clone()), bad);
    assert_eq!(under_silence(bad.clone(), None), bad);
}
