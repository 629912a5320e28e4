"""Tests of image digests and build contexts."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.e2e.images import REPLACED_IMAGES, STANDIN_IMAGE, TENANTRY_IMAGES, Image

IMAGES = (*TENANTRY_IMAGES, STANDIN_IMAGE, *REPLACED_IMAGES)


def _make_image(folder: Path) -> Image:
    (folder / "source").mkdir()
    (folder / "source" / "a.py").write_text("1")
    (folder / "Dockerfile").write_text("FROM scratch")
    return Image("some", {"Dockerfile": folder / "Dockerfile", "source": folder / "source"})


def test_equal_files_have_equal_digests(tmp_path: Path) -> None:
    image = _make_image(tmp_path)
    assert replace(image).digest == image.digest


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda file: file.write_text("2"),
    "name": lambda file: file.rename(file.with_name("b.py")),
    "one-more": lambda file: file.with_name("b.py").write_text(""),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_file_changes_the_digest(tmp_path: Path, change: Callable[[Path], object]) -> None:
    image = _make_image(tmp_path)
    before = image.digest
    change(tmp_path / "source" / "a.py")
    assert replace(image).digest != before


def test_another_target_changes_the_digest(tmp_path: Path) -> None:
    image = _make_image(tmp_path)
    assert replace(image, target="other").digest != image.digest


def test_compiled_python_files_do_not_change_the_digest(tmp_path: Path) -> None:
    image = _make_image(tmp_path)
    before = image.digest
    (tmp_path / "source" / "__pycache__").mkdir()
    (tmp_path / "source" / "__pycache__" / "a.pyc").write_text("x")
    assert replace(image).digest == before


@pytest.mark.parametrize("image", [*TENANTRY_IMAGES, STANDIN_IMAGE], ids=lambda image: image.name)
def test_a_build_context_contains_all_copied_files(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.e2e.images.CACHE", tmp_path / "not" / "there yet")
    with image.create_context() as folder:
        copied = re.findall(
            r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", (folder / "Dockerfile").read_text(), re.MULTILINE
        )
        assert copied
        for source in " ".join(copied).split():
            assert (folder / source).exists(), source
