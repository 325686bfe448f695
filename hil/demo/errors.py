"""What ends a demo early, said in one line."""


class DemoError(RuntimeError):
    """The demo cannot start or go on; the message names what and what to do."""
