"""Whether the server answers: lost and back are logged once, and one camera's failure is no lost server."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest
from tests.fake_clock import FakeClock

from aforo.avigilon.connectivity import ConnectionMonitor, LivenessProbe
from aforo.avigilon.errors import NoConnection
from aforo.errors import AccUnreachable

TROUBLE = AccUnreachable("roto.")


class TestConnectionMonitor:
    def test_nobody_listens(self) -> None:
        clock = FakeClock()
        monitor = ConnectionMonitor(clock, "host")
        monitor.failed("camera", monitor.mark(), NoConnection("nadie."))
        assert monitor.down_since == clock.now()

    def test_one_camera_fails_while_others_are_answered(self) -> None:
        monitor = ConnectionMonitor(FakeClock(), "host")
        for _ in range(9):
            mark = monitor.mark()
            monitor.answered("another")
            monitor.failed("camera", mark, TROUBLE)
        assert monitor.down_since is None

    def test_two_cameras_that_fail_without_any_answer_call_for_a_probe(self) -> None:
        clock = FakeClock()
        monitor = ConnectionMonitor(clock, "host")
        began = clock.now()
        assert not monitor.failed("one", monitor.mark(), TROUBLE)
        clock.advance(5)
        assert monitor.failed("two", monitor.mark(), TROUBLE)
        assert monitor.down_since is None
        assert [monitor.is_well(camera) for camera in ("one", "two", "three")] == [False, False, True]
        monitor.lost(TROUBLE)
        assert monitor.down_since == began

    def test_a_list_that_is_answered_does_not_end_an_outage_of_events(self) -> None:
        monitor = ConnectionMonitor(FakeClock(), "host")
        monitor.failed("servers", monitor.mark(), NoConnection("nadie."), events=False)
        monitor.answered("servers", events=False)
        assert monitor.down_since is None, "only lists were requested"
        monitor.failed("camera", monitor.mark(), NoConnection("nadie."))
        monitor.answered("servers", events=False)
        assert monitor.down_since is not None
        monitor.answered("camera")
        assert monitor.down_since is None

    def test_one_camera_that_fails_again_and_again_without_any_answer_calls_for_a_probe(self) -> None:
        monitor = ConnectionMonitor(FakeClock(), "host")
        for _ in range(2):
            assert not monitor.failed("camera", monitor.mark(), TROUBLE)
        assert monitor.failed("camera", monitor.mark(), TROUBLE)
        assert monitor.down_since is None
        monitor.lost(TROUBLE)
        assert monitor.down_since is not None
        assert monitor.failed("camera", monitor.mark(), TROUBLE)
        monitor.answered("another")
        assert monitor.down_since is None
        assert not monitor.failed("camera", monitor.mark(), TROUBLE)

    def test_loss_and_return_are_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        clock = FakeClock()
        monitor = ConnectionMonitor(clock, "host")
        for _ in range(5):
            monitor.failed("camera", monitor.mark(), NoConnection("Nadie."))
        clock.advance(200)
        for _ in range(5):
            monitor.answered("another")
        assert [record.getMessage() for record in caplog.records] == [
            "Sin servidor de cámaras host: Nadie. Se sigue intentando y nada se pierde.",
            "El servidor de cámaras host vuelve a contestar, tras 3 min 20 s.",
        ]
        assert monitor.down_since is None


class TestLivenessProbe:
    def parts(self, clock: FakeClock) -> tuple[ConnectionMonitor, LivenessProbe]:
        monitor = ConnectionMonitor(clock, "host")
        return monitor, LivenessProbe(monitor, clock, 30.0)

    def answering(self, monitor: ConnectionMonitor, subject: str, sent: list[str]) -> Callable[[], Awaitable[None]]:
        async def repeat() -> None:
            sent.append(subject)
            monitor.answered(subject)

        return repeat

    async def test_without_another_subject_nothing_is_sent(self, fake_clock: FakeClock) -> None:
        monitor, probe = self.parts(fake_clock)
        sent: list[str] = []
        assert not await probe.another_is_answered("camera")
        probe.remember("camera", self.answering(monitor, "camera", sent), 0.1)
        assert not await probe.another_is_answered("camera")
        assert sent == []

    async def test_the_latest_subject_that_does_not_fail_is_preferred(self, fake_clock: FakeClock) -> None:
        monitor, probe = self.parts(fake_clock)
        sent: list[str] = []
        for subject in ("well", "older", "failing"):
            probe.remember(subject, self.answering(monitor, subject, sent), 0.1)
        monitor.failed("failing", monitor.mark(), TROUBLE)
        assert await probe.another_is_answered("camera")
        assert sent == ["older"]

    async def test_only_the_latest_eight_subjects_are_kept(self, fake_clock: FakeClock) -> None:
        monitor, probe = self.parts(fake_clock)
        sent: list[str] = []
        for number in range(9):
            probe.remember(str(number), self.answering(monitor, str(number), sent), 0.1)
        for number in range(1, 9):
            monitor.failed(str(number), monitor.mark(), TROUBLE)
        assert await probe.another_is_answered("camera")
        assert sent == ["8"], "the one that is well is not kept any more"

    @pytest.mark.parametrize(("took", "patience"), [(0.1, 5.0), (4.0, 8.0), (25.0, 30.0)])
    async def test_a_probe_waits_as_long_as_the_request_took_before_allows(
        self, fake_clock: FakeClock, took: float, patience: float
    ) -> None:
        _, probe = self.parts(fake_clock)
        probe.remember("hanging", asyncio.Event().wait, took)
        assert not await probe.another_is_answered("camera")
        assert fake_clock.monotonic() == patience

    async def test_a_probe_that_fails_proves_nothing_unless_another_request_is_answered(
        self, fake_clock: FakeClock
    ) -> None:
        monitor, probe = self.parts(fake_clock)

        async def fail() -> None:
            raise TROUBLE

        async def fail_while_another_is_answered() -> None:
            monitor.answered("third")
            raise TROUBLE

        probe.remember("another", fail, 0.1)
        assert not await probe.another_is_answered("camera")
        probe.remember("another", fail_while_another_is_answered, 0.1)
        assert await probe.another_is_answered("camera")
