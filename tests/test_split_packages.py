"""What removing build packages leaves behind, and groups of packages, by hand-written examples."""

from __future__ import annotations

import pytest

from msrefactor.context import BuildContext
from msrefactor.facts import stage_facts
from msrefactor.knowledge.packages import is_build_only
from msrefactor.parse import parse
from msrefactor_transforms.splitting.packages import removed_at_once, removed_packages


def removed(run: str, image: str = "debian:12") -> frozenset[str]:
    dockerfile = parse(f"FROM {image}\nRUN {run}\n")
    return removed_packages(stage_facts(dockerfile, dockerfile.final_stage, BuildContext.unknown()).facts)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        # the libraries that came with libpq-dev stay where nothing else is removed
        ("apt-get install -y gcc libpq-dev && apt-get purge -y gcc libpq-dev", {"gcc"}),
        (
            "apt-get install -y gcc libpq-dev && apt-get purge -y --auto-remove gcc libpq-dev",
            {"gcc", "libpq-dev"},
        ),
        (
            "apt-get install -y gcc libpq-dev && apt-get purge -y gcc libpq-dev && apt-get autoremove -y",
            {"gcc", "libpq-dev"},
        ),
        ("apt-get autopurge -y libpq-dev", {"libpq-dev"}),
        ("apk add --virtual .b gcc libpq-dev && apk del .b", {".b", "gcc", "libpq-dev"}),
        ("yum install -y gcc openssl-devel && yum remove -y gcc openssl-devel", {"gcc"}),
        ("dnf remove -y gcc openssl-devel", {"gcc", "openssl-devel"}),
    ],
)
def test_libraries_of_removed_packages(run: str, expected: set[str]) -> None:
    assert removed(run) == expected


def test_groups_of_dnf_are_packages() -> None:
    dockerfile = parse(
        'FROM fedora:40\nRUN dnf -y group install "Development Tools" && dnf groupinstall -y x\n'
    )
    facts = stage_facts(dockerfile, dockerfile.final_stage, BuildContext.unknown())
    assert [effect.detail.names for _, effect in facts.effects()] == [("Development Tools",), ("x",)]
    assert is_build_only("Development Tools", "rpm")
    assert is_build_only("@development-tools", "rpm")
    assert not is_build_only("Web Server", "rpm")


def test_what_is_removed_in_the_run_that_installs_it_never_was_in_the_image() -> None:
    def at_once(run: str) -> frozenset[str]:
        dockerfile = parse(f"FROM debian:12\nRUN {run}\n")
        return removed_at_once(stage_facts(dockerfile, dockerfile.final_stage, BuildContext.unknown()).facts)

    install = "apt-get install -y gcc wget"
    assert at_once(f"{install} && apt-get purge -y --auto-remove gcc wget") == {"gcc", "wget"}
    # gcc only stands for other packages, and these stay
    assert at_once(f"{install} && apt-get purge -y gcc wget") == {"wget"}
    kept = "apt-mark auto '.*' && apt-mark manual libpq5"
    assert at_once(f"{install} && {kept} && apt-get purge -y --auto-remove") == {"gcc", "wget"}
    assert at_once(install) == set()
