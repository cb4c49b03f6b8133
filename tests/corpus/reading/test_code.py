from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from pretraining.corpus.reading.code import identify_license
from pretraining.corpus.reading.programming import is_license, programming_language
from pretraining.corpus.sources import SourceError

MIT = "MIT License\n\nPermission is hereby granted, free of charge, to any person\nobtaining a copy of this software"
APACHE = "                Apache License\n          Version 2.0, January 2004\n"
FILES = {
    "LICENSE": MIT,
    "main.py": "print('We the People')\n",
    "lib/COPYING": APACHE,
    "lib/deep/a.cpp": "int main() {}\n",
    "lib/deep/b.rs": "// SPDX-License-Identifier: GPL-2.0-only WITH x\nfn main() {}\n",
    "lib/c.c": "/* SPDX-License-Identifier: BSD-3-Clause */\nint x;\n",
    "Makefile": "all:\n",
    "README": "no code",
    "node_modules/x/index.js": "var x\n",
    ".git/hooks/a.py": "x\n",
    "data.bin": "x",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / name).write_text(text)
    (tmp_path / "project/broken.py").write_bytes(b"\x7fELF\0\0")
    return tmp_path / "project"


def told(result: object) -> dict[str, tuple[str, str]]:
    return {d.file: (d.fields["programming_language"], d.fields.get("license")) for d in result.docs}  # type: ignore[attr-defined]


EXPECTED = {
    "Makefile": ("Makefile", "MIT"),
    "lib/c.c": ("C", "BSD-3-Clause"),
    "lib/deep/a.cpp": ("C++", "Apache-2.0"),
    "lib/deep/b.rs": ("Rust", "GPL-2.0-only WITH x"),
    "main.py": ("Python", "MIT"),
}


def test_a_folder(project: Path, read: Callable) -> None:
    result = read(type="code", path="project")
    assert told(result) == EXPECTED
    assert result.texts["s/main.py"] == FILES["main.py"]
    assert [(u.file, u.reason) for u in result.lost] == [("broken.py", "binary")]


def test_a_zip_and_a_url(project: Path, read: Callable) -> None:
    with zipfile.ZipFile(project.parent / "a.zip", "w") as archive:
        for name, text in FILES.items():
            archive.writestr(f"p-1.0/{name}", text)
            with fsspec.open(f"memory://code/{name}", "w") as file:
                file.write(text)
    assert told(read(type="code", path="a.zip")) == {f"a.zip!p-1.0/{k}": v for k, v in EXPECTED.items()}
    assert told(read(type="code", path="memory://code")) == EXPECTED


def test_a_glob_sees_the_licences_beside(project: Path, read: Callable) -> None:
    assert told(read(type="code", path="project/**/*.cpp")) == {"lib/deep/a.cpp": ("C++", "Apache-2.0")}


def test_chosen_languages_and_folders(project: Path, read: Callable) -> None:
    result = read(type="code", path="project", programming_languages=["JavaScript", "Rust"], skip_folders=["deep"])
    assert list(told(result)) == ["node_modules/x/index.js"]
    with pytest.raises(SourceError, match="no Zig in"):
        read(type="code", path="project", programming_languages=["Zig"])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (MIT, "MIT"),
        (APACHE, "Apache-2.0"),
        ("GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007", "GPL-3.0"),
        ("GNU LESSER GENERAL PUBLIC LICENSE\n Version 2.1, February 1999", "LGPL-2.1"),
        ("Redistribution and use in source and binary forms ... provided", "BSD-2-Clause"),
        ("Redistribution and use in source and binary forms ... Neither the name of", "BSD-3-Clause"),
        ("All rights reserved.", None),
    ],
)
def test_licence_texts(text: str, name: str | None) -> None:
    assert identify_license(text) == name


def test_names() -> None:
    assert programming_language("a/B.PY") == "Python" and programming_language("a/notes.txt") is None
    assert is_license("a/LICENSE.txt") and is_license("COPYING.LESSER") and not is_license("license.py")
