"""What development servers forward, as their literal settings say."""

from __future__ import annotations

import pytest

from msrefactor.code.frontend_proxy import (
    Forward,
    Untold,
    forwards_of_angular,
    forwards_of_package,
    forwards_of_setup,
    forwards_of_vite,
    forwards_of_vue,
)
from msrefactor.code.javascript_values import exported

API = "http://api:5000"


def vite(text: str) -> tuple[Forward, ...] | Untold:
    own = exported(f"export default {{ server: {{ proxy: {text} }} }}")
    assert own is not None
    return forwards_of_vite(own.get("server", "proxy"))


def vue(text: str) -> tuple[Forward, ...] | Untold:
    own = exported(f"module.exports = {{ devServer: {{ proxy: {text} }} }}")
    assert own is not None
    return forwards_of_vue(own.get("devServer", "proxy"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{ '/api': process.env.API }", "what is said of /api isn't literal"),
        ("{ '/api': { target: url } }", "the target of /api isn't written as a literal"),
        ("{ '/api': { target: 'https://api' } }", "the target of /api is reached by TLS"),
        ("{ '/api': 'http://api/v1' }", "the target of /api is more than a host and a port"),
        ("{ '/api': 'http://me:secret@api' }", "the target of /api is more than a host and a port"),
        ("{ '/api': { target: 'http://api', configure: (p) => p } }", "`configure` of /api isn't translated"),
        ("{ '/api': { target: 'http://api', rewrite: (p) => p.slice(4) } }", "how /api rewrites paths"),
        ("{ '/api': { target: 'http://api', rewrite: (p) => p.replace(/api/g, '') } }", "how /api rewrites"),
        ("{ '^/(api|auth)': 'http://api' }", "the pattern ^/(api|auth) isn't translated"),
        ("{ '/': 'http://api' }", "every path is forwarded"),
        ("{ ...more, '/api': 'http://api' }", "the proxy isn't written as literal settings"),
        ("{ '/api': { target: 'http://api; evil' } }", "the target of /api has no plain host name"),
        ("{ '/a b': 'http://api' }", "the pattern /a b isn't translated"),
    ],
)
def test_what_is_not_literal_is_named(text: str, why: str) -> None:
    found = vite(text)
    assert isinstance(found, Untold)
    assert found.detail.startswith(why)


@pytest.mark.parametrize(
    ("text", "forward"),
    [
        ("{ '/api': 'http://api:5000' }", Forward(API, "/api", keeps_host=False)),
        ("{ '/api': { target: 'http://api:5000/' } }", Forward(API, "/api")),
        (
            "{ '/socket.io': { target: 'ws://api:5000', ws: true } }",
            Forward(API, "/socket.io", upgrades=True),
        ),
        (
            "{ '/api': { target: 'http://api:5000', changeOrigin: true, rewrite: (path) => STRIPPED } }",
            Forward(API, "/api", removed="/api", keeps_host=False),
        ),
        (
            "{ '^/api': { target: 'http://api:5000', rewrite: path => path.replace(/^\\/api/, '/v1') } }",
            Forward(API, "/api", removed="/api", added="/v1"),
        ),
    ],
)
def test_vite(text: str, forward: Forward) -> None:
    assert vite(text.replace("STRIPPED", "path.replace(/^\\/api/, '')")) == (forward,)


def test_vue_has_patterns_and_its_own_defaults() -> None:
    assert vue("'http://api:5000'") == (
        Forward(API, keeps_host=False, upgrades=True, tells_client=True, changes_origin=True),
    )
    assert vue("{ '/api': { target: 'http://api:5000', ws: false, pathRewrite: { '^/api': '' } } }") == (
        Forward(
            API, pattern="/api", removed="/api", keeps_host=False, tells_client=True, changes_origin=True
        ),
    )
    assert vue("{ '^/api': { target: 'http://api:5000' } }") == (
        Forward(API, "/api", keeps_host=False, upgrades=True, tells_client=True, changes_origin=True),
    )
    assert isinstance(vue("{ '/a.*': { target: 'http://api:5000' } }"), Untold)


def test_angular() -> None:
    text = '{ "/api": { "target": "http://api:5000", "secure": false, "pathRewrite": { "^/api": "" } } }'
    assert forwards_of_angular(text, is_json=True) == (Forward(API, "/api", removed="/api"),)
    text = '{ // all of it\n "/api/**": { "target": "http://api:5000" }, "/x/*": { "target": "http://x" } }'
    assert forwards_of_angular(text, is_json=True) == (
        Forward(API, pattern="^/api(/|$)"),
        Forward("http://x", pattern="^/x/[^/]+$"),
    )
    module = (
        "const PROXY = { '/api': { target: 'http://api:5000', logLevel: 'debug' } };\nmodule.exports = PROXY;"
    )
    assert forwards_of_angular(module, is_json=False) == (Forward(API, "/api"),)
    assert isinstance(forwards_of_angular("[{ context: ['/api'], target: 'http://api' }]", True), Untold)
    assert isinstance(forwards_of_angular("nonsense {", is_json=True), Untold)


def test_package() -> None:
    assert forwards_of_package("http://api:5000") == (
        Forward(API, keeps_host=False, upgrades=True, tells_client=True, changes_origin=True),
    )
    assert isinstance(forwards_of_package({"/api": {"target": "http://api"}}), Untold)
    assert isinstance(forwards_of_package("https://api"), Untold)


SETUP = """const { createProxyMiddleware } = require('http-proxy-middleware');

module.exports = function (app) {
  app.use(
    '/api',
    createProxyMiddleware({
      target: 'http://api:5000',
      changeOrigin: true,
    })
  );
};
"""


@pytest.mark.parametrize(
    "text",
    [
        SETUP,
        SETUP.replace("function (app)", "(app) =>"),
        SETUP.replace("function (app)", "app =>"),
        SETUP.replace("function (app)", "function setup(app)"),
        SETUP.replace("{ createProxyMiddleware }", "proxy").replace("createProxyMiddleware", "proxy"),
        SETUP.replace("module.exports =", "export default"),
    ],
)  # fmt: skip
def test_setup_of_create_react_app(text: str) -> None:
    forward = Forward(API, pattern="^/api(/|$)", keeps_host=False)
    assert forwards_of_setup(text, "^2.0.6") == (forward,)
    assert forwards_of_setup(text, "^3.0.0") == (
        Forward(API, pattern="^/api(/|$)", removed="/api", keeps_host=False),
    )


def test_setup_with_the_path_elsewhere() -> None:
    inside = SETUP.replace("'/api',", "").replace("Middleware({", "Middleware('/api', {")
    assert forwards_of_setup(inside, "^2.0.6") == (Forward(API, "/api", keeps_host=False),)
    several = SETUP.replace("'/api',", "['/api', '/auth'],")
    assert forwards_of_setup(several, "^1.0.0") == (
        Forward(API, pattern="^/api(/|$)", keeps_host=False),
        Forward(API, pattern="^/auth(/|$)", keeps_host=False),
    )


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (SETUP, ""),
        (SETUP, "latest"),
        (SETUP.replace("app.use(", "app.use(cors());\n  app.use("), "2"),
        (SETUP.replace("app.use(", "app.get('/x', answer);\n  app.use("), "2"),
        (SETUP.replace("app.use(", "if (local) app.use("), "2"),
        (SETUP.replace("'http://api:5000'", "process.env.API"), "2"),
        (SETUP.replace("'/api',", ""), "2"),
        (SETUP.replace("'/api',", "['/api', PATH],"), "2"),
        (SETUP.replace("'/api',", "").replace("Middleware({", "Middleware('/api', {"), "3"),
        (SETUP.replace("createProxyMiddleware({", "logged({"), "2"),
        ("module.exports = setup;", "2"),
        ("", "2"),
    ],
)
def test_setup_that_does_more_is_not_told(text: str, version: str) -> None:
    assert isinstance(forwards_of_setup(text, version), Untold)
