use super::*;

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    put(kind, &[body], &mut bytes);
    bytes.to_vec()
}

/// Bytes in one piece, and one by one.
fn whole_and_bit_by_bit(bytes: &[u8]) -> [Vec<&[u8]>; 2] {
    [vec![bytes], bytes.chunks(1).collect()]
}

fn startup() -> Vec<u8> {
    [&8_u32.to_be_bytes()[..], &196_608_u32.to_be_bytes()].concat()
}

fn prepared(name: &[u8]) -> Vec<u8> {
    [
        message(b'P', &[name, b"\0SELECT $1\0\0\0"].concat()),
        message(b'D', &[b"S", name, b"\0"].concat()),
        message(b'S', b""),
    ]
    .concat()
}

fn run(name: &[u8]) -> Vec<u8> {
    [
        message(b'B', &[b"\0", name, b"\0binds"].concat()),
        message(b'E', b"\0\0\0\0\0"),
        message(b'S', b""),
    ]
    .concat()
}

#[test]
fn a_statement_is_parsed_again_where_it_is_run() {
    let said = [
        startup(),
        prepared(b"s7"),
        run(b"s7"),
        message(b'C', b"Ss7\0"),
    ]
    .concat();
    let expected = [
        startup(),
        prepared(b""),
        message(b'P', b"\0SELECT $1\0\0\0"),
        run(b""),
        message(b'C', b"S\0"),
    ]
    .concat();
    for parts in whole_and_bit_by_bit(&said) {
        let (mut unnamed, mut sent) = (Unnamed::default(), BytesMut::new());
        for part in parts {
            unnamed.sent(part, &mut sent).unwrap();
        }
        assert_eq!(&sent[..], expected);
        assert!(unnamed.statements.is_empty(), "{unnamed:?}");
    }
}

#[test]
fn of_our_own_parses_the_client_does_not_hear() {
    let ready = message(b'Z', b"I");
    let parsed = message(b'1', b"");
    let begun = [message(b'R', &[0; 4]), ready.clone()].concat();
    let described = [parsed.clone(), message(b't', &[0, 0]), ready.clone()].concat();
    let failed = [message(b'E', b"no\0"), ready.clone()].concat();
    let ran = [message(b'2', b""), message(b'C', b"SELECT 1\0"), ready].concat();
    // The first time it fails before it is parsed, the second time it runs.
    let answered = [
        begun.clone(),
        described.clone(),
        failed.clone(),
        parsed,
        ran.clone(),
        described.clone(),
    ]
    .concat();
    let expected = [begun, described.clone(), failed, ran, described].concat();
    for parts in whole_and_bit_by_bit(&answered) {
        let (mut unnamed, mut heard) = (Unnamed::default(), BytesMut::new());
        let said = [
            startup(),
            prepared(b"a"),
            run(b"a"),
            run(b"a"),
            prepared(b"b"),
        ]
        .concat();
        unnamed.sent(&said, &mut BytesMut::new()).unwrap();
        for part in parts {
            unnamed.received(part, &mut heard).unwrap();
        }
        assert_eq!(&heard[..], expected);
    }
}

#[test]
fn what_has_no_length_is_refused() {
    let mut unnamed = Unnamed::default();
    assert!(unnamed.sent(&[0; 8], &mut BytesMut::new()).is_err());
    assert!(
        unnamed
            .received(&[b'Z', 0, 0, 0, 3], &mut BytesMut::new())
            .is_err()
    );
}
