"""Starts the command: `dynjax VERB ...`, `python -m dynjax VERB ...` and `python main.py VERB ...` are the same."""

from dynjax.memory import keep_freed_memory


def main() -> None:
    """Runs the command line, after a restart with glibc set to keep freed memory; imports nothing slow before it."""
    keep_freed_memory()
    from dynjax import arguments

    arguments.run()


if __name__ == "__main__":
    main()
