"""Finding and aligning faces against OpenCV's own FaceDetectorYN and FaceRecognizerSF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from retrieval import hub
from retrieval.embedders.face_align import POINTS, SIDE, aligned, similarity
from retrieval.embedders.face_finder import OVERLAP, Face, Finder, decoded, kept, shared
from retrieval.errors import Damaged, Unsupported
from tests import facemodels, tiny

NAMES = ("yunet.onnx", "random.onnx", "other.onnx", "text.onnx")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("faces")
    facemodels.finder(made / NAMES[0])
    facemodels.finder(made / NAMES[1], random=3)
    facemodels.recogniser(made / NAMES[2], 128)
    (made / NAMES[3]).write_text("no network")
    return made


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, folder: Path, cache: Path) -> None:
    """The folder, as if it had been downloaded."""
    monkeypatch.setattr(hub, "download", lambda *_: (folder, False))
    monkeypatch.setenv("PARALLAX_CACHE", str(cache))


def finder(name: str = NAMES[0]) -> Finder:
    return Finder(("lab/yunet", name, ((name, ""),)))


def theirs(path: Path, image: Image.Image, overlap: float = OVERLAP) -> Any:
    """What OpenCV finds: (n, 15), left, top, width, height, five points, score."""
    square = np.zeros((640, 640, 3), np.uint8)
    square[: image.height, : image.width] = np.asarray(image)[..., ::-1]
    detector: Any = cv2.FaceDetectorYN.create(str(path), "", (640, 640), 0.6, overlap, 5000)
    found = detector.detect(square)[1]
    return np.empty((0, 15)) if found is None else found


def as_rows(faces: list[Face]) -> Any:
    return np.array(
        [
            [*f.box[:2], f.box[2] - f.box[0], f.box[3] - f.box[1], *f.points.ravel(), f.score]
            for f in faces
        ]
    )


def in_order(rows: Any) -> Any:
    return rows[np.lexsort(rows[:, :4].round(2).T)]


@pytest.mark.parametrize("seed", range(3))
def test_every_place_is_decoded_as_opencv_does(folder: Path, seed: int) -> None:
    image = facemodels.picture((3, 2, 32), (20, 20, 8), seed=seed)
    square = np.zeros((1, 640, 640, 3), np.uint8)
    square[0, :240, :320] = np.asarray(image)
    ours = as_rows(decoded(finder(NAMES[1])._outputs(square)))
    wanted = theirs(folder / NAMES[1], image, overlap=1.0)
    assert len(ours) == len(wanted) > 10
    np.testing.assert_allclose(in_order(ours), in_order(wanted), rtol=1e-3, atol=0.01)


def test_of_overlapping_faces_the_surest_stays(folder: Path) -> None:
    image = facemodels.picture((10, 7, 8), (11, 7, 8), (20, 20, 8), (5, 2, 32))
    faces = finder()(image)
    wanted = theirs(folder / NAMES[0], image)
    assert len(faces) == len(wanted) == 3
    np.testing.assert_allclose(in_order(as_rows(faces))[:, :2], in_order(wanted)[:, :2], atol=8.1)
    assert [round(face.area**0.5) for face in faces] == [192, 48, 48]


def test_kept_is_greedy_by_score() -> None:
    def face(left: float, score: float) -> Face:
        return Face((left, 0, left + 10, 10), POINTS, score)

    best, near, far = face(0, 0.9), face(4, 0.95), face(8, 0.7)
    assert shared(best, near) == pytest.approx(6 / 14)
    assert kept([best, near, far]) == [near]  # which far overlaps by 6 / 14 too
    assert kept([far, best]) == [best, far]
    assert kept([]) == []


def test_kept_drops_what_overlaps() -> None:
    faces = [Face((left, 0, left + 10, 10), POINTS, 0.9 - left / 100) for left in (0, 2, 20)]
    assert [face.box[0] for face in kept(faces)] == [0, 20]


@pytest.mark.parametrize(("wide", "high"), [(1280, 960), (960, 1280), (3000, 2000)])
def test_positions_are_those_of_the_whole_picture(wide: int, high: int) -> None:
    """A large picture is made smaller for the network, and the face is where it was."""
    small = facemodels.picture(
        (3, 3, 32), size=(320 * wide // max(wide, high), 320 * high // max(wide, high))
    )
    whole = small.resize((wide, high), Image.Resampling.NEAREST)
    [one], [two] = finder()(small), finder()(whole)
    scale = np.array((wide / small.width, high / small.height))
    np.testing.assert_allclose(two.points + 0.5, (one.points + 0.5) * scale, rtol=1e-6)
    np.testing.assert_allclose(two.box, np.array(one.box) * [*scale, *scale], rtol=1e-6)


def test_small_faces_are_seen_at_the_second_look() -> None:
    """At 320 pixels the square of 8 is one of 4 and half as bright; at 640 it is a face."""
    image = facemodels.picture((30, 20, 8), size=(640, 480))
    [face] = finder()(image)
    assert face.box == pytest.approx((220, 140, 268, 188), abs=0.01)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (320, 240), (4000, 3)])
def test_a_picture_without_a_face_has_none(size: tuple[int, int]) -> None:
    assert finder()(Image.new("RGB", size)) == []


def test_what_is_no_face_is_not_found() -> None:
    """Numbers that are none, and points that are one, come of a damaged network alone."""
    outputs = [np.zeros(((640 // s) ** 2, w), np.float32) for s in (8, 16, 32) for w in (1, 1, 4)]
    points = [np.zeros(((640 // s) ** 2, 10), np.float32) for s in (8, 16, 32)]
    outputs[0][:4] = outputs[1][:4] = 1
    points[0][:3] = np.arange(10)
    outputs[2][0, 2:], outputs[2][1, :2] = 1e4, np.nan
    with np.errstate(over="ignore"):
        [face] = decoded([*outputs, *points])
    assert face.box == (12, -4, 20, 4)


@pytest.mark.parametrize(
    ("name", "words"), [(NAMES[2], "is no network that takes"), (NAMES[3], "is no network")]
)
def test_another_network_is_refused(name: str, words: str) -> None:
    with pytest.raises(Damaged, match=words):
        finder(name)(facemodels.picture((4, 3, 32)))


def test_an_onnx_file_has_no_torch_module() -> None:
    with pytest.raises(Unsupported, match="has no torch module"):
        finder()._network.reference(np.zeros((1, 640, 640, 3), np.uint8))


@pytest.mark.parametrize("turn", [0.0, 0.4, -2.5])
@pytest.mark.parametrize("scale", [0.2, 1.0, 7.0])
def test_a_known_transform_is_found_again(turn: float, scale: float) -> None:
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * scale
    shift = np.array((31.5, -12.0))
    found = similarity(POINTS, POINTS @ spin.T + shift)
    np.testing.assert_allclose(found, np.column_stack([spin, shift]), atol=1e-9)


def test_it_never_mirrors_and_is_the_best() -> None:
    mirrored = POINTS * (-1, 1)
    found = similarity(mirrored, POINTS)
    assert np.linalg.det(found[:, :2]) > 0

    def distance(matrix: Any) -> float:
        return float((((mirrored @ matrix[:, :2].T + matrix[:, 2]) - POINTS) ** 2).sum())

    least, noise = distance(found), np.random.default_rng(0)
    for _ in range(200):  # no other similarity is nearer
        a, b, x, y = noise.normal(0, 0.05, 4)
        near = found + np.array([[a, -b, x], [b, a, y]])
        assert distance(near) >= least


@pytest.mark.parametrize("case", range(4))
def test_the_square_is_opencvs(folder: Path, case: int) -> None:
    """Against alignCrop, which rounds its weights to 32nds; a face at the border is cut alike."""
    noise = np.random.default_rng(case)
    rough = noise.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    image = Image.fromarray(rough).resize((400, 300), Image.Resampling.BICUBIC)
    turn, scale = noise.uniform(-0.6, 0.6), noise.uniform(0.4, 2.2)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * scale
    points = (POINTS - 56) @ spin.T + noise.uniform(20, 250, 2) + noise.normal(0, 3, (5, 2))
    reader: Any = cv2.FaceRecognizerSF.create(str(folder / NAMES[2]), "")
    row = np.array([[0, 0, 1, 1, *points.ravel(), 1]], dtype=np.float32)
    wanted = reader.alignCrop(np.asarray(image)[..., ::-1].copy(), row)[..., ::-1]
    square = aligned(image, points)
    assert square.shape == (SIDE, SIDE, 3)
    apart = np.abs(square.astype(int) - wanted.astype(int))
    inside = wanted.min(axis=2) > 0
    assert inside.mean() > 0.3 and apart[inside].mean() < 1 and np.quantile(apart[inside], 0.99) < 6


def test_a_face_of_the_right_size_is_only_cut() -> None:
    image = tiny.pictures()[5]
    square = aligned(image, POINTS + (40, 30))
    wanted = np.asarray(image)[30 : 30 + SIDE, 40 : 40 + SIDE]
    np.testing.assert_allclose(square.astype(int), wanted, atol=1)
