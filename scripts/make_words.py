"""Make ``data/sift/words.npy``: visual words and their rarity, from the gallery of clipart.

Run ``python -m scripts.make_words`` from the project's root; it prints the SHA-256 that
``retrieval/embedders/sift.py`` must hold. Words are the centres of k-means over the keypoints of
every fifth picture of both shipped galleries; rarity is log(pictures / pictures with the word).
"""

from __future__ import annotations

import sys

import faiss
import numpy as np
from numpy.typing import NDArray

from retrieval.embedders import shipped
from retrieval.embedders.sift import FILE, WORDS, descriptors, nearest
from retrieval.lab import Lab

STEP = 5
ROUNDS = 25
SEED = 7


def sampled() -> list[NDArray[np.float32]]:
    """Keypoints of every fifth picture, each (n, 128)."""
    lab = Lab()
    return [
        descriptors(gallery.image(row))
        for gallery in (lab.gallery("stamps"), lab.gallery("clipart"))
        for row in range(0, len(gallery), STEP)
    ]


def table(pictures: list[NDArray[np.float32]]) -> NDArray[np.float16]:
    """Words with their rarity in the last column, (511, 129)."""
    every = np.concatenate(pictures)
    means = faiss.Kmeans(every.shape[1], WORDS, niter=ROUNDS, seed=SEED)
    means.train(every)
    words = np.asarray(means.centroids, dtype=np.float32)
    holding = np.zeros(WORDS)
    for found in pictures:
        if len(found):
            holding[np.unique(nearest(found, words))] += 1
    rarity = np.log(len(pictures) / np.maximum(holding, 1))
    return np.column_stack([words, rarity]).astype(np.float16)


def main() -> None:
    """Write the file and print its SHA-256."""
    sys.stdout.write(shipped.save(FILE, table(sampled())) + "\n")


if __name__ == "__main__":
    main()
