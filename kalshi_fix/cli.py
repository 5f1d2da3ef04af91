from kalshi_fix import __version__


def main() -> None:
    print(__version__)
