"""Saving the media of an answer: elkcli/storage/pictures.py."""

from __future__ import annotations

import io
import os
import re
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elkcli.conversation import Media, Note
from elkcli.environment import Environment
from elkcli.errors import ElkError, UsageError
from elkcli.storage.pictures import Saver
from elkcli.value import changed
from tests import samples

PNG = samples.png(33, 21)
ROOT = os.geteuid() == 0


@pytest.fixture
def world(tmp_path: Path) -> Environment:
    """A place to save in, and a data directory beside it."""
    here = tmp_path / "here"
    here.mkdir()
    variables = {"ELKCLI_DATA_DIR": str(tmp_path / "data")}
    return Environment([], variables, None, io.BytesIO(), io.StringIO(), directory=here, clock=lambda: 1784873432.0)


def image(data: bytes = PNG, claimed: str = "image/png") -> Media:
    return Media(data, claimed)


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def words(notes: list[Note]) -> str:
    return "\n".join(note.text for note in notes)


def test_a_picture_lands_in_the_current_directory_under_a_name_of_our_own(world: Environment) -> None:
    saved, notes = Saver(world).save(image())
    assert notes == []
    assert re.fullmatch(r"elkcli-\d{8}-\d{6}-[0-9a-f]{4}\.png", saved.reference)
    assert files(world.directory) == [saved.reference]
    assert Path(saved.path).is_absolute()
    assert Path(saved.path).read_bytes() == PNG
    assert (saved.kind, saved.mime, saved.width, saved.height, saved.size) == ("image", "image/png", 33, 21, len(PNG))
    assert stat.S_IMODE(Path(saved.path).stat().st_mode) == 0o666 & ~_umask()


def _umask() -> int:
    now = os.umask(0)
    os.umask(now)
    return now


def test_further_pictures_are_counted(world: Environment) -> None:
    saver = Saver(world)
    names = [saver.save(image())[0].reference for _ in range(10)]
    stem = names[0].removesuffix(".png")
    assert names[1:] == [f"{stem}-{n}.png" for n in range(2, 11)]
    assert files(world.directory) == sorted(names)


@pytest.mark.parametrize("extension", samples.everything())
@pytest.mark.parametrize("size", [0, 1, 1_000_000])
def test_every_kind_keeps_its_bytes_and_gets_its_extension(world: Environment, extension: str, size: int) -> None:
    good = samples.everything()[extension]
    data = good if not size else (good + b"\xa5\0\x17" * (size // 3))[:size]
    saved, notes = Saver(world).save(image(data, "image/png"))
    assert Path(saved.path).read_bytes() == data
    assert saved.reference.endswith(".bin" if size == 1 else f".{extension}")
    if size == 1:
        assert "no file of a known kind; kept as it came" in words(notes)


@pytest.mark.parametrize("claimed", ["../../x", "image/../../../etc/passwd", "\0", "image/" + "x" * 1_000_000, "", "/"])
def test_what_the_server_claims_names_nothing(world: Environment, claimed: str) -> None:
    for data in (PNG, b"?"):
        saved, _ = Saver(world).save(image(data, claimed))
        assert Path(saved.path).parent == world.directory
        assert re.fullmatch(r"elkcli-[0-9a-f-]+\.(png|bin)", Path(saved.path).name)


@settings(deadline=None, max_examples=30)
@given(st.text(max_size=40), st.binary(max_size=40))
def test_nothing_is_written_anywhere_else(claimed: str, data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        here = Path(place) / "a" / "b"
        here.mkdir(parents=True)
        world = Environment([], {"ELKCLI_DATA_DIR": f"{place}/data"}, None, None, io.StringIO(), directory=here)
        saved, _ = Saver(world).save(image(data, claimed))
        assert [path for path in Path(place).rglob("*") if path.is_file()] == [Path(saved.path)]
        assert Path(saved.path).parent == here


def test_a_sound_that_is_called_a_picture_is_reported(world: Environment) -> None:
    saved, notes = Saver(world).save(image(samples.wav(), "image/png"))
    assert saved.kind == "audio"
    assert words(notes) == "the server calls it image/png, but it is audio/wav"


def test_image_dir_is_made_and_referred_to_as_it_was_typed(world: Environment) -> None:
    saved, _ = Saver(world, image_dir="pictures/of elk").save(image())
    assert saved.reference.startswith("<pictures/of elk/elkcli-")
    assert saved.reference.endswith(".png>")
    assert Path(saved.path).parent == world.directory / "pictures/of elk"


def test_output_names_the_first_picture_and_the_others_after_it(world: Environment) -> None:
    saver = Saver(world, output="cat.png")
    saver.check()
    saved = [saver.save(media)[0] for media in (image(), image(samples.by_pillow("JPEG")), image())]
    assert [one.reference for one in saved] == ["cat.png", "cat-2.jpg", "cat-3.png"]
    assert files(world.directory) == ["cat-2.jpg", "cat-3.png", "cat.png"]


@pytest.mark.parametrize("output", [".", "./", "sub", "sub/"])
def test_output_may_be_a_directory(world: Environment, output: str) -> None:
    (world.directory / "sub").mkdir()
    saver = Saver(world, output=output)
    saver.check()
    saved, _ = saver.save(image())
    assert Path(saved.path).parent.samefile(world.directory / output)
    assert Path(saved.path).name.startswith("elkcli-")


def test_a_file_that_exists_is_refused_before_anything_is_sent(world: Environment) -> None:
    (world.directory / "cat.png").write_bytes(b"old")
    (world.directory / "broken.png").symlink_to("nowhere")
    for name in ("cat.png", "broken.png"):
        with pytest.raises(UsageError, match=f"{name} exists") as refused:
            Saver(world, output=name).check()
        assert refused.value.hint == "--force overwrites it"
    saver = Saver(world, output="cat.png", force=True)
    saver.check()
    saver.save(image())
    assert (world.directory / "cat.png").read_bytes() == PNG
    assert files(world.directory) == ["broken.png", "cat.png"]


@pytest.mark.parametrize("output", ["gone/cat.png", "gone/", "file/cat.png", "", "a\0b", "x" * 300 + "/c.png"])
def test_a_place_that_cannot_take_a_file_is_refused_before_anything_is_sent(world: Environment, output: str) -> None:
    (world.directory / "file").write_bytes(b"")
    with pytest.raises(UsageError):
        Saver(world, output=output).check()
    assert files(world.directory) == ["file"]


@pytest.mark.skipif(ROOT, reason="root may write anywhere")
def test_a_directory_without_leave_to_write_is_refused(world: Environment) -> None:
    world.directory.chmod(0o500)
    with pytest.raises(UsageError, match="cannot write"):
        Saver(world, output="cat.png").check()


def test_a_file_that_appears_in_the_meantime_is_left_alone(world: Environment) -> None:
    saver = Saver(world, output="cat.png")
    saver.check()
    (world.directory / "cat.png").write_bytes(b"faster")
    saved, notes = saver.save(image())
    assert saved.reference == "cat-2.png"
    assert "cat.png exists by now" in words(notes)
    assert (world.directory / "cat.png").read_bytes() == b"faster"
    assert saver.save(image())[0].reference == "cat-3.png"


def test_a_wrong_extension_is_warned_of_and_the_bytes_stay(world: Environment) -> None:
    saved, notes = Saver(world, output="cat.jpg").save(image())
    assert Path(saved.path).name == "cat.jpg"
    assert Path(saved.path).read_bytes() == PNG
    assert words(notes) == "cat.jpg is image/png, whatever its name says"
    assert all(note.warning for note in notes)
    for name, data in (("a.jpeg", samples.by_pillow("JPEG")), ("b.TIF", samples.by_pillow("TIFF")), ("c", PNG)):
        assert Saver(world, output=name).save(image(data))[1] == []


def test_a_device_is_written_to_and_not_replaced(world: Environment) -> None:
    saver = Saver(world, output="/dev/null")
    saver.check()
    saver.save(image())
    saver.save(image())
    assert not Path("/dev/null").is_file()


def test_with_force_a_link_keeps_its_target(world: Environment) -> None:
    (world.directory / "real.png").write_bytes(b"old")
    (world.directory / "link.png").symlink_to("real.png")
    saver = Saver(world, output="link.png", force=True)
    saver.check()
    saver.save(image())
    assert (world.directory / "link.png").is_symlink()
    assert (world.directory / "real.png").read_bytes() == PNG


def test_on_standard_output_there_are_exactly_the_bytes(world: Environment) -> None:
    saver = Saver(world, output="-")
    saver.check()
    assert saver.raw
    saved, notes = saver.save(image())
    assert (saved.path, saved.reference, notes) == ("-", "-", [])
    assert isinstance(world.stdout, io.BytesIO)
    assert world.stdout.getvalue() == PNG
    assert "more than one file" in words(saver.save(image())[1])
    got: list[bytes] = []
    Saver(world, output="-", write=got.append).save(image())
    assert got == [PNG]
    with pytest.raises(ElkError, match="standard output is closed"):
        Saver(changed(world, stdout=None), output="-").save(image())
    assert files(world.directory) == []


def test_what_cannot_be_saved_there_is_kept_in_the_data_directory(world: Environment) -> None:
    saver = Saver(world, output="sub/cat.png")
    (world.directory / "sub").mkdir()
    saver.check()
    (world.directory / "sub").rmdir()
    saved, notes = saver.save(image())
    rescued = world.data_dir / "rescued"
    assert Path(saved.path).parent == rescued
    assert Path(saved.path).read_bytes() == PNG
    assert stat.S_IMODE(Path(saved.path).stat().st_mode) == 0o600
    assert stat.S_IMODE(rescued.stat().st_mode) == 0o700
    assert "No such file or directory; it is kept in " + saved.path in words(notes)
    assert all(note.warning for note in notes)


def test_what_can_be_saved_nowhere_is_an_error_that_says_so(world: Environment) -> None:
    world.data_dir.write_bytes(b"a file where the directory should be")
    (world.directory / "file").write_bytes(b"")
    with pytest.raises(ElkError, match=r"cannot save the image in .*; nor in .*rescued"):
        Saver(world, image_dir="file/sub").save(image())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_does_not_lose_the_picture(world: Environment) -> None:
    saver = Saver(world, output="/dev/full")
    saver.check()
    saved, notes = saver.save(image())
    assert Path(saved.path).read_bytes() == PNG
    assert "No space left on device" in words(notes)


def test_a_failure_in_the_middle_leaves_no_half_file(world: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ElkError):
        Saver(world).save(image())
    assert files(world.directory) == []
    assert files(world.data_dir / "rescued") == []


def test_a_file_system_without_links_still_overwrites_nothing(
    world: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    saver = Saver(world, output="cat.png")
    saver.save(image())
    assert saver.save(image())[0].reference == "cat-2.png"
    assert files(world.directory) == ["cat-2.png", "cat.png"]


def test_many_at_once_lose_nothing(world: Environment) -> None:
    pictures = [samples.png(3 + n, 2) for n in range(12)]
    places: list[str] = []

    def save(data: bytes) -> None:
        places.append(Saver(world, output="cat.png").save(image(data))[0].path)

    threads = [threading.Thread(target=save, args=(data,)) for data in pictures]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(places)) == 12
    assert sorted(Path(place).read_bytes() for place in places) == sorted(pictures)
    assert len(files(world.directory)) == 12


@pytest.mark.parametrize(
    ("output", "reference"),
    [("a b.png", "<a b.png>"), ("a(1).png", "<a(1).png>"), ("a<b.png", "<a\\<b.png>"), ("a_1.png", "a_1.png")],
)
def test_a_reference_is_a_target_that_markdown_takes(world: Environment, output: str, reference: str) -> None:
    assert Saver(world, output=output).save(image())[0].reference == reference
