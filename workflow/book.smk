# The book from tables: a rule a notebook, the explorer's scripts, what students get, and the site of them all. Each part has a
# note of what it opened, which is gone where that has changed since.
import os

from txray_lib import engine
from txray_lib.book import building, handouts
from txray_lib.engine.tracking import code_hash, module_file
from txray_lib.places import RESULTS_VARIABLE, root

PROFILE, SHOW = config["profile"], config["show"]
PAGES = {page.name: page for page in building.list_pages(PROFILE)}
PARTS = {
    "explorer": ([root() / building.SHARDS / PROFILE / "n0.js"], building.make_shards, PROFILE),
    "students": (building.list_handouts(), handouts.build_students),
}
CODE = {"explorer": "explorer", "students": "book.handouts"}
NOTES = {name: root() / f"build/{name}.opened" for name, (files, *_) in PARTS.items() if files}


def below(paths):
    return [str(path.relative_to(root())) if path.is_relative_to(root()) else str(path) for path in paths]


rule all:
    input:
        building.SITE,
        below([*(page.note for page in PAGES.values()), *NOTES.values()]),


rule site:
    input:
        below([page.out for page in PAGES.values()]),
        [below(PARTS[name][0]) for name in NOTES],
    output:
        building.SITE,
    params:
        carried=building.hash_archive(),
        code=code_hash(*map(module_file, ("book.extension", "book.files", "book.building"))),
    run:
        engine.say("the pages of the site")
        engine.apart(building.make_site, [page.out for page in PAGES.values()])


for NAME, PAGE in PAGES.items():

    rule:
        name:
            f"page-{NAME}"
        input:
            below([PAGE.source]),
        output:
            below([PAGE.out, PAGE.note]),
        params:
            settings=PAGE.settings + building.settle_note(PAGE.note, SHOW),
            code=code_hash(PAGE.source, *map(module_file, ("book.notebooks", "book.kernels"))),
        run:
            engine.say(f"executing {rule.removeprefix('page-')}")
            page = PAGES[rule.removeprefix("page-")]
            engine.apart(building.make_noted, page.note, building.make_page, page)


for NAME, NOTE in NOTES.items():

    rule:
        name:
            NAME
        output:
            below([*PARTS[NAME][0], NOTE]),
        params:
            given=str([*PARTS[NAME][2:], os.environ.get(RESULTS_VARIABLE, "")]) + building.settle_note(NOTE, SHOW),
            code=code_hash(module_file(CODE[NAME])),
        run:
            engine.say(f"for the book: {rule}")
            engine.apart(building.make_noted, NOTES[rule], *PARTS[rule][1:])
