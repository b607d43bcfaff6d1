"""The neuron explorer in a real browser, from disk: found by number, word, point, list and address; hostile words inert."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from browsing import Heard, listen, pages, write_page
from telling_tables import HOSTILE, write_second_layer, write_tables

from txray_lib import explorer
from txray_lib.book.extension import figure
from txray_lib.figures.theme import finish
from txray_lib.results import Results
from txray_lib.tables import read_table, write_table

STRANGE = {
    "river": "</textarea>",
    "castle": """"'`""",
    "film": "\u202eevil\u202c",
    "plot": "__proto__",
    "scene": 'a\rb,"c',
}
"""Words of the tables, and what stands in their place here."""
SHOWN = ".txray-explorer[data-part=detail]"


def wait_for(page, neuron: int) -> None:
    page.wait_for_function(f"document.querySelector('{SHOWN}').dataset.shown === '{neuron}'")


def open_explorer(browser, path: Path, address: str = "") -> tuple[object, Heard]:
    page, heard = listen(browser, path.as_uri() + address)
    page.wait_for_function(f"document.querySelector('{SHOWN}').dataset.shown !== undefined")
    return page, heard


@pytest.fixture
def built(site: Path) -> Path:
    return next(p for p in pages(site) if p.stem == "explorer")


def listed(page) -> list[int]:
    return page.evaluate("[...document.querySelector('#txray-list').options].map(o => Number(o.value))")


def test_a_neuron_is_found_by_number_list_address_and_neighbour(browser, built: Path) -> None:
    page, heard = open_explorer(browser, built)
    neurons = listed(page)
    assert len(neurons) > 20
    page.fill("#txray-find", str(neurons[3]))
    page.keyboard.press("Enter")
    wait_for(page, neurons[3])
    assert page.inner_text("#txray-chosen") == f"Neuron {neurons[3]}"
    assert f"#neuron={neurons[3]}" in page.url
    page.focus("#txray-list")
    page.keyboard.press("ArrowDown")
    wait_for(page, neurons[4])
    page.click("text=‹ previous")
    wait_for(page, neurons[3])
    other, _ = open_explorer(browser, built, f"#neuron={neurons[5]}")
    wait_for(other, neurons[5])
    near = page.locator(".txray-near button").first
    neighbour = int(near.inner_text())
    near.click()
    wait_for(page, neighbour)
    assert (heard.external, heard.failed, heard.ours()) == ([], [], [])


def test_a_word_leads_to_the_neurons_that_win_it(browser, built: Path) -> None:
    page, heard = open_explorer(browser, built)
    word = page.locator(".txray-bars").nth(1).locator("th").first.inner_text().replace("◆", "").strip()
    page.keyboard.press("/")
    page.keyboard.type(word)
    page.keyboard.press("Enter")
    page.wait_for_selector(".txray-found button")
    assert "is won" in page.inner_text(".txray-found")
    page.locator(".txray-found button").first.click()
    page.fill("#txray-find", "no-such-word")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('.txray-found').textContent.includes('No neuron')")
    assert heard.ours() == []


def test_a_click_on_a_point_shows_its_neuron(browser, built: Path) -> None:
    page, heard = open_explorer(browser, built)
    figure_of = page.locator(".txray-chart").first
    figure_of.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('.txray-chart').dataset.drawn")
    before = page.inner_text("#txray-chosen")
    box = page.locator(".txray-chart canvas").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.55, box["y"] + box["height"] * 0.4)
    page.wait_for_function(f"document.querySelector('#txray-chosen').textContent !== {json.dumps(before)}")
    assert heard.ours() == []


def test_another_comparison_is_drawn_and_named(browser, built: Path) -> None:
    page, heard = open_explorer(browser, built)
    neuron = listed(page)[0]
    for number in ("0", "1"):
        page.evaluate(f"location.hash = 'neuron={neuron}&comparison={number}'")
        page.wait_for_function(f"document.querySelector('#txray-comparison').value === '{number}'")
        name = page.evaluate("document.querySelector('#txray-comparison').selectedOptions[0].textContent")
        assert name in page.inner_text(".txray-chart figcaption")
        assert name in page.locator(".txray-vega").first.get_attribute("aria-label")
    assert heard.ours() == []


def table_of(taken) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(taken.value.path()).read_text(encoding="utf-8").splitlines()))


def test_tables_can_be_downloaded(browser, built: Path) -> None:
    page, _ = open_explorer(browser, built)
    with page.expect_download() as taken:
        page.click("text=Download (CSV)")
    rows = table_of(taken)
    assert all(row["neuron"].isdigit() for row in rows)
    assert {row["state"] for row in rows} >= {"shared"}
    with page.expect_download() as taken:
        page.click("text=in every stage (CSV)")
    rows = table_of(taken)
    for stage in {row["stage"] for row in rows}:
        assert sum(float(row["p"]) for row in rows if row["stage"] == stage) == pytest.approx(1, abs=0.01)


def test_an_address_that_names_no_neuron_says_so(browser, built: Path) -> None:
    page, heard = open_explorer(browser, built, "#neuron=many")
    assert "names no neuron" in page.inner_text(".txray-found")
    other, _ = open_explorer(browser, built, "#neuron=99999999")
    assert "this encoder has the neurons 0 to" in other.inner_text(".txray-found")
    assert heard.ours() == []


def hostile_page(folder: Path, layered: bool = False, quoted: str | None = "wikitext-2") -> Path:
    """An explorer of neurons that prefer markup, quotes and marks of direction, where asked in two layers.

    quoted  the source of the text that is quoted; None: the run keeps no contexts
    """
    results = Results("tiny", write_tables(folder / "tiny"), "frozen")
    contexts = results.folder / "contexts.parquet"
    if quoted is None:
        contexts.unlink()
    else:
        write_table(read_table(contexts).assign(source=quoted), contexts, results.provenance)
    for stage in results.roles:
        path = results.folder / "preferences" / f"{stage}.parquet"
        rows = read_table(path)
        write_table(rows.assign(feature=rows["feature"].cat.rename_categories(STRANGE)), path, results.provenance)
    if layered:
        write_second_layer(results.folder)
    explorer.write_shards(results, folder / "explorer" / "tiny")
    points = explorer.points(results, 0.05)
    c = int(points.loc[points["after"] == results.stage("supervised"), "c"].iloc[0])
    controls, detail = (frame.data for frame in explorer.frames(results, 0.05, c, 2))
    units = explorer.units_of(results) if layered else 0
    drawn = figure(finish(explorer.chart(points, c, 2, units), "A point for each neuron.").to_dict())
    return write_page(folder, controls + drawn + detail, "txray-explorer")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile_page(tmp_path_factory.mktemp("hostile"))


def test_hostile_words_are_shown_and_found_and_run_nothing(browser, hostile: Path) -> None:
    page, heard = open_explorer(browser, hostile, "#neuron=2")
    wait_for(page, 2)
    while page.locator("text=show more").count():
        page.locator("text=show more").first.click()
    shown = page.inner_text(SHOWN)
    wanted = [*(token for token in HOSTILE if len(token) < 40), *STRANGE.values()]
    assert [token for token in wanted if token.replace("\r", " ") not in shown.replace("\n", " ")] == []
    for token in (HOSTILE[0], *list(STRANGE.values())[:4]):
        page.fill("#txray-find", token)
        page.click("text=Find")
        page.wait_for_function("document.querySelector('.txray-found').textContent.length > 10")
    assert page.locator(f"{SHOWN} script, {SHOWN} b").count() == 0
    assert (heard.external, heard.errors) == ([], [])


def test_the_strongest_tokens_are_shown_in_the_text_with_its_source(browser, hostile: Path) -> None:
    page, heard = open_explorer(browser, hostile, "#neuron=2")
    quoted = page.locator(".txray-quoted li")
    assert quoted.count() == 1
    assert HOSTILE[0] in quoted.inner_text()
    assert len(quoted.locator("mark").inner_text()) > 0
    assert [link.get_attribute("href") for link in page.locator(".txray-credit a").all()] == [
        "https://wikitext.smerity.com",
        "https://creativecommons.org/licenses/by-sa/4.0/",
    ]
    assert page.locator(f"{SHOWN} script, {SHOWN} b").count() == 0
    assert (heard.external, heard.errors) == ([], [])


@pytest.mark.parametrize("quoted", [None, "world"])
def test_what_a_neuron_does_not_have_leaves_no_word(browser, tmp_path: Path, quoted: str | None) -> None:
    """Neither contexts, in a run that kept none, nor a source to name beside the text of a world."""
    page, heard = open_explorer(browser, hostile_page(tmp_path, quoted=quoted), "#neuron=2")
    wait_for(page, 2)
    assert page.locator(".txray-quoted li").count() == (quoted is not None)
    assert page.locator(".txray-credit").count() == 0
    words = page.evaluate(
        """() => {
            const nodes = document.createNodeIterator(document.body, NodeFilter.SHOW_TEXT), words = [];
            for (let node; node = nodes.nextNode();) words.push(node.data.trim());
            return words;
        }"""
    )
    assert "Neuron 2" in words
    assert {"null", "undefined", "NaN"}.isdisjoint(words)
    assert heard.errors == []


def test_a_layer_is_chosen_and_stands_in_the_address(browser, tmp_path: Path) -> None:
    path = hostile_page(tmp_path, layered=True)
    page, heard = open_explorer(browser, path, "#neuron=2")
    assert page.inner_text("#txray-chosen") == "Neuron 2 of layer 0"
    there = listed(page)
    page.select_option("#txray-layer", "2")
    page.wait_for_function("document.querySelector('#txray-chosen').textContent.endsWith('of layer 2')")
    assert len(listed(page)) == len(there)
    assert "layer=2" in page.url
    page.fill("#txray-find", "37")
    page.click("text=Find")
    wait_for(page, 2 * 40 + 37)
    again, _ = open_explorer(browser, path, page.url[page.url.index("#") :])
    assert again.inner_text("#txray-chosen") == "Neuron 37 of layer 2"
    assert (heard.external, heard.errors) == ([], [])


def test_a_missing_script_is_told(browser, hostile: Path, tmp_path: Path) -> None:
    shutil.copytree(hostile.parent, tmp_path, ignore=shutil.ignore_patterns("explorer"), dirs_exist_ok=True)
    page, _ = open_explorer(browser, tmp_path / hostile.name, "#neuron=3")
    page.wait_for_selector(f"{SHOWN} [role=alert]")
    assert "_static/explorer" in page.inner_text(SHOWN)
