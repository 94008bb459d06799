"""Containers that only hand out files: what is recognised, what nginx is told, and how the proof fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from conftest import MakeFiles
from msrefactor.check import check
from msrefactor.context import BuildContext, locate
from msrefactor.facts import stage_facts
from msrefactor.model import Changed, Evidence, Refused, Replacement, Unchanged, View
from msrefactor.parse import parse
from msrefactor.uses import find_uses
from msrefactor_transforms.ecosystems._static_plan import served
from msrefactor_transforms.ecosystems._static_site import (
    Answers,
    StaticServer,
    nginx_configuration,
    whole_configuration,
)
from msrefactor_transforms.split_stages import TRANSFORM, apply
from msrefactor_transforms.splitting.plan import interpreters

PACKAGE = """{
  "name": "shop",
  "scripts": {
    "build": "vite build",
    "start": "serve -s dist -l 4000",
    "preview": "vite preview --host",
    "site": "npm run start",
    "hooked": "serve dist",
    "prehooked": "node copy.js",
    "both": "vite build && serve dist"
  },
  "devDependencies": {"vite": "^5.0.0"}
}
"""
ANYWHERE = "0.0.0.0"  # noqa: S104 - where the old server listens
HEAD = "FROM node:20\nWORKDIR /app\nCOPY . .\nRUN npm install && npm run build\n"


def viewed(files: MakeFiles, tail: str, more: Mapping[str, str] | None = None) -> View:
    root = files({"package.json": PACKAGE, "src/main.js": "", **(more or {})})
    return View(parse(HEAD + tail), BuildContext.open(root))


def server(
    files: MakeFiles, tail: str, more: Mapping[str, str] | None = None
) -> StaticServer | Refused | None:
    view = viewed(files, tail, more)
    facts = stage_facts(view.dockerfile, view.dockerfile.final_stage, view.context, interpreters())
    return served(view, facts)


@pytest.mark.parametrize(
    "tail",
    [
        'CMD ["node", "server.js"]\n',
        'CMD ["npm", "run", "hooked"]\n',
        'CMD ["npm", "run", "both"]\n',
        'CMD ["npm", "run", "unknown"]\n',
        "CMD node prepare.js && serve -s dist\n",
        "CMD serve -s dist > /var/log/serve.log\n",
        "CMD serve -s dist &\n",
        "CMD serve -s $FOLDER\n",
        'CMD ["sh", "start.sh"]\n',
        'CMD ["vite"]\n',
        'CMD ["serve", "-s", "dist"]\nHEALTHCHECK CMD node check.js\n',
        'CMD ["serve", "-s", "dist"]\nHEALTHCHECK CMD ["npx", "wait-on", "http://localhost:3000"]\n',
    ],
)
def test_what_does_more_than_hand_out_files_is_no_static_server(files: MakeFiles, tail: str) -> None:
    assert server(files, tail) is None


@pytest.mark.parametrize(
    ("options", "configuration", "why"),
    [
        ("", "module.exports = { baseUrl: '/docs/' };", "docusaurus.config doesn't say literally"),
        ("", "module.exports = { baseUrl: process.env.BASE };", "docusaurus.config doesn't say literally"),
        (
            "",
            "export default { baseUrl: '/', trailingSlash: false };",
            "docusaurus.config has `trailingSlash`",
        ),
        ("--config other.js", "module.exports = { baseUrl: '/' };", "what nginx has for docusaurus serve's"),
        ("--build", "module.exports = { baseUrl: '/' };", "`docusaurus serve --build` compiles"),
        ("--port $PORT", "module.exports = { baseUrl: '/' };", "where docusaurus serve listens"),
        ("--host localhost", "module.exports = { baseUrl: '/' };", "docusaurus serve listens on localhost"),
        ("--port 80 --dir dist", "const c = { baseUrl: '/' };\nexport default c;", ""),
    ],
)
def test_docusaurus(files: MakeFiles, options: str, configuration: str, why: str) -> None:
    more = {"docusaurus.config.js": configuration}
    found = server(files, f"CMD npx docusaurus serve --no-open --host 0.0.0.0 {options}\n", more)
    if why:
        assert isinstance(found, Refused)
        assert found.detail.startswith(why)
        return
    assert isinstance(found, StaticServer)
    assert (found.folder, found.port, found.answers) == ("/app/dist", 80, Answers.SERVE)


@pytest.mark.parametrize(
    ("tail", "folder", "port", "answers"),
    [
        ('CMD ["serve", "-s", "dist"]\n', "/app/dist", 3000, Answers.SERVE_SINGLE),
        ('CMD ["serve", "-l", "80", "/srv/www/"]\n', "/srv/www", 80, Answers.SERVE),
        ('CMD ["npx", "--yes", "serve@14", "-sLl", "80"]\n', None, None, None),
        (
            'CMD ["npx", "--yes", "serve@14", "-sL", "-p", "80", "dist"]\n',
            "/app/dist",
            80,
            Answers.SERVE_SINGLE,
        ),
        ('CMD ["yarn", "serve", "--single", "dist"]\n', "/app/dist", 3000, Answers.SERVE_SINGLE),
        ('CMD ["pnpm", "dlx", "serve", "dist"]\n', "/app/dist", 3000, Answers.SERVE),
        ('CMD ["npm", "exec", "--", "serve", "dist"]\n', "/app/dist", 3000, Answers.SERVE),
        ('CMD ["npm", "start"]\n', "/app/dist", 4000, Answers.SERVE_SINGLE),
        ('CMD ["npm", "run", "site"]\n', "/app/dist", 4000, Answers.SERVE_SINGLE),
        ('ENTRYPOINT ["serve"]\nCMD ["-s", "dist"]\n', "/app/dist", 3000, Answers.SERVE_SINGLE),
        ('ENTRYPOINT ["tini", "--", "serve", "-s", "dist"]\n', "/app/dist", 3000, Answers.SERVE_SINGLE),
        ("CMD cd dist && serve -s\n", "/app/dist", 3000, Answers.SERVE_SINGLE),
        ("CMD exec serve -s dist -l tcp://0.0.0.0:8000\n", "/app/dist", 8000, Answers.SERVE_SINGLE),
        ('CMD ["sh", "-c", "serve -s dist -l 8000"]\n', "/app/dist", 8000, Answers.SERVE_SINGLE),
        ("ENV PORT=90\nCMD serve -s dist -l $PORT\n", "/app/dist", 90, Answers.SERVE_SINGLE),
        ("CMD serve -s dist -l ${PORT:-90}\n", "/app/dist", 90, Answers.SERVE_SINGLE),
        ("CMD PORT=90 serve -s dist\n", "/app/dist", 90, Answers.SERVE_SINGLE),
        ("CMD serve -s dist -p $PORT\n", "/app/dist", 3000, Answers.SERVE_SINGLE),
        ("ENV WEB_PORT=90\nCMD serve dist -l tcp://0.0.0.0:$WEB_PORT\n", "/app/dist", 90, Answers.SERVE),
        ("CMD http-server dist -p ${PORT-90}\n", "/app/dist", 90, Answers.HTTP_SERVER),
        ('CMD ["npx", "serve@13", "-s", "dist"]\n', "/app/dist", 5000, Answers.SERVE_SINGLE),
        ('CMD ["http-server", "dist"]\n', "/app/dist", 8080, Answers.HTTP_SERVER),
        ('CMD ["http-server", "-p", "80", "-c-1", "dist"]\n', "/app/dist", 80, Answers.HTTP_SERVER),
        (
            'CMD ["node_modules/http-server/bin/http-server", "dist/"]\n',
            "/app/dist",
            8080,
            Answers.HTTP_SERVER,
        ),
        ('CMD ["npm", "run", "preview"]\n', "/app/dist", 4173, Answers.PREVIEW),
        ('CMD ["npm", "run", "preview", "--", "--port", "80"]\n', "/app/dist", 80, Answers.PREVIEW),
        ('CMD ["npx", "vite", "preview", "--host", "0.0.0.0"]\n', "/app/dist", 4173, Answers.PREVIEW),
    ],
)
def test_static_servers_are_recognised(
    files: MakeFiles, tail: str, folder: str | None, port: int | None, answers: Answers | None
) -> None:
    found = server(files, tail)
    if folder is None:
        assert isinstance(found, Refused)
        return
    assert isinstance(found, StaticServer), found
    assert (found.folder, found.port, found.answers) == (folder, port, answers)


@pytest.mark.parametrize(
    ("tail", "variable", "address", "cache"),
    [
        ('CMD ["serve", "dist"]\n', "PORT", "::", ""),
        ('CMD ["serve", "-l", "80", "dist"]\n', "", "::", ""),
        ("CMD serve dist -l $PORT\nENV PORT=80\n", "PORT", "::", ""),
        ("CMD serve dist -l tcp://0.0.0.0:80\n", "", ANYWHERE, ""),
        ('CMD ["http-server", "dist"]\n', "PORT", ANYWHERE, "max-age=3600"),
        ('CMD ["http-server", "dist", "-p80", "-c", "60"]\n', "", ANYWHERE, "max-age=60"),
        (
            'CMD ["http-server", "dist", "-p", "80", "-c-1", "-a", "::"]\n',
            "",
            "::",
            "no-cache, no-store, must-revalidate",
        ),
        ('CMD ["npm", "run", "preview"]\n', "", "::", "no-cache"),
    ],
)
def test_port_address_and_caching_are_those_of_the_old_server(
    files: MakeFiles, tail: str, variable: str, address: str, cache: str
) -> None:
    found = server(files, tail)
    assert isinstance(found, StaticServer), found
    assert (found.port_variable, found.address, found.cache_control) == (variable, address, cache)


@pytest.mark.parametrize(
    ("tail", "named"),
    [
        ('CMD ["serve", "--ssl-cert", "a.pem", "dist"]\n', "--ssl-cert"),
        ('CMD ["serve", "-l", "unix:/run/serve.sock", "dist"]\n', "unix:/run/serve.sock"),
        ('CMD ["serve", "-l", "80", "-l", "81", "dist"]\n', "several places"),
        ('CMD ["serve", "-l", "tcp://localhost:80", "dist"]\n', "localhost"),
        ("CMD serve dist -l $web_port\n", "$web_port"),
        ('CMD ["serve", "dist"]\nEXPOSE 5000\n', "5000"),
        ('CMD ["npx", "serve@6", "-s", "dist"]\n', "serve 6"),
        ('CMD ["serve", "-c", "missing.json", "dist"]\n', "missing.json"),
        ('CMD ["http-server", "dist", "--proxy", "http://api"]\n', "--proxy"),
        ('CMD ["http-server", "dist", "-S"]\n', "--tls"),
        ('CMD ["http-server", "dist", "--username", "a"]\n', "--username"),
        ('CMD ["http-server", "dist", "-b"]\n', "--brotli"),
        ('CMD ["http-server", "dist", "--cors=X-A"]\n', "--cors"),
        ('CMD ["http-server", "dist", "-a", "127.0.0.1"]\n', "127.0.0.1"),
        ('CMD ["npx", "vite", "preview"]\n', "localhost"),
        ('CMD ["npx", "vite", "preview", "--host", "--https"]\n', "--https"),
    ],
)
def test_what_nginx_cannot_be_told_is_named(files: MakeFiles, tail: str, named: str) -> None:
    found = server(files, tail)
    assert isinstance(found, Refused), found
    assert named in found.detail


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", None),
        ('{"cleanUrls": true, "directoryListing": false}', None),
        ('{"headers": [{"source": "**", "headers": [{"key": "X-A", "value": "b"}]}]}', None),
        ('{"rewrites": [{"source": "**", "destination": "/index.html"}]}', None),
        ('{"cleanUrls": false}', "cleanUrls"),
        ('{"trailingSlash": true}', "trailingSlash"),
        ('{"rewrites": [{"source": "/a", "destination": "/b"}]}', "rewrites"),
        ('{"headers": [{"source": "**/*.js", "headers": []}]}', "headers"),
        ('{"something": 1}', "something"),
        ("[]", "isn't understood"),
        ("{", "isn't understood"),
    ],
)
def test_serve_json_is_followed_or_its_key_named(files: MakeFiles, text: str, expected: str | None) -> None:
    found = server(files, 'CMD ["serve", "dist"]\n', {"public/serve.json": text})
    if expected is None:
        assert isinstance(found, StaticServer), found
    else:
        assert isinstance(found, Refused), found
        assert expected in found.detail


def test_a_framework_has_a_preview_of_its_own(files: MakeFiles) -> None:
    text = 'import { sveltekit } from "@sveltejs/kit/vite";\nexport default { plugins: [sveltekit()] };\n'
    assert server(files, 'CMD ["npm", "run", "preview"]\n', {"vite.config.ts": text}) is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('export default { base: "/shop/" }\n', "`base`"),
        ('import ssl from "@vitejs/plugin-basic-ssl";\nexport default { plugins: [ssl()] };\n', "basic-ssl"),
        ('import react from "@vitejs/plugin-react";\nexport default { plugins: [react()] };\n', None),
        ("// server: none\nexport default {};\n", None),
        ("export default { server: { proxy: { '/api': 'http://api' } } };\n", "server.proxy"),
        ("export default { preview: { headers: { 'X-A': 'b' } } };\n", "preview.headers"),
        ("export default { build: { outDir: process.env.OUT } };\n", "outDir"),
    ],
)
def test_settings_and_plugins_of_vite_are_named(files: MakeFiles, text: str, named: str | None) -> None:
    found = server(files, 'CMD ["npm", "run", "preview"]\n', {"vite.config.ts": text})
    if named is None:
        assert isinstance(found, StaticServer), found
    else:
        assert isinstance(found, Refused)
        assert named in found.detail


@pytest.mark.parametrize(
    ("text", "command", "folder", "port", "address"),
    [
        ("{ preview: { port: 80, host: true } }", "vite preview", "/app/dist", 80, "::"),
        ("{ server: { host: true, port: 3000 } }", "vite preview", "/app/dist", 4173, "::"),
        ("{ server: { host: '0.0.0.0' }, preview: { port: 90 } }", "vite preview", "/app/dist", 90, ANYWHERE),
        ("{ build: { outDir: 'build' }, base: './' }", "vite preview --host", "/app/build", 4173, "::"),
        ("{ preview: { port: 80, host: true } }", "vite preview --port 81", "/app/dist", 81, "::"),
    ],
)
def test_settings_of_vite_are_followed(
    files: MakeFiles, text: str, command: str, folder: str, port: int, address: str
) -> None:
    found = server(files, f"CMD npx {command}\n", {"vite.config.js": f"export default {text};\n"})
    assert isinstance(found, StaticServer), found
    assert (found.folder, found.port, found.address) == (folder, port, address)


SERVER = StaticServer(
    "serve", "/app/dist", 3000, Answers.SERVE_SINGLE, Evidence("Dockerfile", 5, "CMD serve")
)


@pytest.mark.parametrize("answers", list(Answers))
def test_every_configuration_is_balanced_and_quotable(answers: Answers) -> None:
    text = nginx_configuration(
        replace(
            SERVER,
            answers=answers,
            compresses=True,
            serves_gz=True,
            headers=(("X-A", "b"),),
            cache_control="no-cache",
            answers_every_method=True,
            is_quiet=True,
        )
    )
    assert isinstance(text, str)
    assert "'" not in text
    assert text.count("{") == text.count("}")
    assert whole_configuration(text).count("{") == whole_configuration(text).count("}")
    for line in text.splitlines():
        # a plain line ends a directive or opens a block; long lists go on once
        assert line.endswith((";", "{", "}")) or line.strip().startswith("gzip_types")


@pytest.mark.parametrize(
    "odd",
    [
        replace(SERVER, folder="/app/my dist"),
        replace(SERVER, folder="/app/dist;"),
        replace(SERVER, headers=(("X-A", 'b"; deny all; #'),)),
        replace(SERVER, headers=(("X-A", "$host"),)),
        replace(SERVER, headers=(("X-A", "a\nb"),)),
        replace(SERVER, cache_control="it's"),
    ],
)
def test_what_would_break_out_of_the_configuration_is_refused(odd: StaticServer) -> None:
    assert isinstance(nginx_configuration(odd), Refused)


TAIL = 'EXPOSE 3000\nCMD ["serve", "-s", "dist", "-l", "3000"]\n'


def changed(files: MakeFiles, tail: str = TAIL) -> tuple[View, Changed]:
    view = viewed(files, tail)
    outcome = apply(view)
    assert isinstance(outcome, Changed), outcome
    assert check(view, outcome.dockerfile, outcome, TRANSFORM) == ()
    return view, outcome


def test_a_declared_server_passes_the_check(files: MakeFiles) -> None:
    _, outcome = changed(files)
    assert outcome.replacement == Replacement(
        "serve", ("nginx", "-g", "daemon off;"), "/etc/nginx/conf.d/default.conf", "/app/dist", 3000
    )
    assert "COPY --from=build /app/dist /app/dist\n" in outcome.dockerfile.render()


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("listen [::]:3000 ", "listen [::]:3001 ", "listens on [::]:3001"),
        ("listen [::]:3000 ipv6only=off;", "", "listens on no port"),
        ("root /app/dist;", "root /app;", "hands out /app"),
        ("COPY --from=build /app/dist /app/dist", "COPY --from=build /app/dist /app/web", "isn't copied"),
        ("> /etc/nginx/conf.d/default.conf", "> /etc/nginx/conf.d/site.conf", "nothing writes"),
        ("    'server {'", "    'server {' \\\n    'server {'", "braces"),
        ("FROM nginx:stable-alpine", "FROM httpd:alpine", "isn't nginx"),
        ("EXPOSE 3000", "EXPOSE 3001", "exposed"),
        ('"daemon off;"', '"daemon on;"', "cmd"),
        ("WORKDIR /app\nRUN printf", "ENV A=b\nWORKDIR /app\nRUN printf", "environment variable A is new"),
    ],
)
def test_each_fault_of_the_new_server_is_found(files: MakeFiles, old: str, new: str, finding: str) -> None:
    view, outcome = changed(files)
    text = outcome.dockerfile.render()
    head, mark, final = text.partition("\n\n")
    assert old in final, final
    broken = parse(head + mark + final.replace(old, new, 1))
    lines = {i.source: i.line for stage in outcome.dockerfile.stages for i in stage.instructions}
    again = broken.with_stages(
        tuple(
            type(stage)(tuple(replace(i, line=lines.get(i.source)) for i in stage.instructions))
            for stage in broken.stages
        )
    )
    findings = check(view, again, replace(outcome, dockerfile=again), TRANSFORM)
    assert any(finding in one for one in findings), findings


def test_another_command_without_a_declaration_stays_a_fault(files: MakeFiles) -> None:
    view, outcome = changed(files)
    findings = check(view, outcome.dockerfile, replace(outcome, replacement=None), TRANSFORM)
    assert any("cmd:" in one for one in findings)
    assert any("exposed:" in one for one in findings)


@pytest.mark.parametrize(
    "wrong",
    [
        Replacement(
            "serve", ("nginx", "-g", "daemon off;"), "/etc/nginx/conf.d/default.conf", "/app/dist", 3111
        ),
        Replacement("serve", ("sh",), "/etc/nginx/conf.d/default.conf", "/app/dist", 3000),
        Replacement("serve", ("nginx", "-g", "daemon off;"), "/etc/nginx/nginx.conf", "/app/dist", 3000),
        Replacement(
            "serve",
            ("nginx", "-g", "daemon off;"),
            "/etc/nginx/conf.d/default.conf",
            "/app/dist",
            3000,
            user="33",
        ),
    ],
)
def test_a_wrong_declaration_is_a_fault(files: MakeFiles, wrong: Replacement) -> None:
    view, outcome = changed(files)
    assert check(view, outcome.dockerfile, replace(outcome, replacement=wrong), TRANSFORM)


@pytest.mark.parametrize(
    ("make", "user", "expected"),
    [
        ("", "node", "USER 1000:1000\n"),
        ("", "1001", "USER 1001\n"),
        ("RUN useradd -u 1234 web\n", "web", "USER 1234:1234\n"),
        ("RUN adduser --system web\n", "web", "USER nginx\n"),
    ],
)
def test_nginx_runs_as_the_user_did(files: MakeFiles, make: str, user: str, expected: str) -> None:
    _, outcome = changed(files, f"{make}USER {user}\n{TAIL}")
    text = outcome.dockerfile.render()
    assert text.count(expected) == 1
    assert "pid /tmp/nginx.pid;" in text


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("    read_only: true\n", "read_only"),
        ("    cap_drop: [ALL]\n", "cap_drop"),
        ("    environment: [VIRTUAL_HOST=shop.example]\n", "exposes 80"),
        ("    environment: [VIRTUAL_HOST=shop.example, VIRTUAL_PORT=3000]\n", None),
    ],
)
def test_how_compose_starts_it_may_keep_nginx_away(
    files: MakeFiles, settings: str, named: str | None
) -> None:
    view = viewed(files, TAIL, {"compose.yaml": f"services:\n  web:\n    build: .\n{settings}"})
    file = view.context.root / "Dockerfile" if view.context.root is not None else None
    assert file is not None
    file.write_text(HEAD + TAIL)
    outcome = apply(replace(view, uses=find_uses(locate(file, view.dockerfile, None), file)))
    if named is None:
        assert isinstance(outcome, Changed)
    else:
        assert isinstance(outcome, Refused), outcome
        assert named in outcome.detail


def test_a_port_that_the_author_sets_is_set_once(files: MakeFiles) -> None:
    _, outcome = changed(files, "ENV PORT 4000\nEXPOSE $PORT\nCMD serve -s dist -l $PORT\n")
    final = outcome.dockerfile.render().partition("\n\n")[2]
    assert final.count("ENV PORT") == 1
    assert "EXPOSE $PORT\n" in final
    assert "listen [::]:${PORT} ipv6only=off;" in final


def test_a_user_that_nobody_made_is_named(files: MakeFiles) -> None:
    outcome = apply(viewed(files, f"USER web\n{TAIL}"))
    assert isinstance(outcome, Refused)
    assert "web" in outcome.detail


def test_a_folder_with_the_installed_packages_stays_with_node(files: MakeFiles) -> None:
    outcome = apply(viewed(files, 'CMD ["npx", "http-server", "-p", "80", "."]\n'))
    assert isinstance(outcome, Changed | Unchanged)
    if isinstance(outcome, Changed):
        assert outcome.replacement is None
