"""Make data/calibrations: what the scores of the shipped embedders are worth.

Run after a change of a shipped gallery or of an embedder, from the project's folder:
``python -m scripts.make_calibrations``.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from retrieval.commands.calibrate import made
from retrieval.commands.verify import shipping
from retrieval.lab import DATA, Lab


def main() -> None:
    """Fit into a new folder, then put it in the place of the old one."""
    with tempfile.TemporaryDirectory() as cache:
        lab = Lab(cache=Path(cache))
        for entry in lab.catalog.entries():
            if entry.kind == "parquet":
                for name, kind, fit in made(lab, lab.gallery(entry.name), shipping()):
                    worth = fit.reliability
                    sys.stderr.write(
                        f"{entry.name} {name} {kind}: calibration error {worth.error[0]:.3f}, "
                        f"Brier {worth.brier[0]:.3f} ({worth.base:.3f} of the mean)\n"
                    )
        for lock in Path(cache).rglob(".*.lock"):
            lock.unlink()
        shutil.rmtree(DATA / "calibrations", ignore_errors=True)
        shutil.copytree(Path(cache, "calibrations"), DATA / "calibrations")


if __name__ == "__main__":
    main()
