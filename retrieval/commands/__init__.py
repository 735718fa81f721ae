"""The command line's commands: each adds its parsers, runs, and shows what it found."""
