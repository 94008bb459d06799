"""The transforms that keep lists, caches and downloads out of the final image's layers."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from textwrap import dedent

import pytest

from conftest import MakeFiles
from msrefactor.context import BuildContext
from msrefactor.model import Changed, Settings
from msrefactor.pipeline import refactor_text
from msrefactor_transforms.knowledge.package_caches import package_caches

TRANSFORMS = (
    "join-update-and-install",
    "purge-build-packages",
    "clean-package-lists",
    "clean-package-caches",
    "remove-temporary-files",
    "skip-recommended-packages",
)


def cleaned(
    files: MakeFiles,
    runs: str,
    transform: str,
    more: Mapping[str, str] | None = None,
    base: str = "debian:12",
) -> str:
    """Return the instructions of a stage after a transform."""
    context = BuildContext.open(files({"package.json": "{}", **(more or {})}))
    text = f"FROM {base}\n{runs}CMD sleep 1\n"
    result = refactor_text(text, None, context, (), Settings(select=frozenset({transform})))
    assert result.internal_error is None
    assert result.error is None
    return result.after.removeprefix(f"FROM {base}\n").removesuffix("CMD sleep 1\n")


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_example_of_the_documentation_is_true(name: str, files: MakeFiles) -> None:
    module = importlib.import_module(f"msrefactor_transforms.{name.replace('-', '_')}")
    assert module.__doc__ is not None
    before, _, after = module.__doc__.partition("Before::\n\n")[2].partition("After::\n\n")
    after = after[: after.index("\n\n", after.index("CMD"))] + "\n"
    context = BuildContext.open(files({"requirements.txt": ""}))
    settings = Settings(select=frozenset({name}), unsafe=name == "skip-recommended-packages")
    result = refactor_text(dedent(before).strip() + "\n", None, context, (), settings)
    assert isinstance(result.steps[0].outcome, Changed)
    assert result.after == dedent(after)


ALIGNED = "RUN apt-get update \\\n && apt-get install -y \\\n      a       \\\n      bcd     \\\n      ef"

# what has to stay, first


@pytest.mark.parametrize(
    "runs",
    [
        "RUN apt-get update && apt-get install -y a; rm -rf /var/lib/apt/lists/*\n",
        'RUN apt-get update && apt-get install -y a && rm -rf "$X" /var/lib/apt/lists/*\n',
        "RUN apt-get update && apt-get install -y a && rm -rf /var/lib/apt/lists\n",
        "RUN apt-get update && apt-get install -y a && rm -rf /var/lib/apt /var/cache/apt\n",
        'RUN ["apt-get", "install", "-y", "a"]\n',
        "RUN apt-get update && exec apt-get install -y a\n",
        "RUN apt-get update && apt-get install -y a &\n",
        "RUN apt-get update &> /dev/null; apt-get install -y a\n",
        "RUN --mount=type=cache,target=/var/lib/apt/lists apt-get update && apt-get install -y a\n",
        'SHELL ["powershell"]\nRUN apt-get update ; apt-get install a\n',
        "USER app\nRUN apt-get update && apt-get install -y a\n",
        "RUN apt-get update && apt-get install -y a\nRUN ./setup.sh\n",
        "RUN apt-get update && apt-get install -y a\nRUN cat list | xargs apt-get install -y\n",
        "RUN apt-get update && apt-get install -y a\nRUN bash -c 'apt-get install -y b'\n",
        "RUN apt-get update && apt-get install -y a\nRUN timeout 60 apt-get install -y b\n",
    ],
)
def test_lists_that_are_gone_or_out_of_reach_stay(runs: str, files: MakeFiles) -> None:
    assert cleaned(files, runs, "clean-package-lists") == runs


def test_a_script_that_adds_a_source_is_no_idle_update(files: MakeFiles) -> None:
    fetching = "RUN curl -fsSLo s.sh https://deb.nodesource.com/setup_20.x\nRUN bash s.sh\n"
    runs = f"{fetching}RUN apt-get install -y nodejs\n"
    assert "bash s.sh" in cleaned(files, runs, "clean-package-lists")
    assert "bash s.sh" in cleaned(files, runs, "join-update-and-install")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "RUN apt-get update; apt-get install -y a\n",
            "RUN apt-get update; apt-get install -y a && rm -rf /var/lib/apt/lists/*\n",
        ),
        (
            "RUN sudo apt-get update && sudo apt-get install -y a\n",
            "RUN sudo apt-get update && sudo apt-get install -y a && sudo rm -rf /var/lib/apt/lists/*\n",
        ),
        (
            "RUN apt-get update && if [ -f x ]; then apt-get install -y a; fi\n",
            (
                "RUN apt-get update && if [ -f x ]; then apt-get install -y a; fi && "
                "rm -rf /var/lib/apt/lists/*\n"
            ),
        ),
        (
            "RUN apt-get update && apt-get install -y a || true # a is optional\n",
            (
                "RUN apt-get update && apt-get install -y a || true && rm -rf /var/lib/apt/lists/* "
                "# a is optional\n"
            ),
        ),
        (
            "RUN apt-get update && apt-get install -y a\nRUN /usr/local/bin/thing --now\n",
            (
                "RUN apt-get update && apt-get install -y a && rm -rf /var/lib/apt/lists/*\n"
                "RUN /usr/local/bin/thing --now\n"
            ),
        ),
        (
            "RUN apt-get update; \\\n  apt-get install -y \\\n  a\n",
            "RUN apt-get update; \\\n  apt-get install -y \\\n  a && \\\n  rm -rf /var/lib/apt/lists/*\n",
        ),
        (
            f"{ALIGNED}\n",
            f"{ALIGNED} \\\n && rm -rf /var/lib/apt/lists/*\n",
        ),
    ],
)
def test_lists_go_in_the_author_s_own_style(before: str, after: str, files: MakeFiles) -> None:
    assert cleaned(files, before, "clean-package-lists") == after


@pytest.mark.parametrize(
    ("script", "after"),
    [
        ("apt-get update\napt-get install -y b\n", " && rm -rf /var/lib/apt/lists/*"),
        ("apt-get update && apt-get install -y b\nrm -rf /var/lib/apt/lists/*\n", ""),
    ],
)
def test_a_script_that_fetches_lists_of_its_own_needs_no_others(
    script: str, after: str, files: MakeFiles
) -> None:
    runs = "COPY setup.sh /\nRUN apt-get update && apt-get install -y a{}\nRUN /setup.sh{}\n"
    cleaning = " && rm -rf /var/lib/apt/lists/*"
    given = {"setup.sh": f"#!/bin/sh\nset -e\n{script}"}
    made = cleaned(files, runs.format("", ""), "clean-package-lists", given)
    assert made == runs.format(cleaning, after)


@pytest.mark.parametrize(
    "script",
    [
        "apt-get install -y b\n",
        "if true; then apt-get update; fi\napt-get install -y b\n",
        '. "$1"\napt-get update\n',
        "case\napt-get update\n",
    ],
)
def test_a_script_that_may_install_from_earlier_lists_keeps_them(script: str, files: MakeFiles) -> None:
    runs = "COPY setup.sh /\nRUN apt-get update && apt-get install -y a\nRUN /setup.sh\n"
    given = {"setup.sh": f"#!/bin/sh\n{script}"}
    assert cleaned(files, runs, "clean-package-lists", given) == runs


@pytest.mark.parametrize(
    "runs",
    [
        "RUN apk add --update a\nRUN ./setup.sh\n",
        "RUN apk add --update a\nRUN cat list | xargs apk add\n",
        "RUN apk update\nRUN sh -c 'apk add b'\n",
        'RUN apk update && apk add a\nRUN ["/bin/bash", "-c", "apk add b"]\n',
        "RUN apk add -uU a\n",
        "RUN true | apk update && apk add a\n",
        "RUN apk add --update a && rm -rf /var/cache/apk\n",
        "RUN --mount=type=cache,target=/var/cache/apk apk add --update a\n",
    ],
)
def test_an_index_that_may_be_used_stays(runs: str, files: MakeFiles) -> None:
    assert cleaned(files, runs, "clean-package-lists", base="alpine:3.20") == runs


def test_an_update_in_a_heredoc_goes_with_its_index(files: MakeFiles) -> None:
    before = "RUN <<EOF\napk update\napk add git\nEOF\n"
    after = "RUN <<EOF\napk add --no-cache git\nEOF\n"
    assert cleaned(files, before, "clean-package-lists", base="alpine:3.20") == after


def test_lists_for_who_works_in_the_container_stay(files: MakeFiles) -> None:
    context = BuildContext.open(files({}))
    settings = Settings(select=frozenset({"clean-package-lists"}))
    for start, stays in (("", True), ('CMD ["/bin/bash"]\n', True), ('CMD ["nginx"]\n', False)):
        text = f"FROM ubuntu:24.04\nRUN apt-get update\n{start}"
        result = refactor_text(text, None, context, (), settings)
        assert result.internal_error is None
        assert (result.after == text) == stays


def test_an_escape_and_line_ends_of_another_kind_are_kept(files: MakeFiles) -> None:
    context = BuildContext.open(files({}))
    text = "# escape=`\r\nFROM debian:12\r\nRUN apt-get update `\r\n    && apt-get install -y a\r\n"
    settings = Settings(select=frozenset({"clean-package-lists"}))
    result = refactor_text(text, None, context, (), settings)
    assert result.after == text.removesuffix("\r\n") + " `\r\n    && rm -rf /var/lib/apt/lists/*\r\n"


@pytest.mark.parametrize(
    "runs",
    [
        "RUN apt-get update\nRUN apt-get install -y a || true\n",
        "RUN cd /srv && apt-get update\nRUN make a\n",
        "RUN apt-get update && apt-get install -y a\nRUN echo done\n",
        "RUN apt-get update && apt-get install -y a && rm -rf /var/lib/apt/lists/*\nRUN rm -rf /tmp/x\n",
        "RUN dnf install -y a\nRUN dnf install -y b\n",
        "RUN npm ci\nRUN pip cache purge\n",
    ],
)
def test_runs_that_do_not_need_each_other_stay_apart(runs: str, files: MakeFiles) -> None:
    assert cleaned(files, runs, "join-update-and-install") == runs


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            (
                "RUN apt-get update\n\n# one\nRUN apt-get install -y a # two\n# three\n"
                "RUN apt-get install -y b\n"
            ),
            (
                "# one\nRUN apt-get update && apt-get install -y a \\\n    # two\n    # three\n"
                "    && apt-get install -y b\n"
            ),
        ),
        (
            "RUN cd /srv && apt-get update\nRUN apt-get install -y a\n",
            "RUN cd /srv && apt-get update\nRUN apt-get update && apt-get install -y a\n",
        ),
        (
            "RUN export A=1 && apt-get update -q\nUSER root\nRUN set -e; apt-get install -y a\n",
            (
                "RUN export A=1 && apt-get update -q\nUSER root\n"
                "RUN set -e; apt-get update -q; apt-get install -y a\n"
            ),
        ),
        (
            "RUN npm ci\nRUN rm -rf ~/.npm\n",
            "RUN npm ci && rm -rf ~/.npm\n",
        ),
    ],
)
def test_an_install_stands_beside_its_update(before: str, after: str, files: MakeFiles) -> None:
    assert cleaned(files, before, "join-update-and-install") == after


@pytest.mark.parametrize(
    "runs",
    [
        "RUN pip list && pip --version && npm run build && yarn build && gem list && composer show\n",
        "RUN npm ci && rm -rf /root/.npm\n",
        "RUN npm ci && rm -rf ~/.npm ~/.cache\n",
        "RUN npm ci --cache /tmp/npm && pip install --cache-dir /tmp/pip a\n",
        "RUN --mount=type=cache,target=/root/.npm npm ci\n",
        "RUN for p in a b; do npm install -g $p; done\n",
        "RUN npm ci || yarn install\n",
        "RUN conda env config vars set A=b\n",
        "RUN pip install --no-cache a\n",
        "RUN micromamba install -y a && mamba list && mamba clean --all -f -y\n",
        "ENV GEM_HOME=/gems\nRUN bundle install && find /gems -name cache -type d -exec rm -rf {} +\n",
        "RUN --mount=type=bind,source=.,target=/mnt,rw cd /mnt && yarn install && npm ci\n",
        "RUN (if [ -f yarn.lock ]; then yarn install; else pnpm install; fi)\n",
        "RUN echo $(pip install a)\n",
        "ENV GEM_HOME=/gems\nRUN bundle install\nRUN bundle install --local\n",
        "RUN poetry install\nENV POETRY_CACHE_DIR=/x\n".replace("RUN poetry", "USER app\nRUN poetry"),
    ],
)
def test_no_cache_is_looked_for_where_none_arises(runs: str, files: MakeFiles) -> None:
    assert cleaned(files, runs, "clean-package-caches") == runs


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("RUN pip3.12 -q install a\n", "RUN pip3.12 -q install --no-cache-dir a\n"),
        ("RUN python -m pip install a\n", "RUN python -m pip install --no-cache-dir a\n"),
        (
            "RUN for p in a b; do pip install $p; done\n",
            "RUN for p in a b; do pip install --no-cache-dir $p; done\n",
        ),
        ("RUN yarn\n", "RUN yarn && yarn cache clean\n"),
        ("RUN npm --prefix web ci\n", "RUN npm --prefix web ci && npm cache clean --force\n"),
        ("RUN npm ci || npm install\n", "RUN npm ci || npm install && npm cache clean --force\n"),
        (
            "RUN php composer.phar -n install\n",
            "RUN php composer.phar -n install && php composer.phar clear-cache\n",
        ),
        ("RUN bun install --production\n", "RUN bun install --production && bun pm cache rm\n"),
        ("RUN uv pip install a\n", "RUN uv pip install --no-cache a\n"),
        ("RUN mamba install -y a\n", "RUN mamba install -y a && mamba clean -afy\n"),
    ],
)
def test_a_cache_is_avoided_or_removed(before: str, after: str, files: MakeFiles) -> None:
    assert cleaned(files, before, "clean-package-caches") == after


@pytest.mark.parametrize(
    "runs",
    [
        "RUN wget https://x.org/a.tgz && tar -xzf a.tgz && rm -rf *\n",
        "RUN wget https://x.org/a.tgz && tar -xzf a.tgz && mv a.tgz /srv\n",
        "RUN wget https://x.org/a.tgz && tar -tzf a.tgz\n",
        "RUN wget https://x.org/a.tgz && tar -xzf b.tgz\n",
        "RUN wget https://x.org/a.tgz && (cd / && tar -xzf a.tgz)\n",
        "RUN curl -L https://x.org/a.tgz | tar -xz\n",
        "RUN wget https://x.org/a.tgz && tar -xzf a.tgz\nENV A=/a.tgz\n",
        "RUN wget https://x.org/model.bin\n",
    ],
)
def test_what_is_removed_moved_or_named_again_stays(runs: str, files: MakeFiles) -> None:
    assert cleaned(files, runs, "remove-temporary-files") == runs


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "RUN wget -qO /tmp/a.tgz https://x.org/a && tar -xzf /tmp/a.tgz -C /opt\n",
            "RUN wget -qO /tmp/a.tgz https://x.org/a && tar -xzf /tmp/a.tgz -C /opt && rm /tmp/a.tgz\n",
        ),
        (
            'RUN cd /opt && curl -fsSLO "https://x.org/a-${V}.zip" && unzip "a-${V}.zip" && cd a && make\n',
            (
                'RUN cd /opt && curl -fsSLO "https://x.org/a-${V}.zip" && unzip "a-${V}.zip" \\\n'
                '    && rm "a-${V}.zip" && cd a && make\n'
            ),
        ),
    ],
)
def test_an_archive_goes_once_it_is_unpacked(before: str, after: str, files: MakeFiles) -> None:
    assert cleaned(files, before, "remove-temporary-files") == after


def test_every_row_of_the_table_says_where_it_comes_from() -> None:
    for row in package_caches().values():
        assert row.tools
        assert row.cache
        assert row.mount
        assert row.sharing in ("shared", "locked")
        assert row.source
        # what something installed lives in is neither the cache nor mounted
        assert not set(row.kept) & {*row.cache, *row.mount}
