"""``python -m drpl``."""

from drpl.cli import main

if __name__ == "__main__":
    main()
