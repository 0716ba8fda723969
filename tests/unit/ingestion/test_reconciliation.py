"""The close: everything is read once more, both sides are compared, and what cannot be compared is reported."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.ingestion.memory import CAMERAS, END, Ingestion, at, ingestion

from aforo.avigilon import Camera
from aforo.errors import AccIncomplete, AccUnknownCamera, AccUnreachable
from aforo.ingestion.reconciliation import Reconciler, Reconciliation
from aforo.models import EventPhase, Feed, Malformed, Outcome, Page, ReconciliationResult, ReservationKind, Window
from aforo.storage import EventRecord, JournalEntry, JournalKind

A, B = Feed("srv", "A"), Feed("srv", "B")
AFTER = END + timedelta(minutes=2)
EACH = {"A": 10, "B": 1, "C": 1}


async def reconciled(parts: Ingestion, *read: Feed) -> Reconciliation:
    answered = dict.fromkeys(read, parts.clock.monotonic())
    reconciler = Reconciler(parts.context, await parts.record(), answered)
    result = await reconciler.run()
    reconciler.write_log(result)
    return result


async def test_what_was_missing_is_stored_and_both_sides_are_equal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with ingestion(tmp_path, starts=AFTER) as parts:
        for minute in range(10):
            parts.server.add("A", minute)
        parts.server.add("B", 2)
        parts.server.add("C", 3)
        result = await reconciled(parts)
        assert (result.complete, result.given_up, result.compared, result.unanswered) == (True, False, True, {})
        assert (dict(result.source.valid), result.stored) == (EACH, EACH)
        assert len(parts.database.ledger) == 12
        assert parts.recorder.results == [ReconciliationResult(Outcome.RECONCILED)]
        assert parts.database.closed == ["Concierto A"]
        assert parts.recorder.phases == [EventPhase.CLOSING, EventPhase.OVER]
        assert parts.recorder.recounts == 1
        assert "Cierre, cámara «Puerta A» (A): ACC 10, base 10, diferencia 0." in caplog.messages
        closing = next(line for line in caplog.messages if line.startswith("Cierre de «Concierto A»: ACC tiene"))
        assert "12 eventos válidos y la base 12 (diferencia 0)" in closing
        assert closing.endswith("Rechazados: ninguno. Conciliado.")


async def test_a_window_that_fails_again_and_again_is_counted_once(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        for minute in range(20):
            parts.server.add("A", minute)
        failures = 0

        def cut(page: Page, _cameras: Sequence[str], number: int) -> Page:
            nonlocal failures
            if number == 3 and failures < 3:
                failures += 1
                raise AccUnreachable("Respuesta cortada.")
            return page

        parts.server.edit = cut
        result = await reconciled(parts)
        assert (result.complete, failures) == (True, 3)
        assert (dict(result.source.valid), result.stored) == ({"A": 20}, {"A": 20})
        begun = [window.since for _, cameras, window in parts.server.queries if cameras == ("A",)]
        assert begun == sorted(set(begun)), "what was read is not read again"


async def test_each_camera_is_read_alone_whatever_is_proven(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        parts.server.add("A", 1)
        await reconciled(parts)
        assert {len(cameras) for _, cameras, _ in parts.server.queries} == {1}


async def test_a_camera_that_fails_alone_is_given_up_soon_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with ingestion(tmp_path, starts=AFTER, close_patience=900.0) as parts:

        def fault(_server: str, cameras: Sequence[str], _window: Window) -> None:
            if "B" in cameras:
                raise AccUnreachable("Respuesta cortada.")

        parts.server.fault = fault
        parts.server.add("A", 1)
        result = await reconciled(parts)
        assert (result.complete, result.given_up, result.compared) == (False, False, True)
        assert result.unanswered == {B: (at(0), "ni una vez en todo el evento: Respuesta cortada.")}
        assert timedelta(seconds=30) <= parts.clock.now() - AFTER < timedelta(seconds=120)
        assert not parts.database.closed
        assert any(
            "Cierre, cámara «Puerta B» (B): no contestó (ni una vez en todo el evento: Respuesta cortada.)" in line
            for line in caplog.messages
        )


async def test_a_camera_that_answered_before_is_waited_for_since_its_last_answer(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=AFTER, close_patience=900.0) as parts:

        def fault(_server: str, cameras: Sequence[str], _window: Window) -> None:
            if "B" in cameras:
                raise AccUnreachable("Respuesta cortada.")

        parts.server.fault = fault
        parts.clock.advance(300)
        reconciler = Reconciler(parts.context, await parts.record(), {B: 0.0})
        result = await reconciler.run()
        assert timedelta(seconds=900) <= parts.clock.now() - AFTER < timedelta(seconds=960)
        assert result.unanswered[B][1].startswith("nada desde hace 15 min")
        assert result.unanswered[B][1].endswith(": Respuesta cortada.")


async def test_a_camera_that_answers_now_and_then_is_not_given_up(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=AFTER, close_patience=120.0) as parts:
        for minute in range(20):
            parts.server.add("B", minute)

        def fault(_server: str, cameras: Sequence[str], window: Window) -> None:
            if "B" in cameras and parts.clock.now() < AFTER + min(window.since - at(0), timedelta(minutes=18)) * 0.3:
                raise AccUnreachable("Respuesta cortada.")

        def one_page(page: Page, _cameras: Sequence[str], number: int) -> Page:
            if number == 1:
                raise AccUnreachable("Respuesta cortada.")
            return page

        parts.server.fault, parts.server.edit = fault, one_page
        result = await reconciled(parts)
        assert result.complete
        assert parts.clock.now() - AFTER > timedelta(minutes=5), "all together took longer than the patience"
        assert result.stored == {"B": 20}


async def test_a_server_that_is_down_is_given_up_after_the_close_patience(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=AFTER, close_patience=300.0) as parts:
        parts.server.link_down_since = at(59)

        def fault(*_: object) -> None:
            raise AccUnreachable("Sin conexión.")

        parts.server.fault = fault
        result = await reconciled(parts)
        assert (result.complete, result.given_up, result.compared) == (False, True, True)
        assert timedelta(seconds=300) <= parts.clock.now() - AFTER < timedelta(seconds=400)
        assert len(result.unanswered) == 3


async def test_a_database_that_does_not_answer_is_reported_without_figures(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with ingestion(tmp_path, starts=AFTER, close_patience=60.0) as parts:
        closing = asyncio.create_task(reconciled(parts))
        await parts.clock.sleep(0.001)
        original = parts.database.drain

        async def blocked(record: EventRecord | None = None) -> None:
            parts.database.answering.clear()
            await original(record)

        parts.database.drain = blocked  # type: ignore[method-assign]
        parts.database.pending = 3
        result = await closing
        assert (result.complete, result.given_up, result.compared) == (False, True, False)
        assert any(
            "La base de datos no contestó en 60 s: lo leído al final no quedó guardado" in m for m in caplog.messages
        )
        assert any("a la base de datos no se le pudo preguntar" in line for line in caplog.messages)


async def test_a_camera_that_was_read_and_disappears_is_waited_for(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        unknown = True

        def fault(_server: str, cameras: Sequence[str], _window: Window) -> None:
            if unknown and "A" in cameras:
                raise AccUnknownCamera("El servidor no conoce esa cámara.")

        parts.server.fault = fault
        parts.server.add("A", 1)
        closing = asyncio.create_task(reconciled(parts, A))
        await parts.clock.sleep(20)
        assert not closing.done()
        unknown = False
        result = await closing
        assert result.complete
        assert result.stored == {"A": 1}


async def test_a_camera_that_no_server_ever_knew_does_not_hold_up_the_close(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:

        def fault(_server: str, cameras: Sequence[str], _window: Window) -> None:
            if "A" in cameras:
                raise AccUnknownCamera("El servidor no conoce esa cámara.")

        parts.server.fault = fault
        assert (await reconciled(parts)).complete


async def test_a_stop_ends_the_close_incomplete(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        parts.server.hanging = {"C"}
        closing = asyncio.create_task(reconciled(parts))
        await parts.clock.sleep(5)
        parts.context.stopping.set()
        result = await closing
        assert (result.complete, result.compared) == (False, False)
        assert parts.recorder.phases == [EventPhase.CLOSING]


async def test_a_difference_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        gone = parts.server.add("A", 1)
        parts.database.ledger[gone.server_id, gone.this_id] = gone
        parts.server.events_of.clear()
        result = await reconciled(parts)
        assert result.complete
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert "Cierre, cámara «Puerta A» (A): ACC 0, base 1, diferencia -1." in warnings


# Reservations: compared, and something may be missing all the same.


def each_sends(parts: Ingestion) -> None:
    for camera in CAMERAS:
        parts.server.add(camera, 2)


def listed(**connected: bool | None) -> list[Camera]:
    """The cameras as a server lists them."""
    return [Camera(camera, f"Puerta {camera}", "", connected.get(camera, True), "srv") for camera in CAMERAS]


async def test_a_camera_that_sent_nothing_is_a_reservation(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        parts.server.add("A", 1)
        parts.server.add("B", 1, name="PASILLO")  # no rule takes it: the camera works
        result = await reconciled(parts)
        assert result.outcome is Outcome.RESERVED
        (reservation,) = result.reservations
        assert (reservation.kind, reservation.subject) == (ReservationKind.SILENT_CAMERA, "C")
        assert "La cámara «Puerta C» (C) no envió nada en todo el evento" in reservation.text
        assert parts.database.closed == ["Concierto A"]
        assert parts.recorder.results[0].reservations == (reservation,)
        closing = next(line for line in caplog.messages if line.startswith("Cierre de «Concierto A»: ACC tiene"))
        assert closing.endswith("Rechazados: 1 sin regla. Conciliado con reservas: 1 cámara que no envió nada.")


async def test_a_whole_event_without_events_is_one_reservation(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        result = await reconciled(parts)
        assert [one.kind for one in result.reservations] == [ReservationKind.NO_EVENTS]
        assert "compruebe en ACC que la analítica está activa" in result.reservations[0].text


async def test_events_that_no_rule_takes_are_not_no_events(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        for camera in CAMERAS:
            parts.server.add(camera, 2, name="PASILLO")
        result = await reconciled(parts)
        assert [one.kind for one in result.reservations] == [ReservationKind.NO_EVENTS]
        assert "Ninguno de los 3 eventos que ACC tiene cuenta (3 sin regla)" in result.reservations[0].text


async def test_unreadable_events_are_a_reservation_and_count_once_each(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        each_sends(parts)
        bad = [Malformed("sin timestamp", 1), Malformed("sin timestamp", 2), Malformed("otro tipo", 3)]
        parts.server.edit = lambda page, _cameras, _number: page if not page.events else replace(page, malformed=bad)
        result = await reconciled(parts)
        (reservation,) = result.reservations
        assert (reservation.kind, reservation.number) == (ReservationKind.UNREADABLE, 2)
        assert "2 eventos de ACC no se pueden leer (2 sin timestamp)" in reservation.text
        assert parts.recorder.results[0].rejected == {"sin timestamp": 2, "otro tipo": 1}


@pytest.mark.parametrize("rejects", [True, False])
async def test_an_allowed_camera_that_no_server_lists_is_a_reservation(tmp_path: Path, rejects: bool) -> None:
    """Whether the servers answer 404 for it, or nothing."""
    async with ingestion(tmp_path, starts=AFTER) as parts:
        parts.server.add("A", 2)
        parts.server.add("B", 2)
        parts.server.listed = [one for one in listed() if one.id == "A"]  # of B an event came: it is known

        def unknown(_server: str, cameras: Sequence[str], _window: Window) -> None:
            if rejects and "C" in cameras:
                raise AccUnknownCamera("No existe.")

        parts.server.fault = unknown
        result = await reconciled(parts)
        (reservation,) = result.reservations
        assert (reservation.kind, reservation.subject) == (ReservationKind.UNKNOWN_CAMERA, "C")
        assert "Ningún servidor conoce la cámara C, que está permitida" in reservation.text


async def test_a_camera_may_be_in_an_entry_of_the_list_that_cannot_be_read(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        parts.server.add("A", 2)
        parts.server.add("B", 2)
        parts.server.listed, parts.server.unusable_cameras = [one for one in listed() if one.id != "C"], 1
        assert [one.kind for one in (await reconciled(parts)).reservations] == [ReservationKind.SILENT_CAMERA]


async def test_a_camera_of_another_server_is_known_where_one_lists_it(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        parts.server.server_ids = ["srv", "srv2"]
        each_sends(parts)

        def unknown(server: str, cameras: Sequence[str], _window: Window) -> None:
            if server == "srv2":
                raise AccUnknownCamera("No existe.")

        parts.server.fault = unknown
        assert (await reconciled(parts)).outcome is Outcome.RECONCILED


@pytest.mark.parametrize(("connected", "reserved"), [(False, True), (True, False), (None, False)])
async def test_a_disconnected_camera_is_a_reservation(tmp_path: Path, connected: bool | None, reserved: bool) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        each_sends(parts)
        parts.server.listed = listed(B=connected)
        result = await reconciled(parts)
        assert [one.kind for one in result.reservations] == [ReservationKind.DISCONNECTED_CAMERA] * reserved
        if reserved:
            assert "ACC dio por desconectada la cámara «Puerta B» (B), desde 17:02:00" in result.reservations[0].text


async def test_a_camera_is_connected_where_one_of_its_servers_says_so(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        each_sends(parts)
        parts.server.listed = [*listed(B=False), Camera("B", "Puerta B", "CONNECTED", True, "srv2")]
        assert (await reconciled(parts)).outcome is Outcome.RECONCILED


async def test_a_disconnection_that_is_over_by_the_close_is_a_reservation(tmp_path: Path) -> None:
    """One that this process saw, and one that a process before it journaled."""
    async with ingestion(tmp_path, starts=at(10)) as parts:
        each_sends(parts)
        parts.server.listed = listed(B=False)
        await parts.context.site.refresh()
        parts.server.listed = None
        await parts.clock.sleep(600)
        await parts.context.site.refresh()
        parts.database.journal = [JournalEntry(1, 1, JournalKind.DISCONNECTED, "C", at(1), at(6), "{}")]
        await parts.clock.sleep((AFTER - parts.clock.now()).total_seconds())
        texts = {one.subject: one.text for one in (await reconciled(parts)).reservations}
        assert texts.keys() == {"B", "C"}
        assert "de 16:10:00 a 16:20:00" in texts["B"]
        assert "de 16:01:00 a 16:06:00" in texts["C"]


async def test_a_state_of_another_day_is_no_reservation(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=END + timedelta(days=3)) as parts:
        each_sends(parts)
        parts.server.listed = listed(B=False)
        assert (await reconciled(parts)).outcome is Outcome.RECONCILED


async def test_a_difference_is_a_reservation(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        each_sends(parts)
        parts.database.ledger[" srv", "99"] = parts.server.events_of["A"][0]
        result = await reconciled(parts)
        (reservation,) = result.reservations
        assert (reservation.kind, reservation.number) == (ReservationKind.DIFFERENCE, 1)
        assert any("Conciliado con reservas: ACC y la base no coinciden." in line for line in caplog.messages)


async def test_a_camera_that_may_lack_events_of_a_millisecond_is_a_reservation(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        each_sends(parts)

        def incomplete(page: Page, cameras: Sequence[str], _number: int) -> Page:
            if page.events and page.events[0].camera_id == "B":
                raise AccIncomplete("Más eventos en un milisegundo de los que se dan de una vez.")
            return page

        parts.server.edit = incomplete
        kinds = {one.kind: one.subject for one in (await reconciled(parts)).reservations}
        assert kinds[ReservationKind.INCOMPLETE_CAMERA] == "B"


async def test_what_could_not_be_compared_wins_over_reservations(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        parts.server.add("A", 2)
        parts.server.hanging = {"B"}
        result = await reconciled(parts)
        assert result.outcome is Outcome.NOT_COMPARED
        assert [one.subject for one in result.reservations] == ["C"]
        end = "Sin conciliar: 1 cámara sin contestar; 1 cámara que no envió nada."
        assert any(line.endswith(end) for line in caplog.messages)


async def test_two_events_leave_a_server_out_that_has_left_the_site(tmp_path: Path) -> None:
    async with ingestion(tmp_path, starts=AFTER) as parts:
        site = parts.context.site
        site.add_servers(["srv", "gone"])
        await asyncio.gather(site.refresh(frozenset({"gone"})), site.refresh(frozenset({"gone"})))
        assert site.servers == ("srv",)
