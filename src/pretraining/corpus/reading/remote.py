"""Files behind a URL, by fsspec: which there are, and how to open one."""

from __future__ import annotations

import glob
from typing import Any

from pretraining.corpus.reading.source_file import SourceError

PACKAGES = {
    "http": "aiohttp",
    "https": "aiohttp",
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "az": "adlfs",
    "oss": "ossfs",
    "hf": "huggingface_hub",
    "hdfs": "pyarrow",
    "sftp": "paramiko",
    "ssh": "paramiko",
    "smb": "smbprotocol",
    "gdrive": "gdrivefs",
    "webdav": "webdav4",
}
"""What has to be installed for a protocol."""


def is_url(path: str) -> bool:
    """Whether the path goes to fsspec."""
    return "://" in path


def is_on_this_machine(url: str) -> bool:
    """Whether the URL can be looked at without a network."""
    return url.partition("://")[0] in ("file", "local", "memory")


def require_protocol(url: str) -> None:
    """SourceError with the line to install when fsspec cannot open such a URL."""
    import fsspec

    protocol = url.partition("://")[0].rpartition("::")[2]
    try:
        fsspec.get_filesystem_class(protocol)
    except ImportError as error:
        package = PACKAGES.get(protocol, protocol)
        raise SourceError(
            f"{url} needs a package that is not installed: {package}", f"install it: pip install {package}"
        ) from error
    except ValueError as error:
        raise SourceError(f"{url}: fsspec knows no protocol {protocol!r}", "correct `path`") from error


def filesystem(url: str) -> tuple[Any, str]:
    """(fsspec file system, path in it) of a URL; SourceError as ``require_protocol``."""
    import fsspec

    require_protocol(url)
    return fsspec.core.url_to_fs(url)  # type: ignore[no-any-return]


def url_files(url: str, endings: tuple[str, ...]) -> tuple[str, list[tuple[str, str, int]]]:
    """The files that a URL names: a file, those of a folder with one of the ``endings``, or those that a glob matches.

    Returns:
        The root, and for each file (URL, path below the root, size in bytes; 1 where the server does not say it).

    Raises:
        SourceError: nothing is there, or the server cannot be reached.
    """
    fs, path = filesystem(url)
    web = url.startswith("http")  # a question mark is no pattern there
    try:
        if "*" in path if web else glob.has_magic(path):
            root = path
            while glob.has_magic(root):
                root = root.rpartition("/")[0]
            details = [info for info in fs.glob(path, detail=True).values() if info["type"] == "file"]
            missing = f"no file matches {url}"
        elif (info := fs.info(path))["type"] == "file":
            root, details, missing = path.rpartition("/")[0], [info], ""
        else:
            root = path.rstrip("/")
            found = fs.find(path, detail=True).values()
            details = [i for i in found if i["name"].lower().endswith(endings) and not _hidden(i["name"], root)]
            missing = f"no {' or '.join(endings)} file in {url}"
    except FileNotFoundError as error:
        raise SourceError(f"{url} does not exist", "correct `path`") from error
    except Exception as error:  # every file system has errors of its own
        raise SourceError(f"{url} cannot be listed: {type(error).__name__}: {error}", "correct `path`") from error
    if not details:
        raise SourceError(missing, "correct `path`")
    return root, [(fs.unstrip_protocol(i["name"]), _below(i["name"], root), _size(i)) for i in details]


def _below(path: str, root: str) -> str:
    return path[len(root) :].lstrip("/")


def _hidden(path: str, root: str) -> bool:
    return any(part.startswith(".") for part in _below(path, root).split("/"))


def _size(info: dict[str, Any]) -> int:
    size = info.get("size")
    return 1 if size is None else int(size)
