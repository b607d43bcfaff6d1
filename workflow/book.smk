# The book from tables: a rule a notebook, the explorer's scripts, what students get, and the site of them all.
import json

from txray_lib import engine
from txray_lib.book import building as bookbuild
from txray_lib.book import handouts
from txray_lib.places import root

BOOK = bookbuild.Book(config["profile"])
STUDENTS = bookbuild.student_files()


def below(path):
    return str(path.relative_to(root())) if path.is_relative_to(root()) else str(path)


rule site:
    input:
        [below(page.out) for page in BOOK.pages],
        [below(path) for path in (BOOK.shards, *STUDENTS, *BOOK.sources)],
    output:
        bookbuild.SITE,
    params:
        strict=config["strict"],
        carried=BOOK.carried,
        code=BOOK.code("book.extension", "book.files", "book.building"),
    run:
        engine.say("the pages of the site")
        engine.apart(bookbuild.make_site, [page.out for page in BOOK.pages], bool(config["strict"]))


PAGES = {page.name: page for page in BOOK.pages}
for NAME, PAGE in PAGES.items():

    rule:
        name:
            f"page-{NAME}"
        input:
            below(PAGE.source),
        output:
            below(PAGE.out),
        params:
            settings=PAGE.settings,
            tables=BOOK.tables,
            code=BOOK.page_code(PAGE),
        run:
            engine.say(f"executing {rule.removeprefix('page-')}")
            engine.apart(bookbuild.make_page, PAGES[rule.removeprefix("page-")])


rule explorer:
    output:
        below(BOOK.shards),
    params:
        tables=BOOK.tables,
        code=BOOK.code("explorer"),
    run:
        engine.say(f"the explorer's tables of {BOOK.profile}")
        engine.apart(bookbuild.make_shards, BOOK.profile)


if STUDENTS:

    rule students:
        input:
            [below(path) for path in handouts.course_notebooks().values()],
        output:
            [below(path) for path in STUDENTS],
        params:
            tables=BOOK.tables,
            code=BOOK.code("book.handouts"),
        run:
            engine.apart(handouts.build_students)
