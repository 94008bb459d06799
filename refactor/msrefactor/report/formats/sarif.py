"""SARIF 2.1.0 (OASIS), which code hosts and editors show.

A change is a note, and the first of a file has the fix that makes all changes of that file; a refusal is
informational, and suppressed in the source where a pragma asks for it; a file that was not done is an error.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from msrefactor.model import REFUSALS
from msrefactor.report.formats.findings import Finding, findings, place
from msrefactor.report.model import Edit, FileReport, Report
from msrefactor.report.patterns import shape

SCHEMA_ID = "https://json.schemastore.org/sarif-2.1.0.json"
"""A name; nothing is fetched from there."""
MAX_RESULTS = 25_000
"""Of a run; GitHub refuses more."""
_ROOT = "%SRCROOT%"
_OWN_RULES = {
    "failed": "A file could not be read, parsed, written or proved, or a folder not listed.",
    "internal-error": "msrefactor found a fault in its own result and left the file alone.",
    "pragma": "A comment `# msrefactor: …` does nothing.",
}
_ORDER = ("error", "warning", "change", "suggestion", "refusal")


def as_sarif(report: Report, root: str, summaries: Mapping[str, str]) -> str:
    """Return the log; `root` is the folder of the run, `summaries` tell what each transform does."""
    told = [(file, item) for file in report.files for item in findings(file)]
    left_out = max(0, len(told) - MAX_RESULTS)
    if left_out:
        told = sorted(told, key=lambda pair: _ORDER.index(pair[1].kind))[:MAX_RESULTS]
    names = sorted({item.rule for _, item in told})
    numbers = {name: number for number, name in enumerate(names)}
    seen: Counter[str] = Counter()
    fixed: set[int] = set()
    results = []
    for file, item in told:
        result = _result(file, item, root, numbers[item.rule], seen)
        if item.kind == "change" and id(file) not in fixed:
            fixed.add(id(file))
            result.update(_fixes(file, root))
        results.append(result)
    invocation: dict[str, object] = {"executionSuccessful": report.is_complete and not _failed(report)}
    notes = list(_notifications(report, left_out))
    if notes:
        invocation["toolExecutionNotifications"] = notes
    run = {
        "tool": {
            "driver": {
                "name": "msrefactor",
                "semanticVersion": report.tool_version,
                "rules": [_rule(name, summaries) for name in names],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The folder that msrefactor was run in."}}},
        "invocations": [invocation],
        "results": results,
    }
    value = {"$schema": SCHEMA_ID, "version": "2.1.0", "runs": [run]}
    return json.dumps(value, indent=1).replace("\x7f", "\\u007f") + "\n"


def _failed(report: Report) -> int:
    return report.totals.failed + report.totals.internal_error


def _notifications(report: Report, left_out: int) -> Iterator[dict[str, object]]:
    if not report.is_complete:
        missed = report.totals.files - report.totals.done
        yield {"level": "error", "message": {"text": f"stopped by a signal: {missed} files not looked at"}}
    if left_out:
        text = f"{left_out} results are left out: a run has place for {MAX_RESULTS}"
        yield {"level": "warning", "message": {"text": text}}


def _rule(name: str, summaries: Mapping[str, str]) -> dict[str, object]:
    meaning, remedy = REFUSALS.get(name, ("", ""))
    text = summaries.get(name) or _OWN_RULES.get(name) or meaning or name
    help_text = text if name in summaries else remedy or text  # GitHub wants all three
    return {
        "id": name,
        "shortDescription": {"text": text},
        "fullDescription": {"text": text},
        "help": {"text": help_text},
    }


def _result(
    file: FileReport, item: Finding, root: str, rule_index: int, seen: Counter[str]
) -> dict[str, object]:
    path, _ = place(file.path, root)
    key = "\0".join((item.rule, path, shape(item.text)))
    seen[key] += 1
    fingerprint = hashlib.sha256(f"{key}\0{seen[key]}".encode("utf-8", "surrogateescape")).hexdigest()
    region: dict[str, object] = {"startLine": max(item.line, 1)}
    if item.kind in {"error", "warning"}:
        region["startColumn"] = max(item.column, 1)
    is_refusal = item.kind == "refusal"
    result: dict[str, object] = {
        "ruleId": item.rule,
        "ruleIndex": rule_index,
        "kind": "informational" if is_refusal else "fail",
        "level": "none" if is_refusal else item.severity,
        "message": {"text": item.text},
        "locations": [
            {"physicalLocation": {"artifactLocation": _artifact(file.path, root), "region": region}}
        ],
        "partialFingerprints": {"msrefactor/v1": fingerprint[:32]},
    }
    if item.is_asked_for:
        result["suppressions"] = [{"kind": "inSource"}]
    return result


def _fixes(file: FileReport, root: str) -> dict[str, object]:
    """Return the fix, unless it is done already, or has bytes that JSON can't hold."""
    edited = [(file.path, file.edits), *((other.path, other.edits) for other in file.others)]
    edited = [(path, edits) for path, edits in edited if edits]
    is_text = all(_is_text(edit.after) for _, edits in edited for edit in edits)
    if file.is_written or not edited or not is_text:
        return {}
    changes = [
        {"artifactLocation": _artifact(path, root), "replacements": _replacements(edits)}
        for path, edits in edited
    ]
    description = "Make all changes of this file; they are proved together."
    return {"fixes": [{"description": {"text": description}, "artifactChanges": changes}]}


def _replacements(edits: Iterable[Edit]) -> list[dict[str, object]]:
    return [
        {
            "deletedRegion": {
                "startLine": edit.line,
                "startColumn": edit.column,
                "endLine": edit.end_line,
                "endColumn": edit.end_column,
            },
            "insertedContent": {"text": edit.after},
        }
        for edit in edits
    ]


def _artifact(path: str, root: str) -> dict[str, object]:
    """Return a URI that is relative to the run's folder; of a file elsewhere the absolute one."""
    shown, is_inside = place(path, root)
    uri = quote(shown.encode("utf-8", "surrogateescape"), safe="/")
    return {"uri": uri, "uriBaseId": _ROOT} if is_inside else {"uri": f"file://{uri}"}


def _is_text(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
