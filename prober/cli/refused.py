"""What ends the program where options or YAML cannot be read."""


class Refused(SystemExit):
    """Options or YAML that cannot be read; ends the program with code 2.

    No Exception, because jsonargparse would go on and try other types.

    Args:
        message: What is wrong and what there is instead.
    """

    def __init__(self, message: str) -> None:
        super().__init__(2)
        self.message = message
