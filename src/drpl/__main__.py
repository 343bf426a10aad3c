"""Command `drpl`, also as ``python -m drpl``."""

from drpl.cli.interrupts import Interrupts


def main() -> None:
    """Run the command line; Ctrl-C ends it with one line, from the first import on."""
    interrupts = Interrupts()
    interrupts.end_at_once()
    from drpl.cli.main import main as run

    interrupts.unwind()
    try:
        run(interrupts)
    except BaseException as error:
        # the service and training end well after Ctrl-C
        if interrupts.happened and not (isinstance(error, SystemExit) and not error.code):
            interrupts.finish()
        raise
    finally:
        interrupts.ignore()


if __name__ == "__main__":
    main()
