"""Tests of the check that the built documentation loads nothing from another host."""

from pathlib import Path

import pytest

from tools import docs_site


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", '<script src="https://cdn.example/x.js"></script>'),
        ("a.html", '<script src="//cdn.example/x.js"></script>'),
        ("a.html", '<link rel="stylesheet" href="https://fonts.example/css">'),
        ("a.html", '<link rel="preconnect" href="https://fonts.example">'),
        ("a.html", '<img src="HTTPS://img.example/x.png">'),
        ("a.html", "<style>@import 'https://fonts.example/css'</style>"),
        ("a.html", '<p style="background: url(https://img.example/x.png)">'),
        ("a.html", '<pre class="mermaid"><code>flowchart LR</code></pre>'),
        ("a.css", "@font-face {src: url(https://fonts.example/x.woff2)}"),
        ("a.css", '.logo {background: url("//img.example/x.svg")}'),
        ("a.svg", '<svg><image xlink:href="https://img.example/x.png"/></svg>'),
    ],
)
def test_content_of_another_host_is_reported(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / name).write_text(content)
    assert len(docs_site.list_outside_fetches(tmp_path)) == 1


@pytest.mark.parametrize(
    "content",
    [
        '<a href="https://kind.example">kind</a>',
        '<link rel="canonical" href="https://docs.example/">',
        '<script src="../assets/x.js"></script>',
        '<img src="data:image/png;base64,AAAA">',
        '<pre class="mermaid"></pre><script src="assets/mermaid.min.js"></script>',
    ],
)
def test_links_and_own_files_are_allowed(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.html").write_text(content)
    assert docs_site.list_outside_fetches(tmp_path) == []


def test_a_page_without_a_diagram_does_not_load_mermaid() -> None:
    script = '<script src="../assets/mermaid.min.js"></script>'
    assert script not in docs_site.on_post_page(f"<p>text</p>{script}")
    assert script in docs_site.on_post_page(f'<pre class="mermaid"></pre>{script}')
