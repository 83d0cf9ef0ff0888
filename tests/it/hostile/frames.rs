//! The cases of the Autobahn test suite that apply to a server whose clients say little.
//!
//! The suite itself runs on Python 2 alone, and most of its cases want an echo; these have
//! its numbers, and want what it wants. Left out are 1 and 9, which are echoes of all
//! lengths, 12 and 13, compression, which is not offered, and 7.13, which leaves the answer
//! open.

use futures_util::{StreamExt as _, stream};

use super::{
    house::{House, SECRET},
    socket::{
        BINARY, CLOSE, CONTINUATION, Ended, FIN, PING, PONG, Socket, TEXT, fragments, frame,
        unmasked,
    },
};

/// What is said, and the code that it ends with.
type Case = (String, Vec<u8>, u16);

const PROTOCOL: u16 = 1002;
const NOT_UTF8: u16 = 1007;
const POLICY: u16 = 1008;
const NORMAL: u16 = 1000;
/// "kosme" in Greek, and what is no UTF-8.
const VALID: &[u8] = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";
const SURROGATE: &[u8] = b"\xed\xa0\x80";
const BEYOND: &[u8] = b"\xf4\x90\x80\x80";

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, [&code.to_be_bytes(), reason].concat())
}

fn case(number: impl Into<String>, said: Vec<u8>, code: u16) -> Case {
    (number.into(), said, code)
}

/// Control frames that are too long; reserved bits and opcodes.
fn reserved() -> Vec<Case> {
    let mut cases = vec![
        case("2.5", frame(FIN | PING, [0xfe; 126]), PROTOCOL),
        case("7.3.6", close(NORMAL, &[b'*'; 124]), PROTOCOL),
        case("RFC 6455 5.1", unmasked(FIN | TEXT, SECRET), PROTOCOL),
        case("RFC 6455 5.1", unmasked(FIN | PING, SECRET), PROTOCOL),
    ];
    for bits in 1..=7 {
        for opcode in [TEXT, BINARY, PING, CLOSE] {
            let said = frame(FIN | bits << 4 | opcode, SECRET);
            cases.push(case(format!("3.{bits}"), said, PROTOCOL));
        }
    }
    for nth in 1..=5 {
        for (group, opcode) in [(1, 2 + nth), (2, 10 + nth)] {
            for payload in ["", SECRET] {
                let said = frame(FIN | opcode, payload);
                cases.push(case(format!("4.{group}.{nth}"), said, PROTOCOL));
            }
        }
    }
    cases
}

/// Fragments that are none.
fn fragmented() -> Vec<Case> {
    let two = |first: u8, second: u8| [frame(first, "frag"), frame(second, "ment")].concat();
    let nothing_to_continue = [
        ("5.9", FIN | CONTINUATION),
        ("5.10", FIN | CONTINUATION),
        ("5.11", FIN | CONTINUATION),
        ("5.12", CONTINUATION),
        ("5.13", CONTINUATION),
        ("5.14", CONTINUATION),
    ];
    let mut cases = vec![
        case("5.1", two(PING, FIN | CONTINUATION), PROTOCOL),
        case("5.2", two(PONG, FIN | CONTINUATION), PROTOCOL),
        case("5.18", two(TEXT, FIN | TEXT), PROTOCOL),
        case("5.18", two(TEXT, FIN | BINARY), PROTOCOL),
        case("5.18", two(TEXT, BINARY), PROTOCOL),
        // What is whole and none of this protocol's.
        case("5.3", fragments(TEXT, SECRET, 4), POLICY),
        case(
            "5.6",
            [frame(TEXT, "{"), frame(FIN | PING, ""), frame(FIN, "}")].concat(),
            POLICY,
        ),
        case("9.1.1", frame(FIN | TEXT, vec![b'*'; 64 << 10]), POLICY),
        case("9.2.1", frame(FIN | BINARY, vec![0xfe; 64 << 10]), POLICY),
        case("9.1.2", frame(FIN | TEXT, vec![b'*'; 256 << 10]), 1009),
        case("9.3.5", fragments(TEXT, vec![b'*'; 256 << 10], 4096), 1009),
    ];
    for (number, first) in nothing_to_continue {
        cases.push(case(number, two(first, FIN | TEXT), PROTOCOL));
    }
    // After one that is whole there is nothing to continue either.
    let ping = frame(FIN | TEXT, r#"{"type":"ping"}"#);
    let continued = [ping, frame(CONTINUATION, "x"), frame(FIN | TEXT, "x")].concat();
    cases.push(case("5.15", continued, PROTOCOL));
    cases
}

/// Text that is none.
fn not_utf8() -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, wrong) in [("6.3", SURROGATE), ("6.4", BEYOND)] {
        let text = [VALID, wrong, b"edited"].concat();
        for each in [text.len(), 1] {
            cases.push(case(number, fragments(TEXT, &text, each), NOT_UTF8));
        }
    }
    for (number, text) in [
        ("6.6.1", &b"\xce"[..]),
        ("6.6.4", b"\xce\xba\xe1\xbd"),
        ("6.8.1", b"\xf8\x88\x80\x80\x80"),
        ("6.8.2", b"\xfc\x84\x80\x80\x80\x80"),
        ("6.10.1", b"\xf7\xbf\xbf\xbf"),
        ("6.12.1", b"\x80"),
        ("6.13.1", b"\xc0 \xc1 \xc2 "),
        ("6.14.6", b"\xdf"),
        ("6.16.1", b"\xfe"),
        ("6.17.1", b"\xc0\xaf"),
        ("6.18.1", b"\xc1\xbf"),
        ("6.19.1", b"\xc0\x80"),
        ("6.20.1", b"\xed\xa0\x80"),
        ("6.21.1", b"\xed\xa0\x80\xed\xb0\x80"),
    ] {
        cases.push(case(number, frame(FIN | TEXT, text), NOT_UTF8));
    }
    for (number, text) in [
        (
            "6.2",
            &b"Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!"[..],
        ),
        ("6.5", VALID),
        ("6.22", b"\xef\xbf\xbe"),
    ] {
        // It is text, and no JSON.
        cases.push(case(number, fragments(TEXT, text, 1), POLICY));
    }
    cases
}

/// Goodbyes.
fn closing() -> Vec<Case> {
    let mut cases = vec![
        case("7.3.2", frame(FIN | CLOSE, "x"), PROTOCOL),
        case("7.3.4", close(NORMAL, b"Hello World!"), NORMAL),
        case("7.3.5", close(NORMAL, &[b'*'; 123]), NORMAL),
        case(
            "7.5.1",
            close(NORMAL, &[VALID, SURROGATE, b"edited"].concat()),
            NOT_UTF8,
        ),
        case(
            "7.1.2",
            [close(NORMAL, b""), close(NORMAL, b"")].concat(),
            NORMAL,
        ),
        case(
            "7.1.3",
            [close(NORMAL, b""), frame(FIN | PING, "")].concat(),
            NORMAL,
        ),
        case(
            "7.1.4",
            [close(NORMAL, b""), frame(FIN | TEXT, SECRET)].concat(),
            NORMAL,
        ),
        case(
            "7.1.5",
            [frame(TEXT, "frag"), close(NORMAL, b"")].concat(),
            NORMAL,
        ),
    ];
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
    ] {
        cases.push(case("7.7", close(code, b""), code));
    }
    for code in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999] {
        cases.push(case("7.9", close(code, b""), PROTOCOL));
    }
    cases
}

/// What breaks the protocol, says so much, and does nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_breaks_the_protocol_is_closed_with_its_code() {
    let house = House::new().await;
    let cases: Vec<_> = [reserved(), fragmented(), not_utf8(), closing()].concat();
    let count = cases.len();
    let house = &house;
    let ends = stream::iter(cases).map(async |(number, said, code)| {
        let mut socket = Socket::open(house).await;
        socket.say(&said).await;
        let ended = socket.ended().await;
        let start = &said[..said.len().min(40)];
        assert_eq!(ended.code, Some(code), "{number}: {start:x?}");
        let sent_ping = number == "5.6";
        assert_eq!(ended.pongs.len(), usize::from(sent_ping), "{number}");
    });
    let all = ends.buffer_unordered(8).count();
    let (ended, ()) = tokio::join!(all, house.serves());
    assert!(ended == count && count > 100, "{count} cases");
    house.took("broken frames", 64);
    house.is_well(30).await;
}

/// What is said in whatever pieces: the answers, before a close that has no code (7.3.1).
#[tokio::test(flavor = "multi_thread")]
async fn pings_are_answered_in_whatever_pieces_they_come() {
    let house = House::new().await;
    let ten: Vec<_> = (0..10_u8).map(|nth| vec![nth; 8]).collect();
    for (number, said, pongs) in [
        ("2.1", frame(FIN | PING, ""), vec![vec![]]),
        ("2.2", frame(FIN | PING, "Hello"), vec![b"Hello".to_vec()]),
        (
            "2.3",
            frame(FIN | PING, b"\0\xff\xfe"),
            vec![b"\0\xff\xfe".to_vec()],
        ),
        ("2.4", frame(FIN | PING, [0xfe; 125]), vec![vec![0xfe; 125]]),
        ("2.7", frame(FIN | PONG, ""), vec![]),
        ("2.8", frame(FIN | PONG, "unsolicited"), vec![]),
        (
            "2.9",
            [frame(FIN | PONG, "unsolicited"), frame(FIN | PING, "ping")].concat(),
            vec![b"ping".to_vec()],
        ),
        (
            "2.10",
            ten.iter()
                .flat_map(|payload| frame(FIN | PING, payload))
                .collect(),
            ten.clone(),
        ),
    ] {
        for in_pieces in [false, true] {
            let mut socket = Socket::open(&house).await;
            let said = [&said[..], &frame(FIN | CLOSE, "")].concat();
            if in_pieces {
                socket.spell(&said).await;
            } else {
                socket.say(&said).await;
            }
            let expected = Ended {
                code: None,
                pongs: pongs.clone(),
            };
            assert_eq!(socket.ended().await, expected, "{number}");
        }
    }
    house.is_well(30).await;
}
