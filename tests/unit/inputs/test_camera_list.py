"""The allow list: what it may hold, the error for one that cannot be used, and how it is written."""

import asyncio
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aforo.errors import BadCameras
from aforo.inputs.camera_list import CamerasFile, load_cameras, write_cameras
from aforo.inputs.watched_file import write_whole


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("camaras.json")


def test_the_document_s_example(path: Path) -> None:
    path.write_text('["CAM123", "CAM998", "CAM441"]')
    assert load_cameras(path) == {"CAM123", "CAM998", "CAM441"}


def test_spaces_go_and_repetitions_are_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text('﻿["CAM1 ", " CAM1", "CAM2", "CAM2"]', encoding="utf-8")
    assert load_cameras(path) == {"CAM1", "CAM2"}
    assert CamerasFile(path).cameras == {"CAM1", "CAM2"}
    assert [record.getMessage() for record in caplog.records] == [
        "camaras.json: repetidas, se cuentan una vez: CAM1, CAM2."
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[]", "camaras.json: la lista está vacía."),
        ("{}", "camaras.json no es una lista."),
        ('"CAM1"', "camaras.json no es una lista."),
        ('["CAM1", 5]', "camaras.json, posición 2: 5 no es un identificador de cámara."),
        ('["CAM1", " "]', 'camaras.json, posición 2: " " no es un identificador de cámara.'),
        ("[null]", "camaras.json, posición 1: null no es un identificador de cámara."),
        ('["CAM1",\n"CAM2" "CAM3"]', "camaras.json, línea 2, columna 8: no es JSON válido (falta una coma"),
        ('[\n{"a": 1, "a": 2}]', "camaras.json, línea 2: «a» está dos veces."),
    ],
)
def test_the_error_of_an_invalid_list(path: Path, text: str, what: str) -> None:
    path.write_text(text)
    with pytest.raises(BadCameras) as caught:
        load_cameras(path)
    assert caught.value.what.startswith(what)
    assert caught.value.remedy


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, cameras: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "camaras.json"
    write_cameras(path, cameras)
    assert load_cameras(path) == {camera.strip() for camera in cameras}


def test_writing_replaces_the_whole_file_and_leaves_nothing_else(path: Path) -> None:
    write_cameras(path, ["CAM2", "CAM1", "CAM2"])
    path.chmod(0o640)
    write_cameras(path, ["CAM3"])
    assert json.loads(path.read_text()) == ["CAM3"]
    assert os.name == "nt" or path.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in path.resolve().parent.iterdir()] == ["camaras.json"]


def test_a_list_that_cannot_be_written(path: Path) -> None:
    with pytest.raises(BadCameras, match=r"no se puede escribir \(no existe\)"):
        write_cameras(Path("nada") / path, ["CAM1"])


def test_a_failed_writing_leaves_nothing_behind(path: Path) -> None:
    path.mkdir()
    with pytest.raises(BadCameras, match=r"no se puede escribir \(es una carpeta\)"):
        write_cameras(path, ["CAM1"])
    assert [file.name for file in path.resolve().parent.iterdir()] == ["camaras.json"]


def test_a_change_is_seen_from_a_loop_without_holding_it_up(path: Path) -> None:
    path.write_text('["CAM1"]')
    file = CamerasFile(path)
    path.write_text('["CAM1", "CAM2"]')
    assert asyncio.run(file.refreshed())
    assert not asyncio.run(file.refreshed())
    assert file.cameras == {"CAM1", "CAM2"}


def test_a_change_is_seen_and_an_empty_list_changes_nothing(path: Path) -> None:
    path.write_text('["CAM1"]')
    file = CamerasFile(path)
    path.write_text('["CAM1", "CAM2"]')
    assert file.refresh()
    assert file.cameras == {"CAM1", "CAM2"}
    path.write_text("[]")
    assert not file.refresh()
    assert file.cameras == {"CAM1", "CAM2"}


@pytest.mark.skipif(os.name == "nt", reason="mode bits say nothing on Windows")
@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o027, 0o640), (0o022, 0o644)])
def test_a_new_file_follows_the_umask_and_a_replaced_one_keeps_its_rights(path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_whole(path, "uno")
        assert stat.S_IMODE(path.stat().st_mode) == mode
        path.chmod(0o604)
        write_whole(path, "dos")
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
        write_whole(path, "tres", private=True)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert path.read_text() == "tres"


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_is_replaced_and_not_followed(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "otro"
    target.write_text("queda")
    target.chmod(0o604)
    path.symlink_to(target)
    write_whole(path, "nuevo", private=True)
    assert not path.is_symlink()
    assert target.read_text() == "queda"
    assert stat.S_IMODE(target.stat().st_mode) == 0o604
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted({path.name, "otro"})
