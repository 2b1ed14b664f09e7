"""The Python client: `Elastiq(url).classify(paths)` gives each file's result as it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from app.client.patience import PATIENCE_S
from app.client.remote import Remote
from app.client.run import Run


class Elastiq:
    """A web tier, as programs use it. Safe to share between threads.

    Args:
        url: its address, such as ``http://127.0.0.1:8000``.
        key: an API key, where it asks for one.
        patience_s: seconds for which to try again while it does not answer.
        say: is told in words, by whoever iterates, what is waited for, and when the web tier does not answer.

    Raises:
        ConfigurationError: ``url`` is no address.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        patience_s: float = PATIENCE_S,
        say: Callable[[str], object] = lambda text: None,
    ) -> None:
        self._url, self._key, self._patience_s, self._say = url, key, patience_s, say
        self._connect(say)

    def classify(self, paths: str | Path | Iterable[str | Path], *, resume: str = "", direct: bool = False) -> Run:
        """Return what the files become: iterate over it, with ``for`` or with ``async for``.

        One file that cannot be read or classified is a result, too, and costs the others nothing. To end early, stop
        iterating, or call `Run.close`.

        Args:
            paths: files, and folders, of which all images are taken; ``-`` is standard input.
            resume: the id or the address of a batch that some of the files were uploaded to before: what it has is not
                sent again, and its results are told like all others.
            direct: whether files go straight to the bucket, as long as the web tier and the bucket let them.

        Raises:
            Lost, ConfigurationError: from the iteration; the web tier cannot be reached, or refuses the upload.
        """
        named = [paths] if isinstance(paths, str | Path) else paths
        return Run(self._connect, named, self._say, resume.rstrip("/").rpartition("/")[2], direct=direct)

    def _connect(self, say: Callable[[str], object]) -> Remote:
        return Remote(self._url, self._patience_s, say, self._key)
