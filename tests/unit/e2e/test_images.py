"""When an image is built anew, and what its Dockerfile finds beside it."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.images import OFFICIAL, OURS, STANDINS, Image

IMAGES = (*OURS, *STANDINS, *OFFICIAL)


def _image(folder: Path) -> Image:
    (folder / "source").mkdir()
    (folder / "source" / "a.py").write_text("1")
    (folder / "Dockerfile").write_text("FROM scratch")
    return Image("some", {"Dockerfile": folder / "Dockerfile", "source": folder / "source"})


def test_an_image_of_the_same_files_is_the_same(tmp_path: Path) -> None:
    image = _image(tmp_path)
    assert replace(image).digest == image.digest


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda file: file.write_text("2"),
    "name": lambda file: file.rename(file.with_name("b.py")),
    "one-more": lambda file: file.with_name("b.py").write_text(""),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_of_a_file_is_another_image(tmp_path: Path, change: Callable[[Path], object]) -> None:
    image = _image(tmp_path)
    before = image.digest
    change(tmp_path / "source" / "a.py")
    assert replace(image).digest != before


def test_another_target_is_another_image(tmp_path: Path) -> None:
    image = _image(tmp_path)
    assert replace(image, target="other").digest != image.digest


def test_what_python_compiles_is_no_change(tmp_path: Path) -> None:
    image = _image(tmp_path)
    before = image.digest
    (tmp_path / "source" / "__pycache__").mkdir()
    (tmp_path / "source" / "__pycache__" / "a.pyc").write_text("x")
    assert replace(image).digest == before


@pytest.mark.parametrize("image", [*OURS, *STANDINS], ids=lambda image: image.name)
def test_a_dockerfile_finds_what_it_copies(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.e2e.images.CACHE", tmp_path / "not" / "there yet")
    with image.context() as folder:
        copied = re.findall(
            r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", (folder / "Dockerfile").read_text(), re.MULTILINE
        )
        assert copied
        for source in " ".join(copied).split():
            assert (folder / source).exists(), source
