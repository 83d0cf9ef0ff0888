"""What was done, what was compared, and what was wrong."""

from collections import Counter

from mischief import KINDS
from verdict import WRONG, Verdict

SHOWN = 12


def report(run, verdict: Verdict, missing: dict[str, str], seed: int) -> int:
    """Prints it; the exit status."""
    done, traffic = run.mischief.done, run.traffic
    print(f"\nfaults of {run.seconds:.0f} s, seed {seed}:")
    for kind in KINDS:
        why = f"   not possible here: {missing[kind]}" if kind in missing else ""
        print(f"  {done[kind]:5}  {kind}{why}")
    print(f"  {sum(done.values()):5}  in all; a replica ended by itself "
          f"{sum(replica.ended_by_itself for replica in run.house.replicas)} times, and was started again")
    for failed in run.mischief.failed:
        print(f"  could not be done: {failed}")
    events = sum(truth.events for truth in run.truths.values())
    print(f"traffic: {_listed(traffic.sent)}; {events} events in {len(run.cast.rooms)} rooms")
    print(f"readers: {len(run.readers)}, {sum(r.connections for r in run.readers)} connections,"
          f" {sum(r.resumed_back for r in run.readers)} of them from further back,"
          f" {sum(r.received for r in run.readers)} frames, {sum(len(r.log) for r in run.readers)} of them new")
    print(f"settled after {run.settling:.0f} s; compared: {_listed(verdict.compared)}")
    for kind in WRONG:
        print(f"  {len(verdict.wrong[kind]):5}  {kind}")
        for evidence in verdict.wrong[kind][:SHOWN]:
            print(f"           {evidence}")
        if len(verdict.wrong[kind]) > SHOWN:
            print(f"           and {len(verdict.wrong[kind]) - SHOWN} more")
    is_whole = not run.mischief.failed
    return 0 if verdict.is_clean and is_whole else 1


def _listed(counts: Counter) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
