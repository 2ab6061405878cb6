"""Why a text is not what GS1 allows: one sentence for each reason, translated by who knows a language."""


def _lt(source):
    """Mark a sentence for translation; the caller who knows a language translates ``Gs1Error.source``."""
    return source


class Gs1Error(ValueError):
    """A text breaks a rule of GS1.

    ``source`` is the sentence with ``%(name)s`` marks, ``values`` fills them, ``ai`` is the application
    identifier that it speaks of, where it is known.
    """

    def __init__(self, source, ai=None, **values):
        self.source, self.ai, self.values = source, ai, values
        super().__init__(source)

    def __str__(self):
        sentence = self.source % self.values if self.values else self.source
        return f"({self.ai}): {sentence}" if self.ai else sentence


def shorten(text, length=40):
    """A text as it may stand in a sentence: printable and not long."""
    text = "".join(char if char.isprintable() else "·" for char in text[: length + 1])
    return text if len(text) <= length else f"{text[:length]}…"
