"""Which copies a project reaches by the names that its files hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from msrefactor.context import BuildContext
from msrefactor.facts import Placed, Scope
from msrefactor.knowledge.images import describe
from msrefactor_transforms.splitting.references import beside


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("app/go.mod", "replace lib => ../lib\n", ("/src/lib",)),
        ("app/app.csproj", '<ProjectReference Include="..\\lib\\lib.csproj" />', ("/src/lib",)),
        ("app/package.json", '{"dependencies": {"lib": "file:../lib"}}', ("/src/lib",)),
        ("app/src/deep/main.c", '#include "../../../lib/a.h"\n', ("/src/lib",)),
        ("app/src/main.c", '#include "../lib/a.h"\n', ()),
        ("app/go.mod", "replace lib => ../mixed\n", ()),
        ("app/go.mod", "replace lib => ./lib\n", ()),
    ],
)
def test_folders_of_source_that_a_project_names(
    tmp_path: Path, name: str, text: str, found: tuple[str, ...]
) -> None:
    for other in (name, "lib/a.c", "mixed/a.c", "mixed/data.csv"):
        (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / other).write_text("")
    (tmp_path / name).write_text(text)
    placed = tuple(Placed(f"/src/{one}", one, is_folder=True) for one in ("app", "lib", "mixed"))
    scope = Scope(describe("debian"), BuildContext.open(tmp_path), placed=placed)
    assert beside(scope, ["/src/app"], lambda path: path.endswith(".c")) == found
