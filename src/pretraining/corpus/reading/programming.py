"""Programming languages by the ending of a file's name, under the names that GitHub's linguist gives them."""

from __future__ import annotations

from pathlib import PurePosixPath

ENDINGS = {
    "Assembly": ".asm .s",
    "C": ".c .h",
    "C#": ".cs",
    "C++": ".cc .cpp .cxx .hpp .hh .hxx .cu .cuh",
    "CMake": ".cmake",
    "CSS": ".css .scss .less",
    "Clojure": ".clj .cljs",
    "Common Lisp": ".lisp .lsp",
    "Dart": ".dart",
    "Elixir": ".ex .exs",
    "Elm": ".elm",
    "Erlang": ".erl .hrl",
    "F#": ".fs .fsx",
    "Fortran": ".f .f77 .f90 .f95 .f03 .f08 .for",
    "Go": ".go",
    "Groovy": ".groovy .gradle",
    "HTML": ".html .htm",
    "Haskell": ".hs",
    "Java": ".java",
    "JavaScript": ".js .jsx .mjs .cjs",
    "Julia": ".jl",
    "Kotlin": ".kt .kts",
    "Lua": ".lua",
    "MATLAB": ".m",
    "Markdown": ".md .markdown",
    "Nix": ".nix",
    "OCaml": ".ml .mli",
    "PHP": ".php",
    "Pascal": ".pas .pp",
    "Perl": ".pl .pm",
    "PowerShell": ".ps1 .psm1",
    "Prolog": ".pro .prolog",
    "Protocol Buffer": ".proto",
    "Python": ".py .pyi .pyx",
    "R": ".r",
    "Racket": ".rkt",
    "Ruby": ".rb",
    "Rust": ".rs",
    "SQL": ".sql",
    "Scala": ".scala",
    "Scheme": ".scm .ss",
    "Shell": ".sh .bash .zsh",
    "Swift": ".swift",
    "SystemVerilog": ".sv .svh",
    "Tcl": ".tcl",
    "TeX": ".tex .sty .cls",
    "TypeScript": ".ts .tsx",
    "VHDL": ".vhd .vhdl",
    "Verilog": ".v",
    "Vim Script": ".vim",
    "Visual Basic .NET": ".vb",
    "Zig": ".zig",
    "reStructuredText": ".rst",
}
FILE_NAMES = {"dockerfile": "Dockerfile", "makefile": "Makefile", "gnumakefile": "Makefile", "cmakelists.txt": "CMake"}
_BY_ENDING = {ending: language for language, endings in ENDINGS.items() for ending in endings.split()}

LANGUAGES = sorted({*ENDINGS, *FILE_NAMES.values()})
"""All that are known."""

LICENSE_NAMES = ("license", "licence", "copying", "unlicense")
"""How the names of licence texts begin, in lower case."""


def programming_language(name: str) -> str | None:
    """The language of a file with this name (or path); None for anything that is not known as source code."""
    path = PurePosixPath(name.lower())
    return FILE_NAMES.get(path.name) or _BY_ENDING.get(path.suffix)


def is_license(name: str) -> bool:
    """Whether a file of this name (or path) holds a licence: ``LICENSE``, ``LICENSE.txt``, ``COPYING.LESSER``, ...

    Source code never does, whatever it is called (``license.py``).
    """
    path = PurePosixPath(name.lower())
    return path.name.startswith(LICENSE_NAMES) and path.suffix not in _BY_ENDING.keys() - {".md", ".rst"}
