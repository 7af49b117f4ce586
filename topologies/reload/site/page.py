"""What is served: change the text, and see it."""


def text() -> str:
    """Give the page."""
    return "hello\n"
