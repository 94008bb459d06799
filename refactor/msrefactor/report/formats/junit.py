"""A JUnit test suite, which CI servers show: each file is a test case.

A file that would change is a failure, one that was not done an error, one that was refused is skipped.
"""

from __future__ import annotations

from xml.etree import ElementTree

from msrefactor.explain import printable
from msrefactor.report.formats.findings import Finding, findings
from msrefactor.report.model import FileReport, Report, Status

_TAGS = {
    Status.CHANGED: "failure",
    Status.REFUSED: "skipped",
    Status.FAILED: "error",
    Status.INTERNAL_ERROR: "error",
}
_KINDS = {"failure": {"change"}, "skipped": {"refusal"}, "error": {"error"}}
"""The findings that an element holds; all others are the output of the test case."""


def as_junit(report: Report) -> str:
    """Return the XML, in ASCII."""
    tags = [_tag(file) for file in report.files]
    counts = {
        "tests": str(len(tags)),
        "failures": str(tags.count("failure")),
        "errors": str(tags.count("error")),
        "skipped": str(tags.count("skipped")),
    }
    suites = ElementTree.Element("testsuites", {"name": "msrefactor", **counts})
    suite = ElementTree.SubElement(suites, "testsuite", {"name": f"msrefactor {report.mode}", **counts})
    if not report.is_complete:
        properties = ElementTree.SubElement(suite, "properties")
        ElementTree.SubElement(properties, "property", name="complete", value="false")
    for file, tag in zip(report.files, tags, strict=True):
        _case(suite, file, tag)
    ElementTree.indent(suites, " ")
    text: str = ElementTree.tostring(suites, encoding="us-ascii", xml_declaration=True).decode("ascii")
    return text + "\n"


def _tag(file: FileReport) -> str | None:
    """Return the element that tells a file's ending; None for a test that passed."""
    return None if file.is_written else _TAGS.get(file.status)


def _case(suite: ElementTree.Element, file: FileReport, tag: str | None) -> None:
    path = printable(file.path)
    case = ElementTree.SubElement(suite, "testcase", classname="msrefactor", name=path, file=path)
    wanted = _KINDS.get(tag or "", set())
    inside: list[tuple[str, Finding]] = []
    beside: list[tuple[str, Finding]] = []
    for item in findings(file):
        if not item.is_asked_for:
            line = f"{path}:{item.line}:{item.column}: {item.rule}: {item.text}"
            (inside if item.kind in wanted else beside).append((line, item))
    if tag is not None and inside:
        first = inside[0][1]
        told = ElementTree.SubElement(case, tag, message=f"{first.rule}: {first.text}")
        if tag != "skipped":
            told.set("type", first.rule)
        told.text = "\n".join(line for line, _ in inside)
    if beside:
        ElementTree.SubElement(case, "system-out").text = "\n".join(line for line, _ in beside)
