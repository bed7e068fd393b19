"""What docs/DOORS.md prints for a mail server in front of replyd, to be used to the letter."""

import pathlib

DOORS = pathlib.Path(__file__).resolve().parents[2] / "docs/DOORS.md"


def printed(begins):
    """The one code block of docs/DOORS.md whose text begins so, as printed there."""
    blocks = DOORS.read_text().split("```")[1::2]
    found = [block.split("\n", 1)[1] for block in blocks if block.split("\n", 1)[1].startswith(begins)]
    if len(found) != 1:
        raise AssertionError(f"docs/DOORS.md has {len(found)} blocks that begin with {begins!r}")
    return found[0].rstrip("\n")


def with_own(text, **places):
    """Only hosts, ports, paths and users may differ from what is printed; each must stand there."""
    for word, own in places.values():
        if word not in text:
            raise AssertionError(f"{word!r} is not in {text!r}")
        text = text.replace(word, own)
    return text


def printed_words(begins, ends="`"):
    """What stands in the running text."""
    text = DOORS.read_text()
    at = text.index(begins)
    return text[at : text.index(ends, at)]
