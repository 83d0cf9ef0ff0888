//! Thousands of connections, held by processes of their own: one may have too few
//! descriptors for both ends.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use rustix::process::{Resource, getrlimit};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdin, Command},
    time::timeout,
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/hostile/crowd.py");
/// How many come, if somebody says so.
const SIZE: &str = "TRIBUTARY_TEST_HALF_OPEN";
/// Few enough for every run.
const USUAL: usize = 2_000;
/// Of one process, at one address.
const EACH: usize = 4_000;
/// A flood that overtakes the kernel's queue is tried again in seconds.
const PATIENCE: Duration = Duration::from_mins(5);
/// Places that a Tributary has at most, and how many descriptors it keeps for anything else.
const MOST_PLACES: usize = 16_384;
pub(super) const OTHER_DESCRIPTORS: usize = 256;

/// Connections that are held as long as this is.
pub(super) struct Crowd(Vec<(Child, ChildStdin)>);

/// How many come, and how many places the program has for them, which are fewer.
#[expect(clippy::print_stdout, reason = "less than was asked for is told")]
pub(super) fn size() -> (usize, usize) {
    let hard = getrlimit(Resource::Nofile).maximum;
    let hard = hard.map_or(usize::MAX, |most| usize::try_from(most).unwrap());
    let asked = std::env::var(SIZE).map_or(USUAL, |size| size.parse().expect(SIZE));
    let (places, most) = ((asked * 5 / 6).min(MOST_PLACES), hard - OTHER_DESCRIPTORS);
    if places > most {
        println!("{most} places instead of {places}, for want of descriptors");
    }
    (asked, places.min(most))
}

impl Crowd {
    /// So many, each of which has sent the first so many bytes of a request.
    pub(super) async fn open(to: SocketAddr, count: usize, bytes: usize) -> Self {
        let all = (0..count.div_ceil(EACH)).map(|nth| {
            let mut script = Command::new("python3");
            script.arg(SCRIPT).arg(to.port().to_string());
            script.arg(format!("127.0.1.{}", nth + 1));
            script.args([EACH.min(count - nth * EACH), bytes].map(|number| number.to_string()));
            script.stdin(Stdio::piped()).stdout(Stdio::piped());
            script.kill_on_drop(true).spawn().unwrap()
        });
        let mut processes: Vec<_> = all.collect();
        let (mut crowd, mut opened) = (Vec::new(), 0);
        for mut process in processes.drain(..) {
            let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
            let line = timeout(PATIENCE, said.next_line()).await;
            let line = line.expect("a crowd gathers").unwrap();
            opened += line.map_or(0, |line| line.parse::<usize>().unwrap());
            let stays = process.stdin.take().unwrap();
            crowd.push((process, stays));
        }
        assert_eq!(opened, count, "all have come");
        Self(crowd)
    }

    /// Leaves.
    pub(super) async fn leave(self) {
        for (mut process, stays) in self.0 {
            drop(stays);
            assert!(process.wait().await.unwrap().success());
        }
    }
}
