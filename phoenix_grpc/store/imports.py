"""Imports without what a server has no use for."""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def unimportable(*names: str) -> Iterator[None]:
    """Modules that were not imported before look as if they were not installed, until the block ends."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # None means: not to be imported
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
