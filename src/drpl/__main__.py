"""``python -m drpl``."""

from drpl.cli.main import main

if __name__ == "__main__":
    main()
