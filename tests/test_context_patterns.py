"""The two pattern languages: what Docker leaves out, and what COPY finds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msrefactor import patterns
from msrefactor.patterns import clean, glob_matches, has_wildcard, is_valid_glob, parse_ignore_file


def is_ignored(lines: str, path: str) -> bool:
    rules = parse_ignore_file(lines)
    assert rules is not None
    return rules.ignores(path)


NOT_IGNORED = [
    ("", "file"),
    ("\n\n  \n", "file"),
    ("# *", "file"),
    ("#*", "#a"),
    ("/", "file"),
    (".", "file"),
    ("..", "file"),
    ("../file", "file"),
    ("*/file", "file"),
    ("a/*.txt", "a/dir/file.txt"),
    ("*.txt", "a/file.txt"),
    ("**/**/*.txt2", "dir/dir/file.txt"),
    ("a[b-d]e", "ae"),
    ("a[b-d]e", "aae"),
    (".*", "foo"),
    ("abc.def", "abcdef"),
    ("abc.def", "abcZdef"),
    ("abc?def", "abcdef"),
    ("abc?def", "abc/def"),
    ("abc/**", "abc"),
    ("**/.foo", "bar.foo"),
    ("a(b)c/def", "a(b)c/xyz"),
    ("a*/b", "a/c/b"),
    ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f"),
    ("a*b*c*d*e*/f", "axbxcxdxexxx/fff"),
    ("a*b?c*x", "abxbbxdbxebxczzy"),
    ("ab[^b-d]", "abc"),
    ("a\\*b", "ab"),
    ("*[a-ζ]", "A"),
    ("[\\-x]", "a"),
    # case matters, and a name isn't a prefix
    ("readme.md", "README.md"),
    ("node_modules", "node_modules2"),
    ("node_modules", "src/node_modules"),
    ("node_modules/", "src/node_modules/x"),
    # exceptions
    ("docs\n!docs/README.md", "docs/README.md"),
    ("docs/\n!docs/README.md", "docs/README.md"),
    ("docs/*\n!docs/README.md", "docs/README.md"),
    ("*.go\n!fileutils.go", "fileutils.go"),
    ("*.go\n!  fileutils.go  ", "fileutils.go"),
    ("*.go\n!/fileutils.go", "fileutils.go"),
    ("*.go\n!./x/../fileutils.go", "fileutils.go"),
    ("**\n!util/docker/web", "util/docker/web/foo"),
    ("**\n!dist/*.whl", "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl"),
    ("*\n!src", "src/deep/er/file"),
    ("*\n!src/", "src/file"),
    ("*\n!**/*.py", "a/b/c.py"),
    ("a\n!a/b\na/b/c", "a/b/d"),
]

IGNORED = [
    ("*", "file"),
    ("*", "dir/file"),
    ("**", "file"),
    ("**", "dir/file"),
    ("**/", "file"),
    ("**/", "dir/file"),
    ("**/**", "dir/file"),
    ("dir/**", "dir/file"),
    ("dir/**", "dir/dir2/file"),
    ("**/dir", "dir"),
    ("**/dir", "dir/file"),
    ("**/dir", "x/dir/file"),
    ("**/dir2/*", "dir/dir2/file"),
    ("**/dir2/**", "dir/dir2/dir3/file"),
    ("**file", "file"),
    ("**file", "dir/file"),
    ("**file", "dir/otherfile"),
    ("**/file", "dir/dir/file"),
    ("**/file*", "dir/dir/file.txt"),
    ("**/file*txt", "dir/dir/file.txt"),
    ("**/file*.txt*", "dir/dir/file.txt"),
    ("**/**/*.txt", "dir/dir/file.txt"),
    ("**/**/*.txt", "file.txt"),
    ("a**/*.txt", "a/file.txt"),
    ("a**/*.txt", "a/dir/dir/file.txt"),
    ("a**", "abc/d"),
    ("a/*.txt**", "a/file.txt"),
    ("a/*.txt", "a/file.txt"),
    ("a[b-d]e", "ace"),
    ("a[^b-d]e", "aze"),
    (".*", ".foo"),
    ("abc.def", "abc.def"),
    ("abc?def", "abcZdef"),
    ("a\\\\", "a\\"),
    ("a\\*b", "a*b"),
    ("**/foo/bar", "foo/bar"),
    ("**/foo/bar", "dir/dir2/foo/bar"),
    ("abc/**", "abc/def/ghi"),
    ("**/.foo", ".foo"),
    ("a(b)c/def", "a(b)c/def"),
    ("a.|)$(}+{bc", "a.|)$(}+{bc"),
    ("dist/*.whl", "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl"),
    ("a*b*c*d*e*/f", "axbxcxdxexxx/f"),
    ("a*b?c*x", "abxbbxdbxebxczzx"),
    ("a?b", "a☺b"),
    ("a[^a]b", "a☺b"),
    ("[a-ζ]*", "α"),
    ("[\\]a]", "]"),
    ("[\\-]", "-"),
    ("[x\\-]", "-"),
    ("**/*.py[cod]", "a/b.pyc"),
    # how a line is read
    ("\ufefffile", "file"),
    ("file\r\n", "file"),
    ("  file\t", "file"),
    ("/file", "file"),
    ("//file", "file"),
    ("./file", "file"),
    ("file/", "file"),
    ("a//b/./c/../d", "a/b/d"),
    (" # x", "# x"),
    ("my file", "my file"),
    ("node_modules/", "node_modules/a/b"),
    # order, and exceptions that come too early or don't fit
    ("!fileutils.go\n*.go", "fileutils.go"),
    ("**\n!util/docker/web\nutil/docker/web/foo", "util/docker/web/foo"),
    ("*\n!src", "srcs"),
    ("docs\n!/README.md", "docs/README.md"),
    ("*\n!README.md", "docs/README.md"),
    ("*\n!!a", "a"),
    ("a\n!a/b\na/b/c", "a/b/c"),
    # An exception that had nothing to say about the folder isn't asked about it again further down.
    ("a/b\n!a", "a/b/c"),
    ("a/b\n!a", "a/b"),
]


@pytest.mark.parametrize(("lines", "path"), NOT_IGNORED)
def test_visible(lines: str, path: str) -> None:
    assert not is_ignored(lines, path)


@pytest.mark.parametrize(("lines", "path"), IGNORED)
def test_ignored(lines: str, path: str) -> None:
    assert is_ignored(lines, path)


@pytest.mark.parametrize(
    "line",
    [
        "!",
        "! ",
        "!/",
        "[",
        "a[",
        "[^",
        "[^bc",
        "[]a]",
        "[-]",
        "[x-]",
        "[-x]",
        "[a-b-c]",
        "\\",
        "a\\",
        "[Local-Only]/",
        "x" * 65_536,
    ],
)
def test_docker_refuses(line: str) -> None:
    assert parse_ignore_file(f"ok\n{line}\n") is None


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("a*", "ab/c"),
        ("*", "a/b"),
        ("", "a"),
        ("a", ""),
        ("ab[e-g]", "abc"),
        ("ab[^c]", "abc"),
        ("a???b", "a☺b"),
        ("a?b", "a/b"),
        ("a*b", "a/b"),
        ("[]a]", "]"),
        ("[x-]", "x"),
        ("[", "["),
        ("a**", "a/b"),
        ("*x", "xxxy"),
        ("**/x", "x"),
        ("**/x", "a/b/x"),
        ("a*b*c", "abbcd"),
    ],
)
def test_glob_does_not_match(pattern: str, name: str) -> None:
    assert not glob_matches(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("", ""),
        ("*", ""),
        ("abc", "abc"),
        ("*c", "abc"),
        ("a*/b", "abc/b"),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/f"),
        ("ab[b-d]", "abc"),
        ("ab[^e-g]", "abc"),
        ("a\\*b", "a*b"),
        ("a[^a]b", "a☺b"),
        ("a[^a]b", "a/b"),
        ("[\\-x]", "-"),
        ("*x", "xxx"),
        ("**/x", "a/x"),
        ("package*.json", "package-lock.json"),
        ("arr[[]0].txt", "arr[0].txt"),
        ("*b*b*c", "abbbcbc"),
    ],
)
def test_glob_matches(pattern: str, name: str) -> None:
    assert glob_matches(pattern, name)


def test_glob_syntax_is_checked_to_the_end() -> None:
    assert not is_valid_glob("nomatch*[")
    assert not is_valid_glob("x\\")
    assert is_valid_glob("x\\[")
    assert not has_wildcard("x\\[\\*y")
    assert has_wildcard("x\\\\[a]")


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [("", "."), ("/", "/"), ("//a", "/a"), ("a/", "a"), ("./a", "a"), ("a/../..", ".."), ("/../a", "/a")],
)
def test_clean(path: str, cleaned: str) -> None:
    assert clean(path) == cleaned


def test_many_stars_take_linear_time() -> None:
    rules = parse_ignore_file("*a" * 40 + "b\n" + "**/a" * 40 + "*b")
    assert rules is not None
    assert not rules.ignores("a" * 255)
    assert not rules.ignores("/".join("a" * 400))


GLOB = st.text(alphabet="ab/*?", min_size=1, max_size=10)
PATH = st.text(alphabet="ab/", max_size=12)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(GLOB, PATH)
def test_simulation_and_expression_agree(pattern: str, path: str) -> None:
    expected = patterns._matcher(pattern)
    pieces = patterns._pieces(patterns._compiled(pattern)[1])
    if expected is not None and pieces is not None and patterns._compiled(pattern)[0] == "expression":
        assert patterns._simulation(pieces[1:-1])(path) == expected(path)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.text(max_size=40), st.text(min_size=1, max_size=20))
def test_any_text_is_taken_or_refused(lines: str, path: str) -> None:
    rules = parse_ignore_file(lines)
    if rules is not None:
        assert rules.ignores(path) in {True, False}
