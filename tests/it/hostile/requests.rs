//! Who sends requests that are too long, broken, or too many at once.

use futures_util::future::join_all;
use tokio::time::timeout;

use super::{
    house::{HS_TOKEN, House, SECRET},
    wire::{PATIENCE, Wire},
};
use crate::support::app::session;

const MIB: usize = 1 << 20;

/// A PUT of the homeserver's, with a right token or a wrong one.
fn push(house: &House, token: &str, more: &str) -> String {
    let path = house.transaction();
    format!("PUT {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{more}\r\n\r\n")
}

/// A POST of a customer's.
fn link(house: &House, more: &str) -> String {
    let token = session(&house.alice.user_id);
    format!(
        "POST /api/messenger/link HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\n{more}\r\n\r\n"
    )
}

/// Sends a head and then as much as is taken, up to 128 MiB; the answer.
async fn pour(house: &House, head: String, chunk: Vec<u8>) -> Option<u16> {
    let mut wire = Wire::open(house).await;
    assert!(wire.say(head).await);
    let (mut reading, mut writing) = wire.stream.into_split();
    let pouring = tokio::spawn(async move {
        for _ in 0..128 * MIB / chunk.len() {
            if tokio::io::AsyncWriteExt::write_all(&mut writing, &chunk)
                .await
                .is_err()
            {
                break;
            }
        }
        writing
    });
    let mut answer = Vec::new();
    let read = tokio::io::AsyncReadExt::read_buf(&mut reading, &mut answer);
    // A reset may overtake the answer.
    let _ = timeout(PATIENCE, read).await.expect("an answer or the end");
    pouring.abort();
    String::from_utf8_lossy(&answer).get(9..12)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_long_are_not_kept() {
    let house = House::new().await;
    let long = "content-length: 1099511627776";
    let endless = "transfer-encoding: chunked";
    let plain = vec![b' '; 64 * 1024];
    let mut chunk = format!("{:x}\r\n", plain.len()).into_bytes();
    chunk.extend(plain.iter().chain(b"\r\n"));
    let wrong = "not-the-homeservers-token";
    let cases = [
        (push(&house, wrong, long), &plain, 403),
        (push(&house, wrong, endless), &chunk, 403),
        (push(&house, HS_TOKEN, long), &plain, 413),
        (push(&house, HS_TOKEN, endless), &chunk, 413),
        (link(&house, long), &plain, 413),
        (link(&house, endless), &chunk, 413),
    ];
    let (answers, ()) =
        tokio::join!(
            join_all(cases.iter().map(async |(head, body, _)| {
                pour(&house, head.clone(), (*body).clone()).await
            })),
            house.serves()
        );
    for (answer, (head, _, expected)) in answers.into_iter().zip(&cases) {
        let head = head.lines().next().unwrap();
        assert!(
            answer.is_none_or(|answer| answer == *expected),
            "{answer:?} {head}"
        );
    }
    // One push is read up to 64 MiB, which may be there twice while it grows.
    house.took("six endless bodies", 192);
    house.is_well(30).await;
}

/// What is compressed is taken for what it looks like, and never unpacked.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_sent_is_unpacked() {
    let house = House::new().await;
    // 1 GiB of zeros, deflated a thousandfold, would begin so.
    let bomb = [b"\x1f\x8b\x08\0\0\0\0\0\0\x03".as_slice(), &[0xed; 1000]].concat();
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let more = format!(
            "content-encoding: {encoding}\r\ncontent-length: {}",
            bomb.len()
        );
        for (head, expected) in [
            (push(&house, HS_TOKEN, &more), 400),
            (link(&house, &more), 400),
        ] {
            let mut wire = Wire::open(&house).await;
            assert!(wire.say(head).await && wire.say(&bomb).await);
            assert_eq!(wire.status().await, expected, "{encoding}");
        }
    }
    house.took("bodies that are compressed", 16);
    house.is_well(40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_heads_are_refused() {
    let house = House::new().await;
    let many = |count: usize| {
        let more = (0..count).map(|nth| format!("x-{nth}: {SECRET}\r\n"));
        format!(
            "GET /livez HTTP/1.1\r\nhost: x\r\n{}\r\n",
            more.collect::<String>()
        )
    };
    let long = |length: usize| format!("GET /livez?{} HTTP/1.1\r\n\r\n", "x".repeat(length));
    let with = |more: &str| format!("GET /livez HTTP/1.1\r\nhost: x\r\n{more}\r\n\r\n");
    for (request, expected) in [
        (many(50), 200),
        (many(101), 431),
        (many(1000), 431),
        (long(MIB), 431),
        (with(&format!("x: {}", SECRET.repeat(4000))), 431),
        (with("no colon"), 400),
        (with(": no name"), 400),
        (with("na me: x"), 400),
        (with("x: \0"), 400),
        (with("content-length: -1"), 400),
        (with("content-length: 1\r\ncontent-length: 2"), 400),
        (with("content-length: 99999999999999999999999"), 400),
        (with("transfer-encoding: velociraptor"), 400),
        (with("transfer-encoding: chunked, identity"), 400),
        (with("content-length: +1"), 400),
        (with("content-length : 1"), 400),
        (with("transfer-encoding : chunked"), 400),
        (
            "GET /livez HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
            400,
        ),
        ("GET /livez HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("GET /li vez HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("velociraptor\r\n\r\n".to_owned(), 400),
        (
            "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03\r\n\r\n".to_owned(),
            400,
        ),
        (
            "CONNECT elsewhere:443 HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
            404,
        ),
        (
            "GET http://elsewhere/livez HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
            200,
        ),
    ] {
        let mut wire = Wire::open(&house).await;
        wire.say(&request).await;
        // A reset may overtake the answer, where not all was read.
        let answer = wire.answer().await;
        let is_long = request.len() > 32 * 1024;
        let start: String = request.chars().take(80).collect();
        assert!(
            answer == Some(expected) || answer.is_none() && is_long,
            "{answer:?} {start:?}"
        );
    }
    house.took("broken heads", 16);
    house.is_well(40).await;
}

/// Whatever is in front may have taken the length for true, so that what follows is somebody
/// else's request, or the end of this one: it is not looked at (RFC 9112 section 6.1).
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_smuggled_behind_a_body_of_two_lengths() {
    let house = House::new().await;
    let next = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    let length = format!("content-length: {}", "0\r\n\r\n".len() + next.len());
    let chunked = "transfer-encoding: chunked";
    for (lengths, answers) in [
        (vec![chunked], 2),
        (vec![&length, chunked], 1),
        (vec![chunked, &length], 1),
        (vec![&length, chunked, &length], 1),
    ] {
        let head = format!("GET /livez HTTP/1.1\r\nhost: x\r\n{}", lengths.join("\r\n"));
        let mut wire = Wire::open(&house).await;
        assert!(wire.say(format!("{head}\r\n\r\n0\r\n\r\n{next}")).await);
        for _ in 0..answers {
            assert_eq!(wire.status().await, 200, "{lengths:?}");
        }
        if answers == 1 {
            assert_eq!(wire.answer().await, None, "{lengths:?}");
        }
    }
    house.is_well(30).await;
}

/// A thousand tokens that are no session's, on the API and at the door of the sockets.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_session_costs_next_to_nothing() {
    let house = House::new().await;
    let right = session(&house.alice.user_id);
    let (head, rest) = right.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    // {"alg":"none"}, and a key that nobody has.
    let none = "eyJhbGciOiJub25lIn0";
    let unknown = "eyJhbGciOiJSUzI1NiIsImtpZCI6InZlbG9jaXJhcHRvciJ9";
    let tokens = [
        SECRET.to_owned(),
        format!("{none}.{claims}."),
        format!("{unknown}.{claims}.{signature}"),
        format!("{head}.{claims}.{}", SECRET.repeat(20)),
        format!("{head}.{}.{signature}", "A".repeat(20_000)),
        ".".repeat(8_000),
    ];
    let strangers = async {
        for nth in 0..20 {
            let (path, token) = (["/api/conversations", "/ws"][nth % 2], &tokens);
            let all = (0..50).map(async |nth| {
                let mut wire = Wire::open(&house).await;
                let token = &token[nth % token.len()];
                let head =
                    format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}");
                let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n\
                               sec-websocket-version: 13\r\n\
                               sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
                assert!(wire.say(format!("{head}\r\n{upgrade}\r\n\r\n")).await);
                wire.status().await
            });
            let all = join_all(all).await;
            assert!(all.iter().all(|status| *status == 401), "{path}: {all:?}");
        }
    };
    let ((), ()) = tokio::join!(strangers, house.serves());
    house.took("a thousand wrong tokens", 64);
    house.is_well(30).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_off_has_no_effect_and_no_trace() {
    let house = House::new().await;
    let event = format!(r#"{{"events":[{{"event_id":"$cut","content":{{"body":"{SECRET}"}}}}]}}"#);
    let more = format!("content-length: {}", event.len());
    let whole = push(&house, HS_TOKEN, &more) + &event;
    let chunked = push(&house, HS_TOKEN, "transfer-encoding: chunked") + "ff\r\n" + &event;
    for request in [whole, chunked] {
        for end in (1..request.len() - 1).step_by(7) {
            let mut wire = Wire::open(&house).await;
            assert!(wire.say(&request[..end]).await);
        }
    }
    house.is_well(120).await;
    let kept = "SELECT count(*) FROM tributary.transactions";
    assert_eq!(house.world.count(kept).await, 2, "of those that are honest");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_before_their_answers_are_answered_in_order_and_not_without_end() {
    let house = House::new().await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    let mut wire = Wire::open(&house).await;
    let both = get("/livez") + &get("/nothing") + &get("/api/conversations");
    assert!(wire.say(both.repeat(300)).await);
    for _ in 0..300 {
        for expected in [200, 404, 401] {
            assert_eq!(wire.status().await, expected);
        }
    }
    // Whoever never reads: what is written piles up to a bound, and then nothing is read.
    let flood = get("/openapi.json").repeat(2_000);
    let floods = join_all((0..50).map(async |_| {
        let mut wire = Wire::open(&house).await;
        assert!(wire.say(&flood).await);
        wire
    }));
    let wires = floods.await;
    house.serves().await;
    house.took("50 who pipeline and do not read", 128);
    drop(wires);
    house.is_well(30).await;
}
