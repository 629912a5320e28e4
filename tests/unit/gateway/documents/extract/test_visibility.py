"""Tests of text that CSS hides in HTML: only text that may be visible is read."""

import pytest

from tests.support.text import html

SCREEN_READER_ONLY = (
    "position:absolute;width:1px;height:1px;padding:0;margin:-1px;overflow:hidden;clip:rect(0,0,0,0);border:0"
)


def extract_text(body: str, sheet: str = "") -> str:
    return html.extract_text(body, f"<style>{sheet}</style>")


@pytest.mark.parametrize(
    "style",
    [
        "font:0/0 serif",
        "font: italic bold 0px/2 'Times New Roman', serif",
        "font-size:1px",
        "font-size:.5pt",
        "font-size:1%",
        "font-size:0.05em",
        "font-size:1e-3px",
        "font-size:calc(1px - 1px)",
        "font-size:calc(2px - 2px)",
        "font-size:calc((3em - 1.5em*2)/2)",
        "font-size:max(0px,0vw)",
        "font-size:min(0px,5px)",
        "font-size:clamp(0px,0px,0px)",
        "font-size:calc(1px * sin(0))",
        "opacity:calc(0)",
        "opacity:calc(1 - 1)",
        "color:color-mix(in srgb, transparent, transparent)",
        "color:color-mix(in oklab, rgb(0 0 0 / 0) 30%, #0000)",
        "display:none;display:bogus",
        "display:none;display:block bogus",
        "visibility:hidden;visibility:shown",
        "content-visibility:hidden;content-visibility:bogus",
        "max-height:calc(1px - 1px);overflow:hidden",
        "color:transparent",
        "color:rgba(0,0,0,0)",
        "color:rgba(12, 13, 14, .02)",
        "color:rgb(0 0 0 / 0%)",
        "color:#fff0",
        "color:#11223300",
        "color:hsla(120,50%,50%,0)",
        "color:oklch(50% 0.1 20 / 0)",
        "-webkit-text-fill-color:transparent",
        "opacity:.05",
        "opacity:5%",
        "filter:opacity(0)",
        "filter:blur(1px) opacity(0%)",
        "position:absolute;left:-9999px",
        "position:absolute;top:-9999px",
        "position:fixed;left:-999em",
        "position:relative;left:-5000px",
        "position:absolute;right:9999px",
        "position:absolute;inset:0 auto auto -9999px",
        "margin-left:-9999px",
        "margin:0 0 0 -9999px",
        "text-indent:-9999px",
        "text-indent:-999em",
        "text-indent:100%;white-space:nowrap;overflow:hidden",
        "transform:translateX(-9999px)",
        "transform:translate(0, -9999px)",
        "translate:-9999px",
        "position:absolute;clip:rect(0,0,0,0)",
        "position:absolute;clip:rect(1px 1px 1px 1px)",
        SCREEN_READER_ONLY,
        "clip-path:inset(100%)",
        "clip-path:inset(50%)",
        "clip-path:inset(0 100% 0 0)",
        "clip-path:circle(0)",
        "-webkit-clip-path:circle(0 at 50% 50%)",
        "clip-path:ellipse(0 50%)",
        "clip-path:polygon(0 0, 0 0, 0 0)",
        "transform:scale(0)",
        "transform:scale(0.01)",
        "transform:rotate(3deg) scaleX(0)",
        "transform:matrix(0,0,0,0,0,0)",
        "scale:0",
        "content-visibility:hidden",
        "width:0;overflow:hidden",
        "height:1px;width:1px;overflow:hidden",
        "height:0;overflow-y:hidden",
        "block-size:0;overflow:clip",
        "max-height:0;overflow:auto",
        "--d:none;display:var(--d)",
        "display:var(--missing, none)",
        "--a:0;color:rgba(0,0,0,var(--a))",
        "--f:0/0 serif;font:var(--f)",
    ],
)
def test_text_hidden_by_a_style_is_not_read(style: str) -> None:
    assert extract_text(f'<div style="{style}">Secret.</div>') == "Seen. Last."
    assert extract_text(f'<div style="{style}"><p><b>Secret.</b></p></div>') == "Seen. Last."
    assert extract_text('<div class="x">Secret.</div>', f".x{{{style}}}") == "Seen. Last."
    assert extract_text('<div class="x">Secret.</div>', f"@media screen{{.x{{{style}}}}}") == "Seen. Last."


@pytest.mark.parametrize(
    "sheet",
    [
        "@media all{.x{display:none}}",
        "@media only screen{.x{display:none}}",
        "@media not print{.x{display:none}}",
        "@media screen, print{.x{display:none}}",
        "@media (min-width:1px){.x{display:none}}",
        "@media (width >= 1px){.x{display:none}}",
        "@media (0px < width < 90000px){.x{display:none}}",
        "@media (max-width:600px){.x{display:none}} @media (min-width:601px){.x{display:none}}",
        "@media (orientation:portrait), (orientation:landscape){.x{display:none}}",
        "@media screen{@media (min-width:1px){.x{display:none}}}",
        "@supports (display:block){.x{display:none}}",
        "@supports (display:grid) and (color:red){.x{display:none}}",
        "@supports (-foo-bar:1) or (not (-foo-bar:1)){.x{display:none}}",
        "@supports (color:red){@media all{.x{display:none}}}",
        "@layer base{.x{display:none}}",
        ":root{--d:none} .x{display:var(--d)}",
        ":root{--a:var(--b);--b:none} .x{display:var(--a)}",
        "body{.x{display:none}}",
        "body{& > .x{display:none}}",
        ".x{@media screen{display:none}}",
        ".x{display:none!important} .x{display:block}",
        "div.x{display:none} .x{display:block}",
        ".y::before, .x{display:none}",
        "body{font-size:1px} .x{font-size:1em} body > p{font-size:16px}",
        ".x{opacity:0;animation:missing 1s}",
        ".x{display:none} @media print{.x{display:block}}",
    ],
)
def test_text_hidden_by_a_rule_is_not_read(sheet: str) -> None:
    assert "Secret." not in extract_text('<div class="x">Secret.</div>', sheet)
    assert extract_text('<p class="z">Kept.</p>', sheet).endswith("Kept. Last.")


@pytest.mark.parametrize(
    "style",
    [
        "font:12px/0 serif",
        "font:bold 1.5em sans-serif",
        "font-size:2px",
        "font-size:.7rem",
        "font-size:clamp(0px, 2vw, 20px)",
        "font-size:calc(1em - 2px)",
        "font-size:calc(1px + 1vw)",
        "font-size:max(1px, 1rem)",
        "font-size:calc(1px -1px)",
        "font-size:calc(1 / 0 * 1px)",
        f"font-size:calc({'(' * 99}0px{')' * 99})",
        "font-size:bogus(0px)",
        "opacity:calc(1 - .5)",
        "color:color-mix(in srgb, transparent, red)",
        "color:color-mix(in srgb, transparent)",
        "color:color-mix(in srgb, transparent, bogus)",
        "display:none;display:inline flex",
        "display:none;display:list-item block flow",
        "display:none;display:revert",
        "visibility:hidden;visibility:visible",
        "color:rgba(0,0,0,.5)",
        "color:white",
        "color:currentcolor",
        "color:color-mix(in srgb, red, blue)",
        "background:linear-gradient(red,blue);-webkit-background-clip:text;color:transparent",
        "background:linear-gradient(red,blue) text;-webkit-text-fill-color:transparent",
        "color:transparent;text-shadow:0 0 3px #000",
        "color:transparent;-webkit-text-stroke:1px black",
        "opacity:.4",
        "opacity:var(--shown, 1)",
        "position:absolute;left:-10px;top:-20px",
        "position:relative;left:-100%",
        "left:-9999px",
        "position:static;left:-9999px",
        "margin-left:-9999px;padding-left:9999px",
        "margin-bottom:-9999px;padding-bottom:9999px",
        "text-indent:-2em",
        "transform:translateX(-50%)",
        "transform:scale(.5)",
        "transform:matrix(1,0,0,1,0,0)",
        "clip:rect(0,0,0,0)",
        "position:absolute;clip:rect(0,100px,100px,0)",
        "position:absolute;clip:auto",
        "clip-path:inset(10%)",
        "clip-path:circle(50%)",
        "clip-path:polygon(0 0, 100% 0, 50% 100%)",
        "clip-path:url(#shape)",
        "width:0;flex:1;overflow:hidden",
        "height:0;flex-grow:1;overflow:auto",
        "height:0;padding-bottom:56.25%;overflow:hidden;position:relative",
        "height:0;min-height:10px;overflow:hidden",
        "height:0%;overflow:visible",
        "height:1%;overflow:hidden",
        "width:0;overflow:visible",
        "--d:none;display:block",
        "--d:block;display:var(--d)",
        "display:var(--missing)",
        "--a:var(--b);--b:var(--a);display:var(--a)",
    ],
)
def test_text_with_a_similar_but_visible_style_is_read(style: str) -> None:
    assert "Kept." in extract_text(f'<div style="{style}">Kept.</div>')
    assert "Kept." in extract_text('<div class="x"><p>Kept.</p></div>', f".x{{{style}}}")


@pytest.mark.parametrize(
    ("body", "sheet"),
    [
        ('<span style="width:0;overflow:hidden">Kept.</span>', ""),
        ('<span style="transform:scale(0)">Kept.</span>', ""),
        ('<span style="text-indent:-9999px">Kept.</span>', ""),
        ('<table><tr><td style="max-width:0;overflow:hidden">Kept.</td></tr></table>', ""),
        ('<p style="text-indent:-9999px">First line.<br>Kept.</p>', ""),
        (f'<p style="text-indent:-9999px">{"word " * 600} Kept.</p>', ""),
        ('<div style="text-indent:-9999px"><p style="text-indent:0">Kept.</p></div>', ""),
        ('<div style="position:absolute;left:-9999px"><p style="margin-left:9999px">Kept.</p></div>', ""),
        ('<div style="margin-left:-9999px"><p style="position:fixed;left:0">Kept.</p></div>', ""),
        ('<div style="color:transparent"><p style="color:black">Kept.</p></div>', ""),
        ('<div style="height:0;overflow:hidden"><p style="position:absolute">Kept.</p></div>', ""),
        ('<div style="font-size:1px"><p style="font-size:12pt">Kept.</p></div>', ""),
        ('<p style="font-size:16rem">Kept.</p>', "html{font-size:1px}"),
        ('<p class="x">Kept.</p>', "@media print{.x{display:none}}"),
        ('<p class="x">Kept.</p>', "@media not all{.x{display:none}}"),
        ('<p class="x">Kept.</p>', "@media (max-width:600px){.x{display:none}}"),
        ('<p class="x">Kept.</p>', ".x{display:none} @media (min-width:600px){.x{display:block}}"),
        ('<p class="x">Kept.</p>', ".x{display:none} @media (width > 1000px){.x{display:block}}"),
        ('<p class="x">Kept.</p>', "@media (prefers-color-scheme:dark){.x{display:none}}"),
        ('<p class="x">Kept.</p>', "@media not (prefers-color-scheme:dark){.x{display:none}}"),
        ('<p class="x">Kept.</p>', "@supports not (display:grid){.x{display:none}}"),
        ('<p class="x">Kept.</p>', "@supports (-foo-bar:1){.x{display:none}}"),
        ('<p class="x">Kept.</p>', "@container (min-width:1px){.x{display:none}}"),
        ('<p class="x">Kept.</p>', "@keyframes in{to{opacity:1}} .x{opacity:0;animation:in 1s forwards}"),
        ('<p class="x">Kept.</p>', "@starting-style{.x{opacity:0}}"),
        ('<p class="x" id="a">Kept.</p>', "#a{display:block} .x{display:none}"),
        ('<p class="x">Kept.</p>', ".x{display:block!important} p.x{display:none}"),
        ('<p class="x">Kept.</p>', "@layer a{p.x{display:none}} .x{display:block}"),
        ('<p class="x">Kept.</p>', ".x, p:unknown-thing(1{display:none}"),
        ('<p class="x" hidden>Kept.</p>', ".x{display:block}"),
        ('<p class="x" hidden>Kept.</p>', "@media screen{.x{display:flex}}"),
        ('<style media="print">.x{display:none}</style><p class="x">Kept.</p>', ""),
        ('<noscript><style>.x{display:none}</style></noscript><p class="x">Kept.</p>', ""),
        ('<div style="--d:none"></div><p class="x">Kept.</p>', ".x{display:var(--d)}"),
        ('<p class="x">Kept.</p>', ":root{--d:none} body{--d:block} .x{display:var(--d)}"),
    ],
)
def test_text_that_a_later_rule_shows_is_read(body: str, sheet: str) -> None:
    assert "Kept." in extract_text(body, sheet)


def test_custom_properties_that_grow_exponentially_take_linear_time() -> None:
    rules = "".join(f"--v{number}:var(--v{number + 1}) var(--v{number + 1});" for number in range(60))
    assert "Kept." in extract_text('<p class="x">Kept.</p>', f".x{{{rules}--v60:none;display:var(--v0)}}")


def test_rules_that_cannot_hide_do_not_count_towards_the_limit() -> None:
    sheet = "".join(f".c{number}{{color:red;padding:2px;width:50%}}" for number in range(3000))
    assert extract_text('<p class="x">Secret.</p>', f"{sheet}.x{{display:none}}") == "Seen. Last."
