"""What SARIF 2.1.0 says of the properties that we write, and that there are no others.

Written by hand from the standard (docs.oasis-open.org/sarif/sarif/v2.1.0/os), since the licence of OASIS' own
schema grants no copies in other works. It is stricter than OASIS' schema: what that leaves out is forbidden
here, and what GitHub wants beyond it is required.
"""

from __future__ import annotations

from typing import Any


def closed(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def array(items: dict[str, Any], least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least}


TEXT = {"type": "string", "minLength": 1}
NUMBER = {"type": "integer", "minimum": 1}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
MESSAGE = closed({"text": TEXT})  # 3.11
ARTIFACT = {  # 3.4: relative with a base, or absolute
    "oneOf": [
        closed(
            {
                "uri": {
                    "type": "string",
                    "pattern": r"^(?!\.\./|/)([A-Za-z0-9._~/-]|%[0-9A-F]{2})+$",
                },
                "uriBaseId": {"const": "%SRCROOT%"},
            }
        ),
        closed({"uri": {"type": "string", "pattern": r"^file:///([A-Za-z0-9._~/-]|%[0-9A-F]{2})+$"}}),
    ]
}
RULE = closed(
    {"id": TEXT, "shortDescription": MESSAGE, "fullDescription": MESSAGE, "help": MESSAGE}  # 3.49
)
REPLACEMENT = closed(  # 3.57
    {
        "deletedRegion": closed(
            {"startLine": NUMBER, "startColumn": NUMBER, "endLine": NUMBER, "endColumn": NUMBER}
        ),
        "insertedContent": closed({"text": {"type": "string"}}),
    }
)
FIX = closed(  # 3.55, 3.56
    {
        "description": MESSAGE,
        "artifactChanges": array(
            closed({"artifactLocation": ARTIFACT, "replacements": array(REPLACEMENT, 1)}), 1
        ),
    }
)
LOCATION = closed(
    {
        "physicalLocation": closed(
            {
                "artifactLocation": ARTIFACT,
                "region": closed({"startLine": NUMBER}, {"startColumn": NUMBER}),
            }
        )
    }
)
RESULT = {
    **closed(
        {
            "ruleId": TEXT,
            "ruleIndex": {"type": "integer", "minimum": 0},
            "kind": {"enum": ["fail", "informational"]},
            "level": LEVEL,
            "message": MESSAGE,
            "locations": array(LOCATION, 1),
            "partialFingerprints": closed({"msrefactor/v1": TEXT}),
        },
        {
            "fixes": array(FIX, 1),
            "suppressions": array(closed({"kind": {"enum": ["inSource", "external"]}}), 1),
        },
    ),
    # 3.27.10: the level of what is no failure is "none"
    "if": {"properties": {"kind": {"const": "informational"}}},
    "then": {"properties": {"level": {"const": "none"}}},
    "else": {"properties": {"level": {"enum": ["note", "warning", "error"]}}},
}
SARIF = closed(
    {
        "$schema": TEXT,
        "version": {"const": "2.1.0"},
        "runs": {
            **array(
                closed(
                    {
                        "tool": closed(
                            {"driver": closed({"name": TEXT, "semanticVersion": TEXT, "rules": array(RULE)})}
                        ),
                        "columnKind": {"const": "unicodeCodePoints"},
                        "originalUriBaseIds": closed({"%SRCROOT%": closed({"description": MESSAGE})}),
                        "invocations": array(
                            closed(
                                {"executionSuccessful": {"type": "boolean"}},
                                {
                                    "toolExecutionNotifications": array(
                                        closed({"level": LEVEL, "message": MESSAGE}), 1
                                    )
                                },
                            ),
                            1,
                        ),
                        "results": array(RESULT),
                    }
                ),
                1,
            ),
            "maxItems": 1,
        },
    }
)
