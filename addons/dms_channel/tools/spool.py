"""Files on their way into the inbox: kept on disk, hashed while they are read, never whole in memory. Free of Odoo."""

import hashlib
import tempfile
from pathlib import Path

from .feed_reader import CHUNK, Limits, too_large


class Spool:
    """What comes from a stream, in a temporary file that goes away with this object.

    :param stream: binary, read to its end a piece at a time
    :param Limits limits: what is larger than its ``file`` is refused before more of it is read
    """

    def __init__(self, stream, limits=None):
        """Raise :class:`.feed_columns.FeedError` where the stream holds more than the limit."""
        limits = limits or Limits()
        self._file = tempfile.NamedTemporaryFile(prefix="dms_feed_")  # noqa: SIM115 - lives as long as this object
        self.path = Path(self._file.name)
        self.size = 0
        while chunk := stream.read(CHUNK):
            self.size += len(chunk)
            if error := too_large(self.size, limits):
                self.close()
                raise error
            self._file.write(chunk)
        self._file.flush()

    def close(self):
        """Remove the file."""
        self._file.close()


def digest(content, algorithm="sha256"):
    """Answer the hash, in hex, of bytes or of the file at a path."""
    if isinstance(content, bytes):
        return hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
    found = hashlib.new(algorithm, usedforsecurity=False)
    with open(content, "rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()
