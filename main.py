"""dynjax from a checkout: `python main.py VERB ...` is the same program as the installed `dynjax VERB ...`."""

from dynjax.__main__ import main

if __name__ == "__main__":
    main()
