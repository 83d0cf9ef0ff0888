//! Random histories: a few rooms, a few people, and everything that can happen there.

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::event;

/// The rooms of a history; the event at `i` is in room `i % ROOMS`.
pub(super) const ROOMS: usize = 3;
/// How many things happen at least.
const EVENTS: usize = 210;

/// Something that happens, by small numbers. Targets are positions: what is not the
/// same room's becomes it.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A message of one of the kinds of `content::message`.
    Message {
        kind: usize,
        sender: usize,
        at: At,
        relation: Relation,
        media: usize,
    },
    Edit {
        target: Target,
        /// Somebody else, who may not.
        other_sender: Option<usize>,
        other_type: bool,
        of_itself: bool,
        content: usize,
        at: At,
        media: usize,
    },
    Reaction {
        target: Target,
        sender: usize,
        key: usize,
        at: At,
    },
    Redaction {
        target: Target,
        sender: usize,
        /// Where it says what it redacts: above, in the content, or both.
        place: usize,
        at: At,
        copy: Copy,
    },
    Member {
        who: usize,
        membership: usize,
        name: usize,
        avatar: Option<usize>,
        at: At,
        replaces: Option<Target>,
    },
    /// Name, topic, avatar, functional members.
    State {
        kind: usize,
        value: usize,
        at: At,
        replaces: Option<Target>,
    },
    Hostile {
        which: usize,
        at: At,
    },
}

/// Seconds after the history's beginning, or something that is no time.
#[derive(Debug, Clone)]
pub(super) enum At {
    Second(i64),
    Absurd(usize),
}

/// What a message says that it belongs to.
#[derive(Debug, Clone)]
pub(super) enum Relation {
    Nothing,
    Reply(Target),
    Thread(Target),
}

/// A position in the history, or an event that nobody has.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    Step(usize),
    Nothing,
}

/// Whether a redacted event comes once more as the homeserver hands it out then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copy {
    None,
    /// Without any content.
    Empty,
    /// With the little that newer room versions leave.
    Kept,
}

/// An event of a history.
#[derive(Debug, Clone)]
pub(super) struct Event {
    /// 0..[`ROOMS`].
    pub(super) room: usize,
    /// Its JSON, with [`event::TAG`] in every name.
    pub(super) json: String,
    /// For a pruned copy: the positions of the event and of its redaction.
    pub(super) copy_of: Option<[usize; 2]>,
    /// Whether it may be missing, because it tells nothing that these two don't.
    pub(super) is_optional: bool,
}

/// Everything that happens, in one possible order.
#[derive(Debug, Clone)]
pub(super) struct History {
    pub(super) events: Vec<Event>,
}

impl History {
    /// The history of a seed.
    pub(super) fn of(seed: u64) -> Self {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let steps = prop::collection::vec(step(), EVENTS..EVENTS + 40);
        let steps = steps.new_tree(&mut runner).unwrap().current();
        Self {
            events: event::of(&steps),
        }
    }

    /// Takes the copies along of what is not kept.
    pub(super) fn without_orphans(&self, keep: &mut [bool]) {
        for (at, event) in self.events.iter().enumerate() {
            keep[at] &= event.copy_of.is_none_or(|of| of.iter().all(|at| keep[*at]));
        }
    }

    /// What is left of it without some events.
    pub(super) fn only(&self, keep: &[bool]) -> Self {
        let kept = self.events.iter().zip(keep).filter(|(_, keep)| **keep);
        Self {
            events: kept.map(|(event, _)| event.clone()).collect(),
        }
    }
}

/// So few that many things happen in the same second.
fn at() -> impl Strategy<Value = At> {
    prop_oneof![
        24 => (0..8_i64).prop_map(At::Second),
        1 => (0..7_usize).prop_map(At::Absurd),
    ]
}

/// Some events are everybody's target.
fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        6 => (0..30_usize).prop_map(Target::Step),
        5 => (0..EVENTS).prop_map(Target::Step),
        1 => Just(Target::Nothing),
    ]
}

fn relation() -> impl Strategy<Value = Relation> {
    prop_oneof![
        6 => Just(Relation::Nothing),
        1 => target().prop_map(Relation::Reply),
        1 => target().prop_map(Relation::Thread),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        42 => message(),
        17 => edit(),
        12 => (target(), 0..5_usize, 0..4_usize, at()).prop_map(
            |(target, sender, key, at)| Step::Reaction { target, sender, key, at }),
        13 => redaction(),
        5 => member(),
        5 => (0..4_usize, 0..8_usize, at(), prop::option::weighted(0.4, target())).prop_map(
            |(kind, value, at, replaces)| Step::State { kind, value, at, replaces }),
        6 => (0..64_usize, at()).prop_map(|(which, at)| Step::Hostile { which, at }),
    ]
}

fn message() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![1 => Just(0), 2 => 0..64_usize];
    (kind, 0..5_usize, at(), relation(), 0..8_usize).prop_map(
        |(kind, sender, at, relation, media)| Step::Message {
            kind,
            sender,
            at,
            relation,
            media,
        },
    )
}

fn edit() -> impl Strategy<Value = Step> {
    (
        target(),
        prop::option::weighted(0.1, 0..5_usize),
        prop::bool::weighted(0.07),
        prop::bool::weighted(0.03),
        0..12_usize,
        at(),
        0..8_usize,
    )
        .prop_map(
            |(target, other_sender, other_type, of_itself, content, at, media)| Step::Edit {
                target,
                other_sender,
                other_type,
                of_itself,
                content,
                at,
                media,
            },
        )
}

fn redaction() -> impl Strategy<Value = Step> {
    let copy = prop_oneof![
        5 => Just(Copy::None),
        3 => Just(Copy::Empty),
        1 => Just(Copy::Kept),
    ];
    (target(), 0..5_usize, 0..3_usize, at(), copy).prop_map(|(target, sender, place, at, copy)| {
        Step::Redaction {
            target,
            sender,
            place,
            at,
            copy,
        }
    })
}

fn member() -> impl Strategy<Value = Step> {
    (
        0..4_usize,
        0..4_usize,
        0..5_usize,
        prop::option::of(0..8_usize),
        at(),
        prop::option::weighted(0.4, target()),
    )
        .prop_map(
            |(who, membership, name, avatar, at, replaces)| Step::Member {
                who,
                membership,
                name,
                avatar,
                at,
                replaces,
            },
        )
}
