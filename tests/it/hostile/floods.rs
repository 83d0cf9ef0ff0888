//! Customers who say too much on a socket, or promise to.

use futures_util::future::join_all;

use super::{
    house::House,
    socket::{BINARY, CONTINUATION, Ended, FIN, PING, PONG, Socket, TEXT, frame, promise},
};

/// More than a socket takes, of whatever it is, and however slowly it comes.
const FLOOD: usize = 64 << 20;

/// Says this over and over until nobody listens, or all of it is said; how it ended.
async fn flooded(house: &House, beginning: Vec<u8>, piece: Vec<u8>) -> Ended {
    let mut socket = Socket::open(house).await;
    socket.say(beginning).await;
    let flood = piece.repeat((64 << 10) / piece.len() + 1);
    for _ in 0..FLOOD / flood.len() {
        if !socket.say(&flood).await {
            break;
        }
    }
    socket.ended().await
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_end_their_socket_and_cost_the_others_nothing() {
    let house = House::new().await;
    let floods = [
        ("pings", vec![], frame(FIN | PING, "")),
        ("long pings", vec![], frame(FIN | PING, [0; 125])),
        ("pongs", vec![], frame(FIN | PONG, "")),
        (
            "the client's pings",
            vec![],
            frame(FIN | TEXT, r#"{"type":"ping"}"#),
        ),
        ("empty fragments", frame(TEXT, ""), frame(CONTINUATION, "")),
        (
            "fragments of a byte",
            frame(BINARY, "x"),
            frame(CONTINUATION, "x"),
        ),
    ];
    let all = join_all(
        floods
            .iter()
            .map(|(_, beginning, piece)| flooded(&house, beginning.clone(), piece.clone())),
    );
    let others = async {
        house.serves().await;
        house.serves().await;
    };
    let (ends, ()) = tokio::join!(all, others);
    for ((name, ..), ended) in floods.iter().zip(ends) {
        // Who still writes when it is closed may find it reset; what comes slowly enough not
        // to be too much may be too long.
        assert!(
            matches!(ended.code, Some(1006 | 1008 | 1009)),
            "{name}: {:?}",
            ended.code
        );
        assert!(
            ended.pongs.len() <= 300,
            "{name}: {} pongs",
            ended.pongs.len()
        );
    }
    house.took("floods", 64);
    house.is_well(30).await;
}

/// A frame that is said to be long takes no memory before it comes.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_promised_is_not_made_room_for() {
    let house = House::new().await;
    let ends = join_all(
        [
            65 << 10,
            2 << 20,
            u64::from(u32::MAX),
            u64::MAX / 2,
            u64::MAX,
        ]
        .map(async |length| {
            let mut socket = Socket::open(&house).await;
            socket.say(promise(FIN | BINARY, length)).await;
            let end = if length > 1 << 20 {
                Some(socket.ended().await)
            } else {
                None
            };
            (length, end, socket)
        }),
    )
    .await;
    for (length, end, _) in &ends {
        let code = end.as_ref().map(|end| end.code);
        let expected = [None, Some(Some(1009)), Some(Some(1002))];
        assert!(expected.contains(&code), "{length}: {code:?}");
    }
    // Halves of messages that are as long as any may be.
    let halves = join_all((0..90).map(async |_| {
        let mut socket = Socket::open(&house).await;
        let half = promise(FIN | TEXT, 1 << 20);
        socket.say([half, vec![b'x'; 1 << 19]].concat()).await;
        socket
    }))
    .await;
    house.serves().await;
    house.took("90 halves of a MiB", 192);
    drop((halves, ends));
    house.is_well(30).await;
}
