"""``python -m imagesync``: the command line."""

from imagesync.cli.app import main

if __name__ == "__main__":
    main()
