from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pretraining.corpus.sources import SourceFile
from pretraining.corpus.task import WorkFolder, cut_tasks


def file(number: int, size: int) -> SourceFile:
    return SourceFile("s", f"/data/{number}.txt", f"{number}.txt", size)


def test_tasks_end_when_they_are_full_and_files_stay_whole() -> None:
    files = [file(i, size) for i, size in enumerate([4, 4, 4, 100, 1])]
    assert [[f.size for f in task] for task in cut_tasks(files, 8)] == [[4, 4], [4, 100], [1]]


@given(st.lists(st.integers(0, 50), min_size=1), st.integers(1, 60))
def test_every_file_is_in_one_task_in_order(sizes: list[int], shard: int) -> None:
    files = [file(i, size) for i, size in enumerate(sizes)]
    tasks = cut_tasks(files, shard)
    assert [f for task in tasks for f in task] == files
    assert all(sum(f.size for f in task) >= shard for task in tasks[:-1])


def test_the_files_of_a_task_come_back(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path)
    work.open("a", "b")
    work.write_files(3, [file(1, 2)])
    assert work.read_files(3) == [file(1, 2)]


def test_only_what_was_made_for_other_values_is_thrown_away(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path)

    def reopened(measured: str, everything: str) -> set[str]:
        for folder in (work.measured, work.passes):
            folder.mkdir(exist_ok=True, parents=True)
            (folder / "old").touch()
        work.open(measured, everything)
        return {folder.name for folder in (work.measured, work.passes) if (folder / "old").exists()}

    assert reopened("m", "e") == set()
    assert reopened("m", "e") == {"measured", "passes"}
    assert reopened("m", "other thresholds") == {"measured"}
    assert reopened("other steps", "other steps") == set()
    work.open("m", "e")
    assert work.measured_from is None
    (work.measured / "complete").touch()
    assert work.measured_from == "m"
