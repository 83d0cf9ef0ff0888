//! PURE: how far a clock is from ours.

use chrono::{DateTime, TimeDelta, Utc};

use super::Problem;

/// As much as session tokens are forgiven unless configured otherwise.
const MOST: TimeDelta = TimeDelta::seconds(5);

/// Compares what somebody's clock said with ours before and after the question; `grain` is
/// how exactly it says it.
pub(super) fn compare(
    whose: &str,
    told: DateTime<Utc>,
    (before, after): (DateTime<Utc>, DateTime<Utc>),
    grain: TimeDelta,
) -> Result<((), String), Problem> {
    // Anything between the two is as good as equal.
    let (ahead, behind) = (told - after, before - told - grain);
    let (skew, direction) = if ahead > behind {
        (ahead, "ahead of")
    } else {
        (behind, "behind")
    };
    if skew <= MOST {
        return Ok((
            (),
            format!("within {} s of this machine's", MOST.num_seconds()),
        ));
    }
    let seconds = skew.num_seconds();
    Err(Problem::new(
        "clock_skew",
        format!("the clock of {whose} is {seconds} s {direction} this machine's"),
        format!(
            "synchronise both clocks: `timedatectl set-ntp true` on each machine, and `timedatectl`\n\
             shows whether it worked. Session tokens live for a minute; more than {} s count.",
            MOST.num_seconds()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(told: i64, asked: i64, answered: i64) -> Result<(), String> {
        let at = |seconds| DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
        let grain = TimeDelta::seconds(1);
        compare("it", at(told), (at(asked), at(answered)), grain)
            .map(|_| ())
            .map_err(|problem| problem.cause)
    }

    #[test]
    fn a_clock_may_differ_a_little_and_an_answer_may_take_its_time() {
        for (told, asked, answered) in [(0, 0, 0), (5, 0, 0), (-6, 0, 0), (3, 0, 9), (14, 0, 9)] {
            assert_eq!(compared(told, asked, answered), Ok(()), "{told}");
        }
    }

    #[test]
    fn what_is_too_far_is_said_with_its_direction() {
        let words = "the clock of it is 42 s";
        assert_eq!(
            compared(42, 0, 0),
            Err(format!("{words} ahead of this machine's"))
        );
        assert_eq!(
            compared(-43, 0, 0),
            Err(format!("{words} behind this machine's"))
        );
        assert!(compared(15, 0, 9).is_err() && compared(-7, 0, 0).is_err());
    }
}
