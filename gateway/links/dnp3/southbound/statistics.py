"""What is counted, so that an operator can see a bad device before it is a lost one."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.links.dnp3.codec import Iin


@dataclass(slots=True)
class DeviceState:
    """What is known of one outstation, live.

    Attributes:
        connected: it answers.
        by_group: read group by group since something in its answers could not be read.
        iin: internal indications of its last answer.
        clock_offset_ms: arrival less source time of the newest timed event of the last fragment
            that had one: how far its clock is behind, at most. None until there was one.
        last_error: what went wrong last.
        losses: times it was lost after it had answered, by silence or with its connection.
        timeouts: requests without an answer in time.
        restarts: times it said anew that it had restarted.
        overflows: times it said anew that it had lost events.
        unknown_objects: objects whose size is not known here; what stood behind one was asked
            for again.
        malformed: fragments, or what followed in one, that made no sense.
        stale: answers to no request under way: late ones and duplicates. Dropped.
        duplicates: unsolicited responses that came again; confirmed, not delivered again.
        early: unsolicited data before the first integrity poll; left with the outstation.
        refusals: requests answered with an error indication.
        fragments: responses taken.
        events: events delivered.
        unsolicited: unsolicited responses taken.
        integrity_polls: integrity polls completed.
        time_syncs: times its clock was set.
        controls: controls sent.
    """

    connected: bool = False
    by_group: bool = False
    iin: Iin = Iin.NONE
    clock_offset_ms: int | None = None
    last_error: str = ""
    losses: int = 0
    timeouts: int = 0
    restarts: int = 0
    overflows: int = 0
    unknown_objects: int = 0
    malformed: int = 0
    stale: int = 0
    duplicates: int = 0
    early: int = 0
    refusals: int = 0
    fragments: int = 0
    events: int = 0
    unsolicited: int = 0
    integrity_polls: int = 0
    time_syncs: int = 0
    controls: int = 0


@dataclass(slots=True)
class ChannelState:
    """Counts of one connection.

    Attributes:
        connected: there is a connection.
        connects: connections made.
        losses: connections lost.
        refused_connects: attempts that failed.
        strange_frames: frames not for us or from nobody we know; dropped.
        unframed: octets received that are in no good frame.
        last_error: what went wrong last.
    """

    connected: bool = False
    connects: int = 0
    losses: int = 0
    refused_connects: int = 0
    strange_frames: int = 0
    unframed: int = 0
    last_error: str = ""
