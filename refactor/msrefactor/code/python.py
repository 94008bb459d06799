"""What Python source starts, loads, reads and imports at run time.

Source is cut into statements; only those that mention something of interest are parsed, with libcst. A name
is followed through the file: to its imports, to what is assigned to it, and from a parameter to the calls of
its function. What stays open is reported as unknown at the place that uses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from msrefactor.code.needs import (
    CONTEXT_MARK,
    FOREIGN_ENDINGS,
    MAX_SOURCE,
    CodeNeeds,
    Findings,
    SourceReader,
    excerpt,
    merged_needs,
)
from msrefactor.code.python_project import PackageMetadata, read_setup
from msrefactor.code.python_values import (
    SAME_PYTHON,
    UNKNOWN,
    Source,
    Value,
    Values,
    platform_truth,
    walk,
)
from msrefactor.code.shell import Start, arguments_of, started_by, starts_in
from msrefactor.code.statements import Statement, statements
from msrefactor.model import Evidence

if TYPE_CHECKING:
    import libcst as cst

__all__ = ["PackageMetadata", "python_needs", "python_needs_of", "read_setup"]

SKIPPED_DIRECTORIES = frozenset(
    {
        ".git", ".hg", ".tox", ".nox", ".venv", "venv", "virtualenv", "__pycache__", "site-packages",
        "node_modules", "tests", "test", "testing", ".eggs", ".mypy_cache", ".pytest_cache",
    }
)  # fmt: skip
"""Directories whose Python files the application doesn't run."""

_SKIPPED_FILES = frozenset({"setup.py", "conftest.py", "noxfile.py", "docs/conf.py", "doc/conf.py"})


@dataclass(frozen=True, slots=True)
class _Sink:
    """A function that starts, loads or opens what one of its arguments says."""

    kind: str
    index: int = 0
    keyword: str = ""


def _sinks(kind: str, index: int, keyword: str, names: str) -> dict[str, _Sink]:
    return {name: _Sink(kind, index, keyword) for name in names.split()}


_SUBPROCESS = "run call check_call check_output Popen"
_SINKS: Mapping[str, _Sink] = MappingProxyType(
    {
        **{
            f"{module}.{name}": _Sink("line", 0, "args")
            for module in (
                "subprocess",
                "subprocess32",
                "gevent.subprocess",
                "eventlet.green.subprocess",
                "psutil",
            )
            for name in _SUBPROCESS.split()
        },
        **_sinks(
            "shell",
            0,
            "cmd",
            "subprocess.getoutput subprocess.getstatusoutput asyncio.create_subprocess_shell",
        ),
        **_sinks("shell", 0, "command", "os.system os.popen commands.getoutput commands.getstatusoutput"),
        **_sinks(
            "words", 0, "program", "asyncio.create_subprocess_exec asyncio.subprocess.create_subprocess_exec"
        ),
        **_sinks("words", 0, "file", "os.execl os.execle os.execlp os.execlpe"),
        **_sinks("words", 1, "file", "os.spawnl os.spawnle os.spawnlp os.spawnlpe"),
        **_sinks(
            "program", 0, "path", "os.execv os.execve os.execvp os.execvpe os.posix_spawn os.posix_spawnp"
        ),
        **_sinks("program", 1, "path", "os.spawnv os.spawnve os.spawnvp os.spawnvpe"),
        **_sinks("line", 0, "argv", "pty.spawn distutils.spawn.spawn"),
        **_sinks(
            "line", 0, "command", "anyio.run_process anyio.open_process trio.run_process trio.open_process"
        ),
        **_sinks("line", 0, "command", "pexpect.spawn pexpect.spawnu pexpect.run pexpect.runu delegator.run"),
        **_sinks(
            "line", 0, "command", "pexpect.popen_spawn.PopenSpawn sarge.run sarge.capture_stdout invoke.run"
        ),
        **_sinks("line", 0, "cmd", "easyprocess.EasyProcess tornado.process.Subprocess"),
        **_sinks("line", 0, "args", "subprocess.Popen.run subprocess.Popen.call"),
        **_sinks("which", 0, "cmd", "shutil.which distutils.spawn.find_executable"),
        **_sinks("program", 0, "cmd", "sh.Command"),
        **_sinks("library", 0, "name", "ctypes.CDLL ctypes.PyDLL"),
        **_sinks(
            "library", 0, "name", "ctypes.cdll.LoadLibrary ctypes.pydll.LoadLibrary ctypes.LibraryLoader"
        ),
        **_sinks("find_library", 0, "name", "ctypes.util.find_library"),
        **_sinks(
            "open",
            0,
            "file",
            "open io.open codecs.open gzip.open bz2.open lzma.open aiofiles.open builtins.open",
        ),
        **_sinks(
            "open", 0, "file", "os.open os.listdir os.scandir os.walk glob.glob glob.iglob zipfile.ZipFile"
        ),
        **_sinks("open", 0, "name", "tarfile.open linecache.getlines"),
    }
)
"""What starts a program: `line` a list or a text, `words` the arguments themselves, `program` one name,
`shell` a text for a shell. What loads a library, what opens a file."""

_METHOD_SINKS: Mapping[str, _Sink] = MappingProxyType(
    {
        "subprocess_exec": _Sink("words", 1, "program"),
        "subprocess_shell": _Sink("shell", 1, "cmd"),
        "create_subprocess_exec": _Sink("words", 0, "program"),
        "create_subprocess_shell": _Sink("shell", 0, "cmd"),
        "spawnProcess": _Sink("program", 1, "executable"),
        "dlopen": _Sink("library", 0, "name"),
        "LoadLibrary": _Sink("library", 0, "name"),
    }
)
"""Methods that are told by their name, whatever object has them."""

_PATH_METHODS: Mapping[str, _Sink] = MappingProxyType(
    {
        name: _Sink("path", index, keyword)
        for name, index, keyword in (
            ("send_from_directory", 0, "directory"), ("FileSystemLoader", 0, "searchpath"),
            ("StaticFiles", 0, "directory"), ("Jinja2Templates", 0, "directory"),
            ("load_dotenv", 0, "dotenv_path"), ("fileConfig", 0, "fname"), ("send_file", 0, "path"),
            ("read_csv", 0, "filepath_or_buffer"), ("read_excel", 0, "io"), ("read_parquet", 0, "path"),
            ("imread", 0, "filename"), ("load_workbook", 0, "filename"),
            ("load_cert_chain", 0, "certfile"), ("load_verify_locations", 0, "cafile"),
        )
    }
)  # fmt: skip
"""Functions of common libraries that read a file; a computed path says nothing about them."""

_READING_METHODS = frozenset(
    {"open", "read_text", "read_bytes", "iterdir", "glob", "rglob", "exists", "is_file", "is_dir", "stat"}
)
_WRITING_METHODS = frozenset(
    {"write_text", "write_bytes", "mkdir", "touch", "unlink", "rmdir", "rename", "chmod"}
)
_PROGRAM_NAMESPACES = frozenset({"sh", "plumbum.cmd", "plumbum.local", "plumbum.machines.local"})
"""What has programs as its attributes or keys."""

_TEMPORARY = "/" + "tmp"
_OF_INTEREST = (
    "import_module", "__import__",
    "subprocess", "system", "popen", "exec", "spawn", "which", "find_executable", "CDLL", "LoadLibrary",
    "WinDLL", "find_library", "dlopen", "pexpect", "plumbum", "import sh", "from sh", "open(", "open (",
    "Path(", "listdir", "scandir", "os.walk", "glob", "anyio", "trio", "delegator", "sarge", "invoke",
    "EasyProcess", "PyDLL", "tempfile", _TEMPORARY, "ZipFile", "getoutput", "psutil", "path.join",
    "read_", "write_", "mkdir", *_PATH_METHODS,
)  # fmt: skip
"""A file with none of these has nothing but imports to tell."""


def python_needs(path: str, text: str) -> CodeNeeds | None:
    """Return what one Python file uses, None when it can't be cut into statements."""
    module = _Module.read(path, text)
    if module is None:
        return None
    module.read_imports()
    module.process_classes()
    return module.needs()


def python_needs_of(context: SourceReader, files: Iterable[str]) -> CodeNeeds:
    """Return what the Python files among `files` use, without tests, virtual environments and huge files.

    The files count as the whole program: what a function passes on is looked up in all of them.
    """
    found: list[CodeNeeds] = []
    modules: list[_Module] = []
    for path in files:
        if not path.endswith((".py", ".pyw")) or is_skipped(path):
            continue
        text = context.read_text(path)
        if text is None or len(text) > MAX_SOURCE:
            continue
        module = _Module.read(path, text)
        if module is not None:
            module.read_imports()
            modules.append(module)
        elif _is_of_interest(text):
            found.append(CodeNeeds(unknown_commands=(Evidence(path, None, "is not understood"),)))
    classes = frozenset(name for module in modules for name in module.process_classes())
    for module in modules:
        module.adopt(classes)
    world = _World(tuple(modules), is_whole=True)
    for module in modules:
        module.world = world
    found.extend(module.needs() for module in modules)
    return merged_needs(found)


def is_skipped(path: str) -> bool:
    """Whether a Python file is no part of what the application runs."""
    parts = path.split("/")
    if SKIPPED_DIRECTORIES.intersection(parts[:-1]) or path in _SKIPPED_FILES:
        return True
    return (
        parts[-1].startswith("test_")
        or parts[-1].endswith("_test.py")
        or parts[-1] in {"conftest.py", "tests.py"}
    )


def _is_of_interest(text: str) -> bool:
    return any(word in text for word in _OF_INTEREST)


@dataclass(frozen=True, slots=True)
class _Callers:
    """The calls of one function in one file."""

    calls: tuple[tuple[int, cst.Call], ...] = ()
    is_complete: bool = True
    """False when the function is mentioned in another way, or something else may be meant."""


@dataclass(slots=True)
class _World:
    """The files that can call each other's functions."""

    modules: tuple[_Module, ...]
    is_whole: bool
    """Whether these are all files of the program."""
    effort: int = 20_000
    """How many more calls may be looked into; past that, what they pass is unknown."""
    depth: int = 0
    """How many files deep a constant is being looked up."""
    resolving: set[tuple[str, int, str]] = field(default_factory=set)
    """The parameters that are being looked up: file, function, name."""


class _Module:
    """One file while it is read."""

    def __init__(self, path: str, cut: tuple[Statement, ...], text: str) -> None:
        self.findings = Findings(path)
        self.text = text
        self.source = Source(path, cut, {}, resolve_parameter=self.given, resolve_import=self.elsewhere)
        self.imported: dict[int, tuple[tuple[str, str], ...]] = {}
        self.callers: dict[str, _Callers] = {}
        self.world = _World((self,), is_whole=False)
        self.known_parameters: dict[tuple[int, str], Values | None] = {}
        self.skipped: dict[int, bool] = {-1: False}
        self.is_forced = False
        self._mentioned: frozenset[str] | None = None

    @staticmethod
    def read(path: str, text: str) -> _Module | None:
        cut = statements(text) if len(text) <= MAX_SOURCE else None
        return _Module(path, cut, text) if cut is not None else None

    def needs(self) -> CodeNeeds:
        if self.is_forced or _is_of_interest(self.text):
            pattern = self.pattern()
            for index, statement in enumerate(self.source.statements):
                if pattern.search(statement.text) and not self.is_skipped(index):
                    self.read_statement(index)
        return self.findings.needs()

    # Imports

    def read_imports(self) -> None:
        stars: list[str] = []
        for index, statement in enumerate(self.source.statements):
            for module, name, local in _imports(statement):
                if name == "*":
                    stars.append(module)
                elif local:
                    self.source.aliases.setdefault(local, f"{module}.{name}" if name else module)
                if not module.startswith(".") and not self.is_type_checking(index):
                    self.findings.imports.add(module.partition(".")[0])
                self.read_program_import(index, module, name)
        self.source.stars = tuple(stars)
        for module in stars:
            for dotted in _SINKS:
                owner, _, last = dotted.rpartition(".")
                if owner == module:
                    self.source.aliases.setdefault(last, dotted)
        if "tempfile" in self.findings.imports:
            self.findings.writes_temp = True

    def process_classes(self) -> tuple[str, ...]:
        """Return the file's own classes that start a program when they are called."""
        found: list[str] = []
        if "Popen" not in self.text:
            return ()
        for statement in self.source.statements:
            if statement.keyword != "class":
                continue
            name, _, rest = statement.text[5:].partition("(")
            bases = [base.strip() for base in rest.partition(")")[0].split(",")]
            for base in bases:
                first, dot, last = base.partition(".")
                dotted = self.source.aliases.get(first, first) + dot + last
                if dotted in {"subprocess.Popen", "psutil.Popen"}:
                    found.append(name.strip())
                    self.source.aliases[name.strip()] = dotted
        return tuple(found)

    def adopt(self, classes: frozenset[str]) -> None:
        """Take imports of other files' process classes for what they are."""
        for local, dotted in self.source.aliases.items():
            if dotted.rpartition(".")[2] in classes and dotted not in _SINKS:
                self.source.aliases[local] = "subprocess.Popen"
                self.is_forced = True

    def read_program_import(self, index: int, module: str, name: str) -> None:
        """`from sh import git`, `from plumbum.cmd import ls`: the name is a program."""
        if module in {"sh", "plumbum.cmd"} and name and name != "*":
            if module == "sh" and (name[0].isupper() or name in {"contrib", "pushd", "bake"}):
                return
            self.findings.commands.append((name.replace("_", "-"), self.place(index)))

    def is_type_checking(self, index: int) -> bool:
        block = self.source.statements[index].block
        while block >= 0:
            header = self.source.statements[block]
            if header.keyword == "if" and "TYPE_CHECKING" in header.text and " not " not in header.text:
                return True
            block = header.block
        return False

    # Which statements

    def pattern(self) -> re.Pattern[str]:
        """Return what a statement of interest mentions in this file."""
        words = {"open", "__import__", "import_module", "Path", "PurePath", *_METHOD_SINKS, *_PATH_METHODS}
        words.update(_READING_METHODS, _WRITING_METHODS)
        members: dict[str, set[str]] = {}
        for local, dotted in self.source.aliases.items():
            if dotted in _SINKS or dotted in _PROGRAM_NAMESPACES:
                words.add(local)
            for known in (*_SINKS, *_PROGRAM_NAMESPACES, "pathlib.Path", "os.path.join"):
                if known.startswith(dotted + "."):
                    rest = known.removeprefix(dotted + ".")
                    members.setdefault(local, set()).add(re.escape(rest) + r"\b")
        parts = [
            rf"{re.escape(local)}\s*\.\s*(?:{'|'.join(sorted(found))})" for local, found in members.items()
        ]
        parts.append(rf"(?:{'|'.join(sorted(re.escape(word) for word in words))})\b")
        return re.compile(rf"\b(?:{'|'.join(parts)})|{_TEMPORARY}\b")

    def is_skipped(self, index: int) -> bool:
        """Whether the statement stands under a test for another operating system."""
        block = self.source.statements[index].block
        if block not in self.skipped:
            self.skipped[block] = self.is_skipped(block) or self.is_other_system(block)
        return self.skipped[block]

    def is_other_system(self, index: int) -> bool:
        import libcst as cst

        header = self.source.statements[index]
        if header.keyword in {"if", "elif"} and _mentions_platform(header.text):
            node = self.source.parsed(index)
            tests = [one.test for one in walk(node) if isinstance(one, cst.If)] if node is not None else []
            return bool(tests) and platform_truth(self.source, tests[0]) is False
        if header.keyword == "else":
            # Only what directly follows `if` of the same block can be decided.
            for before in range(index - 1, -1, -1):
                other = self.source.statements[before]
                if other.block == header.block:
                    if other.keyword != "if" or not _mentions_platform(other.text):
                        return False
                    node = self.source.parsed(before)
                    tests = (
                        [one.test for one in walk(node) if isinstance(one, cst.If)]
                        if node is not None
                        else []
                    )
                    return bool(tests) and platform_truth(self.source, tests[0]) is True
        return False

    # One statement

    def place(self, index: int) -> Evidence:
        statement = self.source.statements[index]
        return Evidence(self.findings.path, statement.line, excerpt(statement.text))

    def read_statement(self, index: int) -> None:
        import libcst as cst

        statement = self.source.statements[index]
        if statement.text.startswith(("import ", "from ")):
            return
        if statement.text.startswith(("'", '"')) and statement.weight <= 8:
            return  # a docstring
        if _TEMPORARY in statement.text:
            self.findings.writes_temp = True
        node = self.source.parsed(index)
        if node is None:
            self.unparsed(index)
            return
        reported: set[int] = set()
        for one in walk(node):
            if isinstance(one, cst.Call):
                self.read_call(index, one, reported)
                for position, argument in enumerate(one.args):
                    self.read_passed_function(index, one, position, argument.value)
            elif isinstance(one, cst.Subscript):
                self.read_local_program(index, one)
            elif isinstance(one, cst.BinaryOperation) and isinstance(one.operator, cst.Divide):
                self.read_path_expression(index, one, reported)

    def unparsed(self, index: int) -> None:
        """Leave unknown what a statement mentions that libcst doesn't take."""
        text = self.source.statements[index].text
        place = self.place(index)
        if re.search(r"\b(?:subprocess|system|popen|Popen|exec\w*|spawn\w*)\s*\(|\bsubprocess\.", text):
            self.findings.unknown_commands.append(place)
        if re.search(r"\b(?:CDLL|LoadLibrary|dlopen)\b", text):
            self.findings.unknown_libraries.append(place)
        if re.search(r"\bopen\s*\(", text):
            self.findings.unknown_paths.append(place)

    def sink_of(self, func: cst.CSTNode) -> _Sink | None:
        import libcst as cst

        dotted = self.source.dotted(func)
        if dotted is not None and dotted in _SINKS:
            return _SINKS[dotted]
        name = func.attr.value if isinstance(func, cst.Attribute) else (dotted or "").rpartition(".")[2]
        if isinstance(func, cst.Attribute) and name in _METHOD_SINKS:
            return _METHOD_SINKS[name]
        return _PATH_METHODS.get(name)

    def read_call(self, index: int, call: cst.Call, reported: set[int]) -> None:
        import libcst as cst

        scope = self.source.own_scope(index)
        sink = self.sink_of(call.func)
        if sink is not None:
            argument = _argument(call, sink)
            if argument is None:
                if call.args and sink.kind not in {"path", "open", "which", "library"}:
                    self.findings.unknown_commands.append(self.place(index))
                return
            self.use(index, sink, call, self.source.values(argument, scope))
            if sink.kind in {"open", "path"}:
                reported.update(id(one) for one in walk(argument))
            return
        dotted = self.source.dotted(call.func) or ""
        if dotted in {"importlib.import_module", "__import__", "builtins.__import__"}:
            self.read_dynamic_import(index, call)
            return
        owner, _, last = dotted.rpartition(".")
        if (
            owner in {"sh", "plumbum.cmd"}
            and last[:1].islower()
            and owner.partition(".")[0] in self.imported_modules
        ):
            if last not in {"bake", "pushd"}:
                self.findings.commands.append((last.replace("_", "-"), self.place(index)))
            return
        if (
            isinstance(call.func, cst.Attribute)
            and call.func.attr.value in _READING_METHODS | _WRITING_METHODS
        ):
            self.read_path_method(index, call, call.func, reported)
        elif dotted.startswith(("pathlib.P", "os.path.join")):
            self.read_path_expression(index, call, reported)

    def read_dynamic_import(self, index: int, call: cst.Call) -> None:
        values = (
            self.source.values(call.args[0].value, self.source.own_scope(index)) if call.args else (UNKNOWN,)
        )
        for value in values:
            if not isinstance(value, str) or value.startswith(UNKNOWN):
                self.findings.unknown_imports.append(self.place(index))
            elif not value.startswith("."):
                top, _, _ = value.partition(".")
                if UNKNOWN in top:
                    self.findings.unknown_imports.append(self.place(index))
                else:
                    self.findings.imports.add(top)

    @property
    def imported_modules(self) -> frozenset[str]:
        return frozenset(self.findings.imports)

    def read_local_program(self, index: int, node: cst.Subscript) -> None:
        """`plumbum.local["git"]`."""
        import libcst as cst

        if self.source.dotted(node.value) not in {"plumbum.local", "plumbum.machines.local"}:
            return
        for element in node.slice:
            if isinstance(element.slice, cst.Index):
                values = self.source.values(element.slice.value, self.source.own_scope(index))
                self.use(index, _Sink("program"), None, values)

    def read_passed_function(self, index: int, call: cst.Call, position: int, node: cst.CSTNode) -> None:
        """`run_in_executor(None, subprocess.run, ["x"])`: the next arguments are its own."""
        import libcst as cst

        if not isinstance(node, cst.Attribute | cst.Name):
            return
        sink = _SINKS.get(self.source.dotted(node) or "")
        if sink is None or sink.kind in {"open", "path", "which"}:
            return
        following = call.args[position + 1 + sink.index :]
        if following and following[0].keyword is None and not following[0].star:
            values = self.source.values(following[0].value, self.source.own_scope(index))
            self.use(index, sink, None, values)
        else:
            self.findings.unknown_commands.append(self.place(index))

    def use(self, index: int, sink: _Sink, call: cst.Call | None, values: Values) -> None:
        """Record what a sink does with each value."""
        place = self.place(index)
        if sink.kind in {"library", "find_library"}:
            self.use_library(place, sink, call, values)
        elif sink.kind in {"open", "path"}:
            mode = _mode(call) if call is not None else "r"
            for value in values:
                self.use_path(
                    place, value, is_written=bool(mode[:1] in {"w", "a", "x"}), is_hint=sink.kind == "path"
                )
        elif sink.kind == "which":
            for value in values:
                if isinstance(value, str) and UNKNOWN not in value and value:
                    self.findings.commands.append((value, place))
        else:
            if sink.kind == "shell" or (call is not None and _is_true(call, "shell")):
                self.findings.commands.append(("/bin/sh", place))
            if sink.kind == "words" and call is not None:
                values = self.words(index, sink, call, values)
            for value in values:
                self.use_command(place, sink, value)

    def words(self, index: int, sink: _Sink, call: cst.Call, first: Values) -> Values:
        rest: list[str] = []
        for argument in [one for one in call.args if one.keyword is None][sink.index + 1 :]:
            values = self.source.values(argument.value, self.source.own_scope(index))
            value = values[0] if len(values) == 1 else UNKNOWN
            rest.append(value if isinstance(value, str) and not argument.star else UNKNOWN)
        if sink.keyword == "file" and rest:
            rest.pop(0)  # exec's own name for the program
        return tuple((*(value if isinstance(value, tuple) else (value,)), *rest) for value in first)

    def use_library(self, place: Evidence, sink: _Sink, call: cst.Call | None, values: Values) -> None:
        import libcst as cst

        first = call.args[0].value if call is not None and call.args else None
        if isinstance(first, cst.Name) and first.value == "None":
            return  # the program itself
        if isinstance(first, cst.Call) and self.source.dotted(first.func) == "ctypes.util.find_library":
            return  # told by that call
        for value in values:
            if isinstance(value, str) and UNKNOWN not in value:
                if value and not value.endswith(FOREIGN_ENDINGS):
                    self.findings.libraries.append((value, place))
            elif sink.kind == "library" or UNKNOWN in value:
                self.findings.unknown_libraries.append(place)

    def use_path(self, place: Evidence, value: Value, *, is_written: bool, is_hint: bool) -> None:
        if isinstance(value, tuple):
            for element in value:
                self.use_path(place, element, is_written=is_written, is_hint=is_hint)
            return
        known = value.partition(UNKNOWN)[0]
        if known != value:
            known = known[: known.rfind("/") + 1]
            if known in {"", "/", "./", CONTEXT_MARK} or known == CONTEXT_MARK + "./":
                if not is_hint and not is_written:
                    self.findings.unknown_paths.append(place)
                return
        if not known or "\n" in known or "://" in known or known in {"-", "."} or len(known) > 500:
            return
        if known in {CONTEXT_MARK + self.findings.path, CONTEXT_MARK + "."}:
            return
        (self.findings.written if is_written else self.findings.paths).append((known, place))

    def use_command(self, place: Evidence, sink: _Sink, value: Value) -> None:
        starts: Iterable[Start] | None
        if isinstance(value, tuple):
            starts = started_by(arguments_of(None if UNKNOWN in word else word for word in value))
            if not value:
                self.findings.unknown_commands.append(place)
        elif value == UNKNOWN:
            starts = (Start("unknown", ""),)
        elif sink.kind in {"program", "words"}:
            starts = started_by(arguments_of([None if UNKNOWN in value else value]))
        else:
            starts = starts_in(value.replace(UNKNOWN, "${_}"))
            if starts is None:
                first = value.split()[0] if value.split() else UNKNOWN
                is_plain = bool(re.fullmatch(r"[\w./+-]+", first))
                starts = (Start("program", first),) if is_plain else ()
                starts = (*starts, Start("unknown", value))
        for start in starts:
            self.use_start(place, start)

    def use_start(self, place: Evidence, start: Start) -> None:
        if start.kind == "module":
            self.findings.imports.add(start.name.partition(".")[0])
            if start.name in {"pip", "venv", "ensurepip"}:
                self.findings.commands.append((start.name, place))
        elif start.kind in {"script", "source"}:
            self.use_path(place, start.name, is_written=False, is_hint=True)
        elif start.kind == "program" and not start.is_relative_to_script:
            if start.name != SAME_PYTHON and start.name and not start.name.endswith(FOREIGN_ENDINGS):
                self.findings.commands.append((start.name, place))
        else:
            self.findings.unknown_commands.append(place)

    # Paths

    def read_path_method(self, index: int, call: cst.Call, func: cst.Attribute, reported: set[int]) -> None:
        """`Path("x").read_text()`, `CONFIG.open()`."""
        values = self.source.values(func.value, self.source.own_scope(index))
        is_written = func.attr.value in _WRITING_METHODS
        if func.attr.value == "open":
            mode = call.args[0].value if call.args else None
            text = self.source.values(mode, -1)[0] if mode is not None else "r"
            is_written = isinstance(text, str) and text[:1] in {"w", "a", "x"}
        reported.update(id(one) for one in walk(func.value))
        for value in values:
            self.use_path(self.place(index), value, is_written=is_written, is_hint=True)

    def read_path_expression(self, index: int, node: cst.BaseExpression, reported: set[int]) -> None:
        """`Path("x") / "y"`, `os.path.join(HERE, "x")`: a path that is made, whatever is done with it."""
        if id(node) in reported:
            return
        reported.update(id(one) for one in walk(node))
        if not _has_text(node):
            return
        for value in self.source.values(node, self.source.own_scope(index)):
            if isinstance(value, str) and not value.startswith(UNKNOWN):
                self.use_path(self.place(index), value, is_written=False, is_hint=True)

    @property
    def mentioned(self) -> frozenset[str]:
        """Every name that the text mentions."""
        if self._mentioned is None:
            self._mentioned = frozenset(re.findall(r"[^\W\d]\w*", self.text))
        return self._mentioned

    # Parameters

    def given(self, function: int, name: str, position: int) -> Values | None:
        """Return what the calls of a function pass for a parameter, None when nothing is known.

        `UNKNOWN` is among the values when there may be calls that can't be seen.
        """
        key = (function, name)
        resolving = self.world.resolving
        place = (self.source.path, function, name)
        if place in resolving:
            return ()  # the function calls itself with what it was given
        if key not in self.known_parameters:
            if len(resolving) > 4 or self.world.effort <= 0:
                return None
            resolving.add(place)
            try:
                values = self.passed(function, name, position)
            finally:
                resolving.discard(place)
            if resolving:
                return values
            self.known_parameters[key] = values
        return self.known_parameters[key]

    def passed(self, function: int, name: str, position: int) -> Values | None:
        import libcst as cst

        node = self.source.parsed(function)
        definition = (
            next((one for one in walk(node) if isinstance(one, cst.FunctionDef)), None) if node else None
        )
        if definition is None:
            return None
        called = definition.name.value
        is_method = self.is_method(function)
        is_private = called.startswith("_") and not called.endswith("__")
        is_complete = (self.world.is_whole or is_private) and not self.is_registered(function)
        found: list[Value] = []
        for module in self.world.modules:
            if called not in module.mentioned:
                continue
            callers = module.callers_of(called, self, is_method=is_method)
            is_complete = is_complete and callers.is_complete
            for index, call in callers.calls:
                self.world.effort -= 1
                argument = _passed(call, name, position - is_method)
                if argument is not None and self.world.effort > 0:
                    found.extend(module.source.values(argument, module.source.own_scope(index)))
                elif argument is not None or not _omits(call, definition, name):
                    found.append(UNKNOWN)
        if not is_complete:
            found.append(UNKNOWN)
        return tuple(dict.fromkeys(found)) or None

    def elsewhere(self, dotted: str) -> Values | None:
        """Return what another file binds at its top to the last part of a dotted name."""
        home, _, last = dotted.rpartition(".")
        if not home or not self.world.is_whole or self.world.depth > 6 or self.world.effort <= 0:
            return None
        module = home.rpartition(".")[2]
        is_settings = home == "django.conf.settings"
        found: list[Value] = []
        self.world.depth += 1
        try:
            for other in self.world.modules:
                is_home = other.module_name == module or (is_settings and "settings" in other.source.path)
                if not is_home or other is self or last not in other.mentioned:
                    continue
                self.world.effort -= 1
                if any(binding.scope < 0 for binding in other.source.bindings(last)):
                    found.extend(other.source.constant(last))
        finally:
            self.world.depth -= 1
        return tuple(dict.fromkeys(found)) or None

    def is_method(self, function: int) -> bool:
        scope = self.source.statements[function].scope
        if scope < 0 or self.source.statements[scope].keyword != "class":
            return False
        return "@staticmethod" not in self.decorators(function)

    def decorators(self, function: int) -> list[str]:
        found: list[str] = []
        at = function - 1
        while at >= 0 and self.source.statements[at].text.startswith("@"):
            found.append(self.source.statements[at].text)
            at -= 1
        return found

    def is_registered(self, function: int) -> bool:
        """Whether a decorator may hand the function to a framework that calls it."""
        return any(not text[1:].startswith(_PLAIN_DECORATORS) for text in self.decorators(function))

    def callers_of(self, called: str, owner: _Module, *, is_method: bool) -> _Callers:
        """Return the calls in this file of a function that `owner` defines."""
        key = f"{called} {owner.source.path} {is_method}"
        if key not in self.callers:
            calls: list[tuple[int, cst.Call]] = []
            is_complete = True
            word = re.compile(rf"\b{re.escape(called)}\b")
            definition = re.compile(
                rf"(?:async\s+)?def\s+{re.escape(called)}\b|import\b|from\b|__all__\b|['\"]"
            )
            for index, statement in enumerate(self.source.statements):
                if not word.search(statement.text) or definition.match(statement.text):
                    continue
                node = self.source.parsed(index)
                if node is None:
                    is_complete = False
                    continue
                here, is_plain = self.calls_in(node, called, owner, is_method=is_method)
                calls.extend((index, call) for call in here)
                is_complete = is_complete and is_plain
            self.callers[key] = _Callers(tuple(calls), is_complete)
        return self.callers[key]

    def calls_in(
        self, node: cst.CSTNode, called: str, owner: _Module, *, is_method: bool
    ) -> tuple[list[cst.Call], bool]:
        """Return the calls, and whether nothing else mentions the name."""
        import libcst as cst

        found: list[cst.Call] = []
        functions: set[int] = set()
        is_plain = True
        for one in walk(node):
            if isinstance(one, cst.Call):
                func = one.func
                last = func.attr if isinstance(func, cst.Attribute) else func
                if isinstance(last, cst.Name) and last.value == called:
                    functions.update((id(last), id(func)))
                    meant = self.means(func, called, owner, is_method=is_method)
                    if meant:
                        found.append(one)
                    elif meant is None:
                        is_plain = False
            elif isinstance(one, cst.Arg) and one.keyword is not None:
                functions.add(id(one.keyword))
            elif isinstance(one, cst.Param):
                functions.add(id(one.name))
            elif isinstance(one, cst.Name) and one.value == called and id(one) not in functions:
                is_plain = False
        return found, is_plain

    def means(self, func: cst.CSTNode, called: str, owner: _Module, *, is_method: bool) -> bool | None:
        """Whether a call is one of the owner's function; None when that can't be told."""
        import libcst as cst

        if self is owner:
            if isinstance(func, cst.Name):
                return not is_method
            is_own = isinstance(func, cst.Attribute) and isinstance(func.value, cst.Name)
            if is_method or not is_own:
                return True if is_method else None
            return None if self.source.dotted(func) == f"self.{called}" else False
        dotted = self.source.dotted(func)
        if dotted is None or is_method:
            return None
        home, _, last = dotted.rpartition(".")
        if last != called:
            return None
        if isinstance(func, cst.Name):
            if func.value not in self.source.aliases:
                return None if self.source.stars else False
            return True if home.rpartition(".")[2] == owner.module_name else None
        return True if home.rpartition(".")[2] == owner.module_name else None

    @property
    def module_name(self) -> str:
        """The last part of the module's name."""
        parts = self.source.path.removesuffix(".py").removesuffix("/__init__").split("/")
        return parts[-1]


_PLAIN_DECORATORS = (
    "staticmethod", "classmethod", "abstractmethod", "abc.abstractmethod", "contextmanager", "lru_cache",
    "contextlib.contextmanager", "functools.", "cache", "cached_property", "property", "retry", "tenacity.",
    "override", "typing.", "overload",
)  # fmt: skip
"""Decorators that give back something that is called as the function is."""


def _omits(call: cst.Call, definition: cst.FunctionDef, name: str) -> bool:
    """Whether a call leaves the parameter to its default, which is known already."""
    parameters = (*definition.params.params, *definition.params.kwonly_params)
    has_default = any(one.name.value == name and one.default is not None for one in parameters)
    return has_default and not any(argument.star for argument in call.args)


def _imports(statement: Statement) -> Iterator[tuple[str, str, str]]:
    """Yield module, imported name and local name of an import statement."""
    text = statement.text
    if not text.startswith(("import ", "from ", "import\t", "from\t")):
        # `try: import x`, `if y: from x import z`
        at = text.find("import ")
        if at <= 0 or not statement.keyword or ":" not in text[:at]:
            return
        start = text.rfind(":", 0, at) + 1
        text = text[start:].strip()
        if not text.startswith(("import ", "from ")):
            return
    if text.startswith("from"):
        module, keyword, names = text[4:].strip().partition(" import")
        if not keyword:
            return
        module = module.strip()
        for item in names.strip().strip("()").split(","):
            words = item.split()
            if words:
                yield module, words[0], words[-1]
        return
    for item in text[6:].split(","):
        words = item.split()
        if not words:
            continue
        if len(words) >= 3 and words[1] == "as":
            yield words[0], "", words[2]
        else:
            top = words[0].partition(".")[0]
            yield words[0], "", ""
            yield top, "", top


def _mentions_platform(text: str) -> bool:
    return "os.name" in text or "platform" in text


def _argument(call: cst.Call, sink: _Sink) -> cst.BaseExpression | None:
    positional = [argument for argument in call.args if argument.keyword is None]
    if any(argument.star for argument in positional[: sink.index + 1]):
        if sink.kind == "words" and len(positional) > sink.index and positional[sink.index].star == "*":
            return positional[sink.index].value  # create_subprocess_exec(*cmd)
        return None
    if len(positional) > sink.index:
        return positional[sink.index].value
    for argument in call.args:
        if argument.keyword is not None and argument.keyword.value == sink.keyword:
            return argument.value
    return None


def _passed(call: cst.Call, name: str, position: int) -> cst.BaseExpression | None:
    for argument in call.args:
        if argument.keyword is not None and argument.keyword.value == name:
            return argument.value
    positional = [argument for argument in call.args if argument.keyword is None]
    if position < 0 or position >= len(positional) or any(a.star for a in positional[: position + 1]):
        return None
    return positional[position].value


def _is_true(call: cst.Call, name: str) -> bool:
    import libcst as cst

    return any(
        argument.keyword is not None
        and argument.keyword.value == name
        and isinstance(argument.value, cst.Name)
        and argument.value.value == "True"
        for argument in call.args
    )


def _mode(call: cst.Call) -> str:
    import libcst as cst

    positional = [argument.value for argument in call.args if argument.keyword is None]
    mode = positional[1] if len(positional) > 1 else None
    for argument in call.args:
        if argument.keyword is not None and argument.keyword.value == "mode":
            mode = argument.value
    value = mode.evaluated_value if isinstance(mode, cst.SimpleString) else "r"
    return value if isinstance(value, str) else "r"


def _has_text(node: cst.CSTNode) -> bool:
    import libcst as cst

    return any(isinstance(one, cst.SimpleString | cst.FormattedString) for one in walk(node))
