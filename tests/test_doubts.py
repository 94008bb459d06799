"""A removal counts only where the command surely runs; a folder that is there takes what is moved to it."""

from __future__ import annotations

import pytest

from msrefactor.context import BuildContext
from msrefactor.facts import Effect, stage_facts
from msrefactor.parse import parse


def _effects(text: str) -> list[Effect]:
    tree = parse(text)
    facts = stage_facts(tree, tree.final_stage, BuildContext.unknown())
    return [effect for _, effect in facts.effects()]


@pytest.mark.parametrize(
    "run",
    [
        "rm -rf /app/cache",
        "cd /app && rm -rf cache",
        "[ -d /app/cache ] && rm -rf /app/cache",
        "[ ! -e /app/cache ] || rm -rf /app/cache",
        "if [ -d /app/cache ]; then rm -rf /app/cache; fi",
        '[ -n "$X" ] && echo yes; rm -rf /app/cache',
        "for x in 1; do rm -rf /app/cache; done",
    ],
)
def test_sure_removals(run: str) -> None:
    gone = [path for effect in _effects(f"FROM debian\nRUN {run}\n") for path in effect.removes]
    assert gone == ["/app/cache"]


@pytest.mark.parametrize(
    ("run", "may_remove"),
    [
        ("mkdir /app || rm -rf /app/cache", ()),
        ("{ mkdir /app || rm -rf /app/cache; }", ()),
        ('[ -n "$X" ] && rm -rf /app/cache', ("/app/cache",)),
        ('[ -n "$X" ] && echo x && rm -rf /app/cache', ("/app/cache",)),
        ('if [ "$X" = y ]; then rm -rf /app/cache; fi', ("/app/cache",)),
        ("[ -d /app/other ] && rm -rf /app/cache", ("/app/cache",)),
    ],
)
def test_removals_that_may_not_happen(run: str, may_remove: tuple[str, ...]) -> None:
    effects = _effects(f"FROM debian\nRUN {run}\n")
    assert [path for effect in effects for path in effect.removes] == []
    assert tuple(path for effect in effects for path in effect.may_remove) == may_remove
    assert any("/app/cache" in effect.writes for effect in effects)


@pytest.mark.parametrize(
    ("lines", "target"),
    [
        ("RUN mkdir /app && mv out /app", "/app/out"),
        ("RUN mkdir -p /app/bin\nRUN mv out /app", "/app/out"),
        ("RUN install -d /app\nRUN cp -r out /app", "/app/out"),
        ("WORKDIR /app\nWORKDIR /src\nRUN mv out /app", "/app/out"),
        ("RUN mv out /app", "/app"),
        ("RUN mkdir /app && rm -rf /app && mv out /app", "/app"),
        ("RUN mkdir -p /srv/app && rm -rf /srv && mv out /srv", "/srv"),
        ("RUN mkdir /tmp/a && mv /tmp/a /app && mv out /app", "/app/out"),
        ("RUN mkdir /app && { echo || rm -rf /app; } && mv out /app", "/app/out"),
    ],
)
def test_a_folder_takes_what_is_moved_to_it(lines: str, target: str) -> None:
    effects = _effects(f"FROM debian\nWORKDIR /src\n{lines}\n")
    assert effects[-1].writes == (target,)
