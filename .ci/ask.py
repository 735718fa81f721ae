"""Ask a running page over HTTP: `python .ci/ask.py http://127.0.0.1:7860`."""

import sys
import time

import httpx
from gradio_client import Client

PANELS = ["conse-lite2@exact", "conse-lite2@faiss-hnsw?efSearch=16"]


def wait(url: str, seconds: float = 120) -> None:
    """Until the page answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise SystemExit(f"{url} did not answer within {seconds} s")


def main(url: str) -> None:
    """One query, checked."""
    wait(url)
    client = Client(url, verbose=False)
    answer = client.predict(
        text="a bird", panels=PANELS, gallery="stamps", k=10, api_name="/compare_search"
    )
    for panel in answer["panels"]:
        if panel["problem"] or len(panel["hits"]) != 10:
            raise SystemExit(f"no answer: {panel}")
    print(f"{url} answered:", [hit["caption"] for hit in answer["panels"][0]["hits"][:3]])


main(sys.argv[1])
