"""Near-duplicates: found by hash and by embedding, and measured under distortions."""
