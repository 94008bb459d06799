"""What Python source starts, loads, reads and imports."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from code_context import Files, is_empty, lines, names
from msrefactor.code.needs import CONTEXT_MARK, CodeNeeds, context_path
from msrefactor.code.python import python_needs, python_needs_of
from msrefactor.code.statements import statements


def needs_of(text: str, path: str = "app/main.py") -> CodeNeeds:
    needs = python_needs(path, text)
    assert needs is not None
    return needs


@pytest.mark.parametrize(
    "text",
    [
        'import subprocess\n"""subprocess.run(["git"])"""\n',
        "# subprocess.run(['git'])\nx = 1\n",
        'import subprocess\nx = "subprocess.run([1])"\n',
        "def run(cmd):\n    return cmd\nrun(['git'])\n",
        "class subprocessor:\n    def run(self): ...\nsubprocessor().run()\n",
        "import os\nx = os.environ['PATH']\nos.getpid()\n",
        "from plumbing import local\nlocal['git']\n",
        'import re\nre.compile("x").system("git")\n',
    ],
)
def test_nothing_is_started(text: str) -> None:
    assert is_empty(python_needs("a.py", text))


@pytest.mark.parametrize(
    ("statement", "commands"),
    [
        ('subprocess.run(["ffmpeg", "-i", name], check=True)', {"ffmpeg"}),
        ('subprocess.run(("ffmpeg", name))', {"ffmpeg"}),
        ('subprocess.run(args=["ffmpeg"])', {"ffmpeg"}),
        ('subprocess.run("git log | head", shell=True)', {"/bin/sh", "git", "head"}),
        ('subprocess.check_output("git --version".split())', {"git"}),
        ('subprocess.call(shlex.split("git log"))', {"git"}),
        ('subprocess.Popen(["sudo", "-u", "app", "ps", "aux"])', {"sudo", "ps"}),
        ('subprocess.Popen(["sh", "-c", "curl $1 | jq ."])', {"sh", "curl", "jq"}),
        ('subprocess.getoutput("dot -V")', {"/bin/sh", "dot"}),
        ('sp.run(["convert"])', {"convert"}),
        ('r(["convert"])', {"convert"}),
        ('Popen(["convert"])', {"convert"}),
        ('os.system("clear")', {"/bin/sh", "clear"}),
        ('os.system("cls" if os.name == "nt" else "clear")', {"/bin/sh", "clear"}),
        ('os.system(f"convert {a} -resize {b} | tee {c}")', {"/bin/sh", "convert", "tee"}),
        ('os.system("convert %s out" % a)', {"/bin/sh", "convert"}),
        ('os.system("convert {} out".format(a))', {"/bin/sh", "convert"}),
        ('os.system("convert " + a)', {"/bin/sh", "convert"}),
        ('os.popen("ps")', {"/bin/sh", "ps"}),
        ('os.execvp("gunicorn", ["gunicorn", a])', {"gunicorn"}),
        ('os.execlp("gunicorn", "gunicorn", a)', {"gunicorn"}),
        ('os.spawnlp(os.P_WAIT, "cp", "cp", a)', {"cp"}),
        ('shutil.which("dot")', {"dot"}),
        ('subprocess.run([shutil.which("dot"), "-V"])', {"dot"}),
        ('await asyncio.create_subprocess_exec("pg_dump", "-h", a)', {"pg_dump"}),
        ('await asyncio.create_subprocess_shell("pg_dump | gzip")', {"/bin/sh", "pg_dump", "gzip"}),
        ('await loop.subprocess_exec(factory, "pg_dump")', {"pg_dump"}),
        ('loop.run_in_executor(None, subprocess.run, ["gs"])', {"gs"}),
        ('asyncio.to_thread(subprocess.run, ["gs"])', {"gs"}),
        ('pexpect.spawn("ssh host")', {"ssh"}),
        ('sh.git("log")', {"git"}),
        ('local["git"]("log")', {"git"}),
        ('subprocess.run(["/usr/bin/env", "X=1", "git"])', {"/usr/bin/env", "git"}),
        ('subprocess.run(["timeout", "-k", "5", "10", "git"])', {"timeout", "git"}),
        ("subprocess.run([sys.executable, 'worker.py'])", set()),
        ('subprocess.run([sys.executable, "-m", "pip", "install", a])', {"pip"}),
        ('subprocess.run(["git"] + extra)', {"git"}),
        ('subprocess.run(["git", *extra])', {"git"}),
        ('subprocess.run(" ".join(["git", "log"]), shell=True)', {"/bin/sh", "git"}),
        ('subprocess.run(FFMPEG + " -i x", shell=True)', {"/bin/sh", "ffmpeg"}),
        ("subprocess.run([FFMPEG])", {"ffmpeg"}),
        ('subprocess.run(["a" if x else "b"])', {"a", "b"}),
    ],
)
def test_commands(statement: str, commands: set[str]) -> None:
    text = (
        "import asyncio, os, sys, shlex, shutil, subprocess, pexpect, sh\nimport subprocess as sp\n"
        "from subprocess import run as r, Popen\nfrom plumbum import local\nFFMPEG = 'ffmpeg'\n"
    )
    needs = needs_of(text + statement + "\n")
    assert names(needs, "commands") == commands
    assert needs.unknown_commands == ()
    assert {place.line for _, place in needs.commands} <= {6}


@pytest.mark.parametrize(
    "statement",
    [
        "subprocess.run(cmd)",
        "subprocess.run([cmd])",
        "subprocess.run(cmd, shell=True)",
        "subprocess.run(*args)",
        "subprocess.run(**options)",
        "os.system(f'{cmd} x')",
        "subprocess.run([os.environ['X']])",
        "subprocess.run([settings.FFMPEG])",
        "os.execv(sys.argv[1], sys.argv[1:])",
        "pool.map(subprocess.run, *commands)",
    ],
)
def test_unknown_commands(statement: str) -> None:
    needs = needs_of(f"import os, subprocess, sys\n\n{statement}\n")
    assert lines(needs, "unknown_commands") == [3]
    assert needs.unknown_commands[0].text == statement


def test_a_default_from_the_environment_is_that_and_unknown() -> None:
    needs = needs_of("import os, subprocess\nX = os.environ.get('X', 'ffmpeg')\nsubprocess.run([X])\n")
    assert names(needs, "commands") == {"ffmpeg"}
    assert lines(needs, "unknown_commands") == [3]


def test_a_name_bound_to_several_literals_is_all_of_them() -> None:
    text = (
        "import subprocess\ncmd = ['a']\nif x:\n    cmd = ['b']\nelse:\n    cmd = ['sudo'] + cmd\n"
        "subprocess.run(cmd)\n"
    )
    needs = needs_of(text)
    assert names(needs, "commands") == {"a", "b", "sudo"}
    assert needs.unknown_commands == ()


def test_a_local_name_hides_the_module_s() -> None:
    text = "import subprocess\nC = 'a'\ndef f(x):\n    C = g(x)\n    subprocess.run([C])\n"
    needs = needs_of(text)
    assert needs.commands == ()
    assert lines(needs, "unknown_commands") == [5]


def test_attributes_of_self_are_followed() -> None:
    text = (
        "import subprocess\nclass A:\n    tool = 'wkhtmltopdf'\n"
        "    def __init__(self):\n        self.cmd = ['gs']\n"
        "    def run(self):\n        subprocess.run([self.tool])\n        subprocess.run(self.cmd)\n"
    )
    assert names(needs_of(text), "commands") == {"wkhtmltopdf", "gs"}


def test_a_parameter_is_followed_to_the_calls() -> None:
    text = (
        "import subprocess\ndef _run(cmd, x=1):\n    subprocess.run(cmd)\n_run(['git'])\n_run(cmd='tar x')\n"
    )
    needs = needs_of(text)
    assert names(needs, "commands") == {"git", "tar"}
    assert needs.unknown_commands == ()


def test_other_files_may_call_a_public_function() -> None:
    needs = needs_of("import subprocess\ndef run(cmd):\n    subprocess.run(cmd)\nrun(['git'])\n")
    assert names(needs, "commands") == {"git"}
    assert lines(needs, "unknown_commands") == [3]


def test_callers_in_all_files_are_looked_up() -> None:
    files = Files(
        {
            "app/shell.py": "import subprocess\ndef run(cmd):\n    subprocess.run(cmd, check=True)\n",
            "app/a.py": "from .shell import run\nrun(['git', 'log'])\n",
            "app/b.py": "from app import shell\nshell.run(cmd=['tar'])\n",
        }
    )
    needs = python_needs_of(files, files.files())
    assert names(needs, "commands") == {"git", "tar"}
    assert needs.unknown_commands == ()


def test_a_caller_in_another_file_that_passes_something_unknown() -> None:
    files = Files(
        {
            "shell.py": "import subprocess\ndef run(cmd):\n    subprocess.run(cmd, check=True)\n",
            "a.py": "from shell import run\nrun(['git'])\nrun(request.args['x'])\n",
        }
    )
    needs = python_needs_of(files, files.files())
    assert names(needs, "commands") == {"git"}
    assert [(place.file, place.line) for place in needs.unknown_commands] == [("shell.py", 3)]


@pytest.mark.parametrize(
    "text",
    [
        "from config import TOOL\nsubprocess.run([TOOL])\n",
        "from .config import TOOL as T\nsubprocess.run([T])\n",
        "import config\nsubprocess.run([config.TOOL])\n",
        "from app import config as c\nsubprocess.run([c.TOOL])\n",
        "from reexported import TOOL\nsubprocess.run([TOOL])\n",
    ],
)
def test_constants_of_other_files(text: str) -> None:
    files = Files(
        {
            "app/config.py": "TOOL = 'git'\n",
            "app/reexported.py": "from .config import TOOL\n",
            "app/main.py": "import subprocess\n" + text,
        }
    )
    needs = python_needs_of(files, files.files())
    assert names(needs, "commands") == {"git"}
    assert needs.unknown_commands == ()


def test_settings_of_django() -> None:
    files = Files(
        {
            "site/settings/base.py": "import os\nTOOL = os.getenv('TOOL', 'convert')\n",
            "a.py": "import subprocess\nfrom django.conf import settings\nsubprocess.run([settings.TOOL])\n",
        }
    )
    needs = python_needs_of(files, files.files())
    assert names(needs, "commands") == {"convert"}
    assert len(needs.unknown_commands) == 1


def test_classes_made_of_popen() -> None:
    files = Files(
        {
            "app/utils.py": "import subprocess\nclass Process(subprocess.Popen):\n    pass\n",
            "app/a.py": "from .utils import Process\nProcess(['git'])\nProcess.run(['tar'])\n",
        }
    )
    assert names(python_needs_of(files, files.files()), "commands") == {"git", "tar"}


def test_what_only_another_system_runs_is_left_out() -> None:
    text = (
        "import os, sys, subprocess\nif sys.platform == 'win32':\n    subprocess.run(['taskkill'])\n"
        "else:\n    subprocess.run(['pkill'])\nif platform.system() == 'Darwin':\n    os.system('say x')\n"
        "if os.name != 'nt':\n    os.system('true; ps')\n"
    )
    assert names(needs_of(text), "commands") == {"pkill", "/bin/sh", "ps"}


@pytest.mark.parametrize(
    ("statement", "libraries", "unknown"),
    [
        ('ctypes.CDLL("libmagic.so.1")', {"libmagic.so.1"}, 0),
        ('cdll.LoadLibrary("libX11.so")', {"libX11.so"}, 0),
        ('ctypes.util.find_library("cairo")', {"cairo"}, 0),
        ('ctypes.CDLL(ctypes.util.find_library("cairo"))', {"cairo"}, 0),
        ('ffi.dlopen("libsodium.so.23")', {"libsodium.so.23"}, 0),
        ("ctypes.CDLL(None)", set(), 0),
        ("ctypes.CDLL(path)", set(), 1),
        ('ctypes.WinDLL("kernel32.dll")', set(), 0),
    ],
)
def test_libraries(statement: str, libraries: set[str], unknown: int) -> None:
    needs = needs_of(f"import ctypes, ctypes.util\nfrom ctypes import cdll\n{statement}\n")
    assert names(needs, "libraries") == libraries
    assert len(needs.unknown_libraries) == unknown


@pytest.mark.parametrize(
    ("statement", "paths"),
    [
        ('open("data/a.json")', {"data/a.json"}),
        ('open("/etc/app.conf", encoding="utf-8")', {"/etc/app.conf"}),
        ('Path("data/a.json").read_text()', {"data/a.json"}),
        ('open(Path("data") / "a.json")', {"data/a.json"}),
        ('open(os.path.join("data", "a.json"))', {"data/a.json"}),
        ('open(os.path.join(os.path.dirname(__file__), "a.json"))', {"context:app/pkg/a.json"}),
        ('(Path(__file__).parent / "a.json").open()', {"context:app/pkg/a.json"}),
        ('x = Path(__file__).resolve().parents[1] / "a.json"', {"context:app/a.json"}),
        ('open(HERE / "t" / "a.html")', {"context:app/pkg/t/a.html"}),
        ('open(f"data/{lang}/a.json")', {"data/"}),
        ('open(BASE + "/VERSION")', {"context:app/VERSION"}),
        ('StaticFiles(directory="static")', {"static"}),
        ('Jinja2Templates("templates")', {"templates"}),
        ('pd.read_csv("data/a.csv")', {"data/a.csv"}),
        ('pd.read_csv("https://x/a.csv")', set()),
        ('open("../../../x")', {"../../../x"}),
        ('x = Path(__file__).parents[5] / "x"', set()),
    ],
)
def test_paths(statement: str, paths: set[str]) -> None:
    text = (
        "import os\nfrom pathlib import Path\nHERE = Path(__file__).resolve().parent\n"
        "BASE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))\n"
    )
    needs = needs_of(text + statement + "\n", "app/pkg/m.py")
    assert names(needs, "paths") == paths
    assert needs.unknown_paths == ()
    assert all(
        context_path(name) == name.removeprefix(CONTEXT_MARK) for name in paths if CONTEXT_MARK in name
    )


def test_written_files_are_no_needs() -> None:
    text = (
        "from pathlib import Path\nopen('out.txt', 'w')\nPath('log/x').write_text('x')\n"
        "open('both', mode='a')\n"
    )
    needs = needs_of(text)
    assert needs.paths == ()
    assert names(needs, "written") == {"out.txt", "log/x", "both"}


def test_a_computed_path_is_unknown() -> None:
    assert lines(needs_of("def f(name):\n    return open(name)\n"), "unknown_paths") == [2]


def test_imports() -> None:
    text = (
        "import os.path, yaml as y\nfrom flask import (  # a comment\n    Flask,\n    request as r,\n)\n"
        "from . import sibling\nfrom .other import x\ntry: import ujson\nexcept ImportError: ujson = None\n"
        "if TYPE_CHECKING:\n    import onlytypes\ndef f():\n    import late; import later\n"
        '"""\nimport not_this\n"""\n'
    )
    assert needs_of(text).imports == {"os", "yaml", "flask", "ujson", "late", "later"}


def test_dynamic_imports() -> None:
    text = (
        "import importlib\nimportlib.import_module('plugins.x')\n__import__('y')\n"
        "importlib.import_module(name)\n"
    )
    needs = needs_of(text)
    assert needs.imports == {"importlib", "plugins", "y"}
    assert lines(needs, "unknown_imports") == [4]


def test_temporary_files() -> None:
    assert needs_of("import tempfile\n").writes_temp
    assert needs_of("open('/tmp/x', 'w')\n").writes_temp
    assert not needs_of("x = 'template'\n").writes_temp


def test_python_2_and_future_syntax_cost_only_their_own_statement() -> None:
    text = (
        "import subprocess\nprint 'x'\nexec 'y' in z\nsubprocess.run(['git'])\n"
        "subprocess.run(['a' 'b'\n 'c'])\n"
    )
    assert names(needs_of(text), "commands") == {"git", "abc"}


def test_a_statement_that_cannot_be_parsed_leaves_its_calls_unknown() -> None:
    needs = needs_of("import subprocess\nsubprocess.run(['git' if])\n")
    assert lines(needs, "unknown_commands") == [2]


@pytest.mark.parametrize("text", ["x = (", "x = ']' + ]", 'x = """'])
def test_what_does_not_close_is_unparsable(text: str) -> None:
    assert python_needs("a.py", text) is None


def test_an_unparsable_file_is_an_unknown_command_only_when_it_mentions_one() -> None:
    files = Files({"a.py": "import subprocess\nsubprocess.run((\n", "b.py": "x = (\n"})
    needs = python_needs_of(files, files.files())
    assert [place.file for place in needs.unknown_commands] == ["a.py"]


def test_tests_and_environments_are_left_out() -> None:
    run = "import subprocess\nsubprocess.run(['git'])\n"
    paths = [
        "tests/a.py",
        "test_a.py",
        "venv/lib/x.py",
        "pkg/conftest.py",
        "setup.py",
        "noxfile.py",
        "a_test.py",
    ]
    files = Files(dict.fromkeys(paths, run))
    assert python_needs_of(files, files.files()) == CodeNeeds()


@pytest.mark.parametrize(
    "text",
    [
        "subprocess.run(" + "[" * 5000 + "]" * 5000 + ")",
        "subprocess.run(" + "-" * 20000 + "1)",
        "import subprocess\n" + "subprocess.run(x" + "+x" * 20000 + ")\n",
        "import subprocess\n" + 'subprocess.run(f"{' + "(" * 4000 + "1" + ")" * 4000 + '}")\n',
        "import subprocess\n" + "a = b = c = " * 3000 + "subprocess.run(a)\n",
        "import subprocess\nx = x + [x]\nx += x\nsubprocess.run(x)\n" * 300,
        "import subprocess\ndef f(a):\n  f(a)\n  subprocess.run(a)\n" * 100,
    ],
    ids=["brackets", "signs", "sum", "f-string", "targets", "self-reference", "recursion"],
)
def test_monsters_take_no_time_and_no_stack(text: str) -> None:
    python_needs("a.py", text)


@given(st.text(alphabet="abc()[]{}'\"\\\n\t ;:#=.,fimportsubprocess", max_size=200))
@settings(derandomize=True, max_examples=150, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    python_needs("a.py", text)
    python_needs("a.py", f"import subprocess as b\nb.run({text})\n{text}")


def test_statements_know_where_they_stand() -> None:
    text = (
        "class A:\n    def f(self):  # c\n        if x: y; z\n        return (1,\n            2)\n\n"
        "w = '''\n# no'''\n"
    )
    cut = statements(text)
    assert cut is not None
    assert [(one.line, one.text, one.block, one.scope) for one in cut] == [
        (1, "class A:", -1, -1),
        (2, "def f(self):", 0, 0),
        (3, "if x: y", 1, 1),
        (3, "z", 1, 1),
        (4, "return (1,             2)", 1, 1),
        (7, "w = '''\n# no'''", -1, -1),
    ]
