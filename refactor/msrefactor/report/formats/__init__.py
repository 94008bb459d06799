"""The report for other programs: each format is a function of it, imported only when it is chosen.

What strangers wrote (names of files, words of their Dockerfiles) is escaped in every format, so that it can't
steer a terminal, a log's reader or a web page.
"""

from __future__ import annotations

from msrefactor.report.model import FileReport, Report

STREAMED = frozenset({"jsonl", "gnu"})
"""Formats that tell each file when it is done; the others need the whole run."""


def told_file(name: str, file: FileReport) -> str:
    """Return what a streamed format tells of one file."""
    if name == "jsonl":
        from msrefactor.report.as_json import as_json_line

        return as_json_line(file)
    from msrefactor.report.formats.gnu import as_gnu

    return as_gnu(file)


def told_run(name: str, report: Report, root: str) -> str:
    """Return what a format that isn't streamed tells of the run; `root` is the folder it ran in."""
    match name:
        case "json":
            from msrefactor.report.as_json import as_json

            return as_json(report)
        case "sarif":
            from msrefactor.pipeline import transforms
            from msrefactor.report.formats.sarif import as_sarif

            return as_sarif(report, root, {item.name: item.summary for item in transforms()})
        case "github":
            from msrefactor.report.formats.github import as_github

            return as_github(report, root)
        case "junit":
            from msrefactor.report.formats.junit import as_junit

            return as_junit(report)
        case _:
            from msrefactor.report.formats.markdown import as_markdown

            return as_markdown(report)
