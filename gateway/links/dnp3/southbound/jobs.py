"""What an outstation is asked next, and what follows from how that ended."""

from __future__ import annotations

from gateway.links.dnp3.codec import Iin
from gateway.links.dnp3.config import AssociationConfig
from gateway.links.dnp3.southbound import polls
from gateway.links.dnp3.southbound.delivery import Delivery
from gateway.links.dnp3.southbound.exchange import Conversation, End, Now, Run
from gateway.links.dnp3.southbound.polls import Need, Schedule
from gateway.links.dnp3.southbound.statistics import DeviceState


class Jobs:
    """One job at a time for one outstation, as its :class:`Schedule` wants it.

    Args:
        config: how the outstation is spoken to.
        points: its points.
        state: where it is counted.

    Attributes:
        run: the job under way.
        reporting: classes that the outstation has agreed to report by itself.
    """

    def __init__(self, config: AssociationConfig, points: Delivery, state: DeviceState) -> None:
        self.run: Run | None = None
        self.reporting: tuple[int, ...] = ()
        self._config = config
        self._points = points
        self._state = state
        self._schedule = Schedule(config)
        self._need = Need.POLL
        self._classes: tuple[int, ...] = ()
        self._promised = False
        self._events_before = 0
        self._pause_s: dict[Need, float] = {}
        self._unreadable = False

    @property
    def next_s(self) -> float:
        """When there is something to ask, monotonic seconds."""
        return self._schedule.next_s if self.run is None else self.run.until_s

    def begin(self, now: Now) -> None:
        """A new session."""
        self.run = None
        self.reporting = ()
        self._pause_s.clear()
        self._schedule.begin(now.s)

    def next(self, now: Now) -> Run | None:
        """The job under way, or the one that falls due."""
        if self.run is None:
            need = self._schedule.take(now.s)
            if need is not None:
                self._need = need
                self.run = Run(self._conversation(need), whole=need is Need.SYNCHRONISE)
        return self.run

    def note(self, iin: Iin, now: Now, *, running: bool) -> bool:
        """What indications ask for; True where they say anew that the outstation restarted.

        Args:
            iin: of the answer just taken.
            now: its arrival.
            running: the session has had its integrity poll.
        """
        new = iin & (iin ^ self._state.iin)  # an inverted one would be kept for ever by its class
        self._state.iin = iin
        restarted = bool(new & Iin.DEVICE_RESTART)
        if restarted:
            self._state.restarts += 1
            self.reporting = ()
            self._schedule.want(polls.ON_RESTART, now.s)
        if new & Iin.EVENT_BUFFER_OVERFLOW:
            self._state.overflows += 1
            if self._config.integrity_on_overflow:
                self._schedule.want([Need.INTEGRITY], now.s)
        setting = self.run is not None and self._need is Need.SYNCHRONISE
        if iin & Iin.NEED_TIME and self._config.time_sync != "none" and not setting:
            self._schedule.want([Need.SYNCHRONISE], self._not_before(Need.SYNCHRONISE, now))
        if running and not restarted:
            self._note_events(iin, now)
        return restarted

    def distrust_reports(self, now: Now) -> None:
        """Its reports cannot be read: none from now on, and everything on request by group."""
        self._unreadable = True
        self.reporting = ()
        self._schedule.want([Need.DISABLE_UNSOLICITED], now.s)
        self._schedule.poll((1, 2, 3), now.s)

    def settle(self, now: Now) -> Need | None:
        """If the job has ended, do what follows; returns what is done now."""
        run, need = self.run, self._need
        if run is None or run.end is None:
            return None
        self.run = None
        if run.end is End.NOT_YET:
            if need is Need.POLL:
                self._schedule.poll(self._classes, now.s)
            self._schedule.want([need], now.s)
            return None
        if run.end is End.REFUSED:
            self._refused(need, now)
            return None
        self._done(need, now)
        return need

    def _conversation(self, need: Need) -> Conversation:
        if need in (Need.INTEGRITY, Need.POLL):
            self._classes = polls.INTEGRITY_CLASSES
            if need is Need.POLL:
                self._classes = self._schedule.take_classes()
            self._promised = need is Need.POLL and bool(self._state.iin & polls.ANY_EVENTS)
            self._events_before = self._state.events
            by_group = self._state.by_group
            return polls.read(
                polls.read_requests(self._classes, self._points.types, by_group=by_group)
            )
        if need is Need.CLEAR_RESTART:
            return polls.clear_restart()
        if need is Need.SYNCHRONISE:
            return polls.synchronise(self._config)
        if need is Need.DISABLE_UNSOLICITED:
            return polls.switch_unsolicited((1, 2, 3), on=False)
        classes = () if self._unreadable else self._config.unsolicited
        return polls.switch_unsolicited(classes, on=True)

    def _note_events(self, iin: Iin, now: Now) -> None:
        held = [number for number, bit in polls.CLASS_INDICATIONS.items() if iin & bit]
        asked_for = [number for number in held if number not in self.reporting]
        if asked_for:
            self._schedule.poll(asked_for, self._not_before(Need.POLL, now))
        elif held:  # it should report these by itself; if it does not, they are fetched
            self._schedule.poll(held, now.s + self._config.timeout_s)

    def _not_before(self, need: Need, now: Now) -> float:
        return max(now.s, self._pause_s.get(need, now.s))

    def _done(self, need: Need, now: Now) -> None:
        if need is Need.INTEGRITY:
            self._state.integrity_polls += 1
            if self._config.integrity_s:
                self._schedule.want([need], now.s + self._config.integrity_s)
        elif need is Need.ENABLE_UNSOLICITED:
            self.reporting = () if self._unreadable else self._config.unsolicited
        elif need is Need.SYNCHRONISE:
            self._state.time_syncs += 1
            self._pause_s[need] = now.s + polls.SYNC_PAUSE_S
        if need in (Need.INTEGRITY, Need.POLL):
            if self._points.touch():  # a scan came late: what it reports does not say what stands
                self._schedule.want([Need.INTEGRITY], self._not_before(Need.INTEGRITY, now))
                self._pause_s[Need.INTEGRITY] = now.s + polls.REREAD_PAUSE_S
            if self._promised and self._state.events == self._events_before:
                # it says that it holds events and gives none: not asked again at once
                self._pause_s[Need.POLL] = now.s + polls.EMPTY_PAUSE_S

    def _refused(self, need: Need, now: Now) -> None:
        if need is not Need.DISABLE_UNSOLICITED:  # who has no reports need not know the request
            name = need.name.lower().replace("_", " ")
            self._state.last_error = f"{name} refused: {self._state.iin!r}"
        later_s = now.s + polls.REFUSED_PAUSE_S
        self._pause_s[need] = later_s
        if need is Need.INTEGRITY and not self._state.by_group:
            self._state.by_group = True  # not every outstation knows classes
            self._schedule.want([need], now.s)
        elif need in (Need.INTEGRITY, Need.CLEAR_RESTART):
            self._schedule.want([need], later_s)
