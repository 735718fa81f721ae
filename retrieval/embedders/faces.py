"""Faces: found, aligned by five points, embedded by networks that tell people apart.

ArcFace: Deng et al. 2018, arXiv 1801.07698; SFace: Zhong et al. 2021, arXiv 2205.12010. The
weights are ONNX files of the hub that OpenVINO reads itself. They are for galleries of faces and
no others, and they make biometric data: ``retrieval.about.NOTICE`` says what the law does.

Of several faces the largest is taken. A query without one is refused. A picture of a gallery
without one gets a vector that is drawn from its pixels, at nearly right angles to everything:
every row needs a vector, one of a part of the picture that is no face would look like somebody,
and one for all such rows would make duplicates of them. All numbers of such a vector are equal
but for their signs, by which it is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from retrieval import about, commits, hub
from retrieval.embedders import face_finder, pretrained
from retrieval.embedders.base import Embedder
from retrieval.embedders.face_align import SIDE, aligned
from retrieval.embedders.face_finder import Face, Finder
from retrieval.errors import Unsupported
from retrieval.runtime import onnx
from retrieval.runtime.network import open_network
from retrieval.runtime.recipe import Recipe
from retrieval.types import Licence, Spec, Vectors

_FINDER = (
    face_finder.REPO,
    face_finder.REVISION,
    ((face_finder.FILE, face_finder.SHA256),),
)
_BIOMETRIC = "biometric data"
_SFACE = "face_recognition_sface_2021dec.onnx"
_ARCFACE = "arcfaceresnet100-8.onnx"
_SFACE_SHA = "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79"
_ARCFACE_SHA = "f3a6bc281e72f88862f5748b53be3d76b3b48f8f1ab1f4a537941bdc4e1b01da"

_ANY = Spec(
    name="",
    title="",
    target=f"{__name__}:Faces",
    family="Faces",
    needs=("openvino",),
    install="pip install openvino",
    about=about.FACES,
    preprocessing=f"{face_finder.PREPROCESSING}; 5 points to {SIDE}x{SIDE} bilinear",
    side=face_finder.SIDE,
)
SPECS = (
    replace(
        _ANY,
        name="arcface-r100",
        title="ArcFace ResNet-100",
        dim=512,
        note=_BIOMETRIC,
        bytes=261_036_388 + face_finder.BYTES,
        # The zoo that publishes it says Apache-2.0; those who trained it forbid commercial use.
        licence=Licence(
            "InsightFace, research only",
            "no",
            "https://github.com/deepinsight/insightface#license",
        ),
        source="https://huggingface.co/onnxmodelzoo/arcfaceresnet100-8",
        params=(
            ("repo", "onnxmodelzoo/arcfaceresnet100-8"),
            ("pick", ((_ARCFACE,),)),
            ("sha256", _ARCFACE_SHA),
            ("beside", (_FINDER,)),
        ),
    ),
    replace(
        _ANY,
        name="sface",
        title="SFace",
        dim=128,
        note=_BIOMETRIC,
        bytes=38_696_353 + face_finder.BYTES,
        licence=Licence(
            "Apache-2.0",
            "yes",
            "https://github.com/opencv/opencv_zoo/blob/main/models/face_recognition_sface/LICENSE",
        ),
        source="https://huggingface.co/opencv/face_recognition_sface",
        revision="3d7082438a6e4551e840c9b2bb60b71e8da4b524",
        params=(
            ("repo", "opencv/face_recognition_sface"),
            ("files", ((_SFACE, _SFACE_SHA),)),
            ("sha256", _SFACE_SHA),
            ("beside", (_FINDER,)),
        ),
    ),
)


class Faces(Embedder):
    """Pictures by the largest face in them.

    Raises:
        NotReady: a token is missing, or a cache cannot be written.
        Unreachable: the weights are not here and the hub does not give them.
        Damaged: the files are not those of the declared model.
    """

    def __init__(self, spec: Spec) -> None:
        spec = commits.asked(spec)
        super().__init__(spec)
        [source] = spec.param("beside")
        self._finder = Finder(source, spec.precision)
        recipe = Recipe(
            spec.name,
            spec.revision,
            "red first, 0 to 255",
            (("uint8", (-1, SIDE, SIDE, 3)),),
            partial(_sound, spec, pretrained.fetch(spec)),
            by=onnx.BY,
        )
        self._network = open_network(recipe, spec.precision)

    def nbytes(self) -> int:
        """Bytes of both networks."""
        return self._network.nbytes() + self._finder.nbytes()

    def faces(self, image: Image) -> list[Face]:
        """The faces of a picture, the largest first."""
        return self._finder(image)

    def asked(self, picture: Image) -> tuple[Vectors, str]:
        """The largest face of a query.

        Raises:
            Unsupported: there is none.
        """
        found = self.faces(picture)
        if not found:
            raise Unsupported(
                "no face was found in the picture; give one that shows a face from the front, "
                "or choose an embedder of whole pictures"
            )
        several = f"The picture shows {len(found)} faces: the largest is searched by; " * (
            len(found) > 1
        )
        vectors = self._checked(self._embedded([aligned(picture, found[0].points)]), 1)
        return vectors, several and f"{several}crop the picture to search by another."

    def remark(self, vectors: Vectors) -> str:
        """Which of the rows that were found show no face, by their ranks."""
        ranks = (np.flatnonzero(faceless(vectors)) + 1).tolist()
        if not ranks:
            return ""
        which = f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {', '.join(map(str, ranks))}"
        return f"No face was found at {which}: such pictures have a random vector."

    def _images(self, batch: Sequence[Image]) -> Vectors:
        vectors = np.empty((len(batch), self.spec.dim), dtype=np.float32)
        squares: dict[int, NDArray[np.uint8]] = {}
        for row, image in enumerate(batch):
            found = self.faces(image)
            if found:
                squares[row] = aligned(image, found[0].points)
            else:
                vectors[row] = stand_in(image, self.spec.dim)
        if squares:
            vectors[list(squares)] = self._checked(
                self._embedded(list(squares.values())), len(squares)
            )
        return vectors

    def _embedded(self, squares: Sequence[NDArray[np.uint8]]) -> Vectors:
        return self._network(np.stack(squares))[0]


def stand_in(image: Image, dim: int) -> NDArray[np.float32]:
    """The vector (dim,) of a picture without a face: its own, and like nobody's."""
    bits = np.frombuffer(hashlib.shake_256(image.tobytes()).digest(dim // 8), dtype=np.uint8)
    signs = np.unpackbits(bits).astype(np.float32) * 2 - 1
    return signs / np.float32(np.sqrt(dim))


def faceless(vectors: Vectors) -> NDArray[np.bool_]:
    """Which rows (n, dim) are stand-ins: (n,)."""
    sizes = np.abs(vectors)
    told: NDArray[np.bool_] = sizes.max(axis=1, initial=0) == sizes.min(axis=1, initial=np.inf)
    return told


def _sound(spec: Spec, folder: Path) -> onnx.Onnx:
    """The file, compared with its hash once more before it is read."""
    [(file, _)] = spec.param("files")
    hub.verify(folder / file, spec.param("sha256"), spec.param("repo"))
    return onnx.Onnx(folder / file)
