"""A user's own text and labels: how a file becomes documents, and what is said of every way in which it can be wrong."""

import csv
import gzip
import json
import re
import unicodedata
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txray_lib.corpora import Vocabulary
from txray_lib.corpora.documents import content_hash, load_corpus_file, shared_blocks
from txray_lib.corpora.files import Faults, read_table
from txray_lib.corpora.own import load_labelled, load_text, load_words
from txray_lib.errors import TxrayError

SIZES = {"train": 4, "valid": 2, "test": 2}
ROWS = [(f"Text {number} is {'fine' if number % 2 else 'poor'}.", ("no", "yes")[number % 2]) for number in range(12)]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def write_csv(path: Path, rows: list[tuple[str, ...]] = ROWS, header: tuple[str, ...] = ("text", "label")) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([header, *rows])
    return path


def write_json(path: Path, rows: list[dict[str, object]]) -> Path:
    return write(path, "\ufeff" + "\n\ufeff".join(map(json.dumps, rows)) + "\n\n")


def error_of(path: Path, sizes: dict[str, int] = SIZES, **given: object) -> str:
    with pytest.raises(TxrayError) as error:
        load_labelled(path, "mine", sizes, 1, **given)
    assert str(path) in str(error.value)
    return str(error.value)


def check_said(said: list[str], *told: str) -> None:
    """Each line holds what it should, a key word or a number."""
    assert len(said) == len(told)
    for line, pattern in zip(said, told, strict=True):
        assert re.search(pattern, line)


def test_a_line_is_a_document_and_a_blank_line_begins_a_block(tmp_path):
    text = "\nOne well-made line.  It goes on!\r\nAnother one.\n\n  \nA second block.\n\nA third, last.\n\n"
    corpus = load_text(write(tmp_path / "text.txt", text), "wiki", 1)
    assert [d.name for d in corpus] == ["line-0000002", "line-0000003", "line-0000006", "line-0000008"]
    assert [d.block for d in corpus] == ["block-000000", "block-000000", "block-000001", "block-000002"]
    assert corpus.documents[0].tokens == ("One", "well", "@-@", "made", "line", ".", "It", "goes", "on", "!")
    assert corpus.documents[0].sentences == (0, 6)
    assert {d.label for d in corpus} == {None}
    assert Counter({d.block: d.split for d in corpus}.values()) == {"valid": 1, "train": 2}
    assert len({(d.block, d.split) for d in corpus}) == 3
    corpus = load_text(write(tmp_path / "text.txt", "".join(f"Line {i}.\n" for i in range(40)) + "\n"), "wiki", 1)
    assert len({d.block for d in corpus}) == len(corpus) == 40, "without blank lines every line is a block"
    assert Counter(d.split for d in corpus) == {"valid": 2, "train": 38}


def test_what_is_wrong_with_a_text_is_told(tmp_path):
    path = tmp_path / "text.txt"
    with pytest.raises(TxrayError, match=r"text\.txt cannot be read \(No such file .*TXRAY_DATA"):
        load_text(path, "wiki", 1)
    for content, told in {"one line": "holds 1 block", "\u200b\n\n\u200e": "holds 0 block"}.items():
        with pytest.raises(TxrayError, match=rf"text\.txt {told}"):
            load_text(write(path, content), "wiki", 1)
    with pytest.raises(TxrayError, match=r"a\.csv is a table, and plain text is wanted"):
        load_text(write_csv(tmp_path / "a.csv"), "wiki", 1)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b" \n\n ", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"fi\n\xe9t\xe9\n", ": line 2 is not UTF-8.* cp1252"),
        (b"PK\x03\x04\xff", "is a zip archive"),
        (gzip.compress(b"text,label\n", mtime=0), "is compressed. Unpack it"),
        (b"PAR1\x15\x04\x15", "is a Parquet file"),
        (b"SQLite format 3\0", "is a database"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "is an old Office file"),
        ("text,label\nA,1\n".encode("utf-16"), "is UTF-16"),
        ("text,label\nA,1\n".encode("utf-16-le"), "is full of control characters: binary, or UTF-16"),
        ("text,label\n\u0416\u0418,1\n".encode("utf-16-be"), "is full of control characters"),
        (b"ARROW1\0\0\x04\0\0\0\x18\0\0\0", "is full of control characters"),
        (b"<!DOCTYPE html><html>\n\nNot found", "is a web page"),
        (b"\xef\xbb\xbf\n <HTML lang='de'>\n<body>\nNot found", "is a web page"),
        (b"<?xml version='1.0'?>\n<Error/>\n", "is a web page or XML"),
    ],
)
def test_what_is_no_text_is_told_as_what_it_is(tmp_path, content, told):
    with pytest.raises(TxrayError, match=rf"text\.txt:? ?{told}"):
        load_text(write(tmp_path / "text.txt", content), "wiki", 1)


@pytest.mark.parametrize("start", ["par1", "PAR1", "Bzh", "SQLite format 3", "<html>", "<?xml", "<!doctype html>"])
def test_a_text_that_begins_as_other_files_do_is_read(tmp_path, start):
    corpus = load_text(write(tmp_path / "text.txt", f"{start} is a start.\nSo is <b>."), "wiki", 1)
    assert (len(corpus), corpus.documents[0].tokens[-4:]) == (2, ("is", "a", "start", "."))
    table = f"{start},text,label\n" + "".join(f"{start},{text},{label}\n" for text, label in ROWS)
    assert len(load_labelled(write(tmp_path / "a.csv", table), "mine", SIZES, 1).corpus) == len(ROWS)


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("text.txt", lambda path: load_text(path, "mine", 1)),
        ("words.txt", lambda path: load_words(path, lowercase=True)),
        ("a.csv", lambda path: load_labelled(path, "mine", SIZES, 1)),
        ("a.jsonl", lambda path: load_labelled(path, "mine", SIZES, 1)),
    ],
)
def test_a_file_that_was_not_fetched_is_told_whatever_it_is_read_as(tmp_path, name, load):
    with pytest.raises(TxrayError, match=rf"{name} is a Git LFS pointer"):
        load(write(tmp_path / name, b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"))


def test_spelling_and_marks_that_nobody_sees_make_no_other_token_and_are_told(tmp_path):
    composed, said = "Caf\u00e9 na\u00efve.\nA \u2764 <br /> heart.\nOne more.\n", list[str]()
    apart = "\ufeff\ufeff" + unicodedata.normalize("NFD", composed)
    apart = apart.replace("\u2764", "\u2764\ufe0f\u200e").replace("One", "O\x01n\u00ade")
    apart = apart.replace("<br />", "&lt;br /&gt;&#8206;").replace("more.\n", "more.\r")
    read = load_text(write(tmp_path / "text.txt", apart), "wiki", 1, said.append)
    assert read == load_text(write(tmp_path / "text.txt", composed), "wiki", 1)
    assert [" ".join(d.tokens) for d in read] == ["Caf\u00e9 na\u00efve .", "A \u2764 heart .", "One more ."]
    assert read.documents[1].sentences == (0, 2), "a line break escaped twice ends a sentence"
    check_said(said, r"CR.* 1$", "3 documents", r"nobody sees.* 5 \(U\+200E LEFT-TO-RIGHT MARK, U\+")
    path = write(tmp_path / "words.txt", "<unk>\ncafe\u0301\n<eos>\n")
    assert load_words(path, lowercase=True)[0].words == ("<unk>", "caf\u00e9", "<eos>")
    said.clear()
    load_words(write(path, "the\nthe \nan\u200b\n<unk>\n<eos>\n\ufffd\n"), lowercase=True, say=said.append)
    check_said(said, r"U\+FFFD\): 1$", r"no token is.* 2, such as 'the ', 'an\\u200b'")
    with pytest.raises(TxrayError, match="line 2 'caf\u00e9': a word of an earlier line"):
        load_words(write(path, "caf\u00e9\ncafe\u0301\n<unk>\n<eos>\n"), lowercase=True)


def test_three_kinds_of_table_give_the_same_documents(tmp_path):
    rows = [('He said, "Fine\t – no."\nSo be it.', "yes"), ("word " * 60_000 + "\u2028 end\x0b\x85", "no"), *ROWS]
    files = [
        write_csv(tmp_path / "a.csv", rows),
        write_csv(tmp_path / "a.tsv", rows),
        write_json(tmp_path / "a.jsonl", [{"text": t, "label": y, "of": {"x": 1, "x ": 2}} for t, y in rows]),
    ]
    read = [load_labelled(path, "mine", SIZES, 1) for path in files]
    assert len({content_hash(each.corpus) for each in read}) == 1
    assert {each.labels for each in read} == {("no", "yes")}
    first, long = read[0].corpus.documents[:2]
    assert " ".join(first.tokens) == 'He said , " Fine – no . " So be it .'
    assert (first.sentences, len(long)) == ((0, 9), 60_001)
    assert [d.label for d in read[0].corpus] == [1, 0, *(number % 2 for number in range(12))]


PIECES = st.text(alphabet='ab,;|\t"\n\\ .', min_size=1, max_size=12).filter(str.strip)
LABELLED = st.lists(st.tuples(PIECES, st.sampled_from(["pos", "neg"])), max_size=12)
ROWS_READ = {"text": "text", "label": "label"}


def rows_of(path: Path, said: list[str]) -> list[tuple[str, str]]:
    faults = Faults(list)
    rows = read_table(path, ROWS_READ, None, faults, said.append)
    faults.raise_any(path)
    return [(fields["text"], fields["label"]) for _, fields in rows]


@given(LABELLED, st.sampled_from(",;\t|"), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.booleans())
def test_what_a_program_wrote_with_quotes_is_read_whatever_the_separator(tmp_path_factory, rows, mark, quoting, padded):
    path, rows = tmp_path_factory.mktemp("tables") / "a.csv", [*rows, ("x", "pos"), ("y", "neg")]
    with path.open("w", encoding="utf-8", newline="") as file:
        end = ("", "") if padded else ()
        lines = [("text", "label"), *rows, *[("", "")] * (2 * padded)]
        csv.writer(file, delimiter=mark, quoting=quoting).writerows((*line, *end) for line in lines)
    said = list[str]()
    assert [label for _, label in rows_of(path, said)] == [label for _, label in rows]
    assert [text.lstrip(" ") for text, _ in rows_of(path, [])] == [text.lstrip(" ") for text, _ in rows]
    assert said[0].startswith(f"a.csv: {len(rows)} rows in ")
    assert ("2 empty" in said[0]) == padded


@given(LABELLED)
def test_no_row_of_a_table_without_quoting_is_lost(tmp_path_factory, rows):
    rows = [*((text.translate({9: " ", 10: " "}), label) for text, label in rows), ("x", "pos"), ("y", "neg")]
    path = tmp_path_factory.mktemp("tables") / "a.tsv"
    write(path, "\n".join(["text\tlabel", *map("\t".join, rows)]))
    read = rows_of(path, [])
    assert [label for _, label in read] == [label for _, label in rows]
    assert [text.strip('"\\ ') for text, _ in read] == [text.strip('"\\ ') for text, _ in rows] or '"' in str(rows)


def test_the_dialects_that_people_meet(tmp_path):
    rest = "".join(f"plain review {number}\t{['neg', 'pos'][number % 2]}\n" for number in range(12))
    texts = {
        '"Nothing works in this one\tneg\nIt ends with: "wait for it"\tpos\n': ['"Nothing works in this one', 14],
        '"He said \\"no\\", and\nleft"\tneg\n"So"\tpos\n': ['He said "no", and\nleft', 14],
        '"He said ""no"", and\nleft"\tneg\n': ['He said "no", and\nleft', 13],
    }
    for rows, (first, count) in texts.items():
        read = rows_of(write(tmp_path / "a.tsv", f"text\tlabel\n{rows}{rest}"), [])
        assert (read[0][0], len(read)) == (first, count)
    said = list[str]()
    table = '\ufeff\ufefftext;label;;\r\nGood, all in all;pos;;\r\n;;;\r\n"Bad\nend";neg\r\n'
    assert rows_of(write(tmp_path / "a.csv", table), said) == [("Good, all in all", "pos"), ("Bad\nend", "neg")]
    check_said(said, r"2 rows in 5 lines \(.*1 empty, 1 inside quotes\), .*semicolons; quotes")
    said.clear()
    rows_of(write(tmp_path / "a.csv", "text,label\r\r\nA,pos\r\r\n\r\r\nB,neg\r\r\n\r\r\n"), said)
    assert re.search(r"2 rows in 10 lines \(.*7 empty\), .*commas$", said[1])
    spaced = 'text, label\n"Good, well", "pos"\nBad, "neg"\n'
    assert rows_of(write(tmp_path / "a.csv", spaced), []) == [("Good, well", "pos"), ("Bad", "neg")]


@pytest.mark.parametrize(
    ("table", "unread"),
    [
        (",,text,label\n0,0,A,pos\n1,1,B,neg\n", "one without a name"),
        ("x,text,x,label\n0,A,0,pos\n1,B,1,neg\n", "x"),
        ("text,label,,\nA,pos,,3\nB,neg,,\n", "one without a name"),
        ("text,,label\nA,,pos\nB,,neg\n", None),
        ("\u200btext\u200b ,\ufefflabel\nA,pos\nB,neg\n", None),
    ],
)
def test_columns_that_nobody_asks_for_are_no_fault_and_are_told(tmp_path, table, unread):
    said, sizes = list[str](), {"train": 0, "valid": 0, "test": 0}
    read = load_labelled(write(tmp_path / "a.csv", table), "mine", sizes, 1, say=said.append)
    assert [" ".join(d.tokens) for d in read.corpus] == ["A", "B"]
    assert [line.partition("not read: ")[2] for line in said if "not read" in line] == [unread] * (unread is not None)


LABELS = [
    (("neg", "pos"), "neg pos"),
    ((1, -1), "-1 1"),
    (("10", "9"), "9 10"),
    ((True, False), "False True"),
    (("Positive", "negative"), "negative Positive"),
    ((1.0, 0), "0 1.0"),
    ((0.5, -1), "-1 0.5"),
    (("true", "0"), "0 true"),
    (("true", "fake"), "fake true"),
    (("TRUE", "2"), "2 TRUE"),
    (("false", "0.5"), "0.5 false"),
    (("\u2605\ufe0f", "\u2606"), "\u2605 \u2606"),
    (("caf\u00e9", "Cafe"), "Cafe caf\u00e9"),
]


@pytest.mark.parametrize(("given", "labels"), LABELS)
def test_the_first_of_the_labels_is_0_whatever_the_order_of_rows(tmp_path, given, labels):
    for pair in (given, given[::-1]):
        rows = [{"text": text, "label": pair[number % 2]} for number, (text, _) in enumerate(ROWS)]
        read = load_labelled(write_json(tmp_path / "a.jsonl", rows), "mine", SIZES, 1)
        assert " ".join(read.labels) == labels
        order = [labels.split().index(str(label).strip("\ufe0f")) for label in pair]
        assert [d.label for d in read.corpus] == [order[number % 2] for number in range(12)]


def test_a_label_has_many_spellings_and_the_profile_says_which_is_positive(tmp_path):
    spelled = ["ham", "Spam", "Ham", "spam", "ham", "Spam"]
    path = write_csv(tmp_path / "a.csv", [(text, spelled[n % 6]) for n, (text, _) in enumerate(ROWS)])
    said = list[str]()
    read = load_labelled(path, "mine", SIZES, 1, positive="HAM", say=said.append)
    assert read.labels == ("Spam", "ham")
    assert [d.label for d in read.corpus] == [1, 0] * 6
    check_said(said[1:], "'Spam' is 0, 'ham' is 1", "'Ham', 'spam'$")
    assert re.search(r"no label 'junk'.* 'ham' \(6\), 'Spam' \(6\)", error_of(path, positive="junk"))
    path = write_csv(tmp_path / "a.csv", [(text, ("1", "0", "1.0")[n % 3]) for n, (text, _) in enumerate(ROWS)])
    for positive in ("0.0", "false", " 0\u200b"):
        assert load_labelled(path, "mine", SIZES | {"train": 0}, 1, positive=positive).labels == ("1", "0")
    path = write_csv(tmp_path / "a.csv", [(text, ("caf\u00e9", "tea")[n % 2]) for n, (text, _) in enumerate(ROWS)])
    assert load_labelled(path, "mine", SIZES, 1, positive="Cafe\u0301").labels == ("tea", "caf\u00e9")


@pytest.mark.parametrize("nothing", ["nan", "NaN", "NULL", "None", "NA", "n/a", "<NA>"])
def test_what_programs_write_for_no_label_is_one_only_where_the_profile_says_so(tmp_path, nothing):
    for pair in ((nothing, "1"), ("1", nothing)):
        path = write_csv(tmp_path / "a.csv", [(text, pair[n % 2]) for n, (text, _) in enumerate(ROWS)])
        assert "is what programs write where there is none" in error_of(path)
        assert load_labelled(path, "mine", SIZES, 1, positive=nothing).labels == ("1", nothing)
        assert load_labelled(path, "mine", SIZES, 1, positive="1").labels == (nothing, "1")


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=40, max_size=60), st.integers(0, 99))
def test_a_block_is_never_divided(tmp_path_factory, rows, seed):
    path = tmp_path_factory.mktemp("blocks") / "a.csv"
    write_csv(path, [(f"T{n}.", str(y), f"author {b}") for n, (b, y) in enumerate(rows)], ("text", "label", "block"))
    try:
        corpus = load_labelled(path, "mine", SIZES, seed).corpus
    except TxrayError as error:
        assert "gets" in str(error) or "labels" in str(error)  # noqa: PT017
        return
    assert corpus == load_labelled(path, "mine", SIZES, seed).corpus
    assert len(corpus) == len(rows)
    assert shared_blocks(corpus) == 0
    counts = Counter((d.split, d.label) for d in corpus)
    assert all(counts[split, y] >= size // 2 for split, size in SIZES.items() for y in (0, 1))


def test_given_splits_are_kept_and_validation_is_taken_from_train(tmp_path):
    header = ("text", "label", "split")
    for valid in ("train", "valid"):
        splits = ["test", "test", valid, valid, "test", "test", *["train"] * 6]
        rows = [(*row, split) for row, split in zip(ROWS, splits, strict=True)]
        read = [d.split for d in load_labelled(write_csv(tmp_path / "a.csv", rows, header), "mine", SIZES, 1).corpus]
        assert Counter(read) == {"test": 4, "valid": 2, "train": 6}
        assert [split == "test" for split in read] == [split == "test" for split in splits]
    assert read == splits


def test_columns_and_delimiter_are_those_of_the_profile_and_others_are_told(tmp_path):
    plain = load_labelled(write_csv(tmp_path / "a.csv"), "m", SIZES, 1)
    path = write(tmp_path / "b.csv", "\n".join(["text;sentiment;review", *(f"x;{y};{text}" for text, y in ROWS)]))
    said = list[str]()
    named = load_labelled(path, "m", SIZES, 1, {"text": "review", "label": "sentiment"}, ";", say=said.append)
    assert (named.corpus, named.labels) == (plain.corpus, ("no", "yes"))
    assert "b.csv: columns that are not read: text" in said
    rows = [{"review": t, "split": y, "author": f"a{i // 4}"} for i, (t, y) in enumerate(ROWS)]
    tabs = write(tmp_path / "b.tsv", "\n".join(["text\tlabel", *map("\t".join, ROWS)]))
    assert load_labelled(tabs, "m", SIZES, 1, delimiter="\\t").corpus == plain.corpus, "a tab as a profile names it"
    columns = {"text": "review", "label": "split", "block": "author"}
    named = load_labelled(write_json(tmp_path / "c.jsonl", rows), "m", SIZES, 1, columns)
    assert named.labels == ("no", "yes"), "the column split holds labels here, and no splits"
    assert {d.block for d in named.corpus} == {"block a0", "block a1", "block a2"}


def test_the_step_reads_the_columns_that_the_profile_names(tmp_path):
    from txray_lib.profiles import load_profile
    from txray_lib.steps.prepare import encode_corpora, prepare_corpora
    from txray_lib.tables import read_table

    path = write(tmp_path / "films.csv", "\n".join(["review;stars", *(f"{t};{y}" for t, y in ROWS * 20)]))
    target = "{source: file, path: films.csv, columns: {text: review, label: stars}, positive: 'no'}"
    sizes = "{reviews: {train: 40, valid: 8, test: 8}}\npruning: {reviews: 4}\ncontrols: {probe_tokens: 9}\n"
    text = f"base: tiny\ncorpora: {{target: {target}}}\ncollection: {{tokens: 43}}\nfinetuning: {sizes}"
    profile, said = load_profile(str(write(tmp_path / "mine.yaml", text))), list[str]()
    own, file = {"films.csv": path}, lambda _, name: tmp_path / name
    task = SimpleNamespace(profile=profile, own=own, say=said.append, file=file)
    prepare_corpora(task, tmp_path)
    check_said(said, "240 rows in 241 .*semicolons", "'yes' is 0, 'no' is 1", "test .* 6$")
    encode_corpora(task, tmp_path)
    measures = read_table(tmp_path / "measures.parquet").query("corpus == 'reviews' and measure == 'unknown_share'")
    sample = load_corpus_file(tmp_path / "stage-target.parquet")
    assert (sample.token_count, sample.head(43).token_count) == (45, 43)
    share = Vocabulary.load(tmp_path / "vocabulary.json").unknown_share
    assert measures["value"].tolist() == [share(sample.head(43))] != [share(sample)]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.txt", "text,label\n", "must end in .csv"),
        ("a.csv", "text,label\n", "has 0 labels"),
        ("a.csv", "txt,label\nFine.,1\n", "the columns txt, label: there is no 'text'"),
        ("a.csv", "text^label\nFine.^1\n", "the columns text^label: there is no 'text'; there is no 'label'"),
        ("a.csv", "txt;label\nFine, so.;1\n", "the columns txt, label: there is no 'text'"),
        ("a.csv", "a\tb\nFine.\t1\n", "the columns a, b: there is no 'text'; there is no 'label'"),
        ("a.csv", f"{'long ' * 99},label\nA.,1\n", "long [...]: there is no 'text'"),
        ("a.csv", "text,label\nA.,1\nB.,0\n\ufefftext,label\nC.,1\n", "line 4: the header once more"),
        ("a.csv", ",text,label\n0,A.,1\n1,B.,0\n,text ,label,\n", "line 4: the header once more"),
        ("a.csv", "text,text,label\nA.,B.,1\n", "'text' is there twice"),
        ("a.csv", "text,label,Splits\nA.,1,test\n", "'Splits' is not read: is 'split' meant?"),
        ("a.csv", "text,label\nFine.,1\n<br />,0\n", "line 3: no text that holds a token"),
        ("a.csv", "text,label\nFine.,1\nPoor.,\n", "line 3: no label"),
        ("a.csv", "text,label\nFine, really.,1\n", "line 2 (3): not 2 columns, as the header"),
        ("a.csv", 'text,label\n"Fine, it" is.,1\n', "line 2: "),
        ("a.csv", 'text,label\nPoor.,0\nSo.,1\n"Fine, it is.,1\n', "line 4: a quote"),
        ("a.csv", "text,label\nA.,1\nB.,0\nC.,2\n", "has 3 labels, most often '0' (1), '1' (1), '2' (1)"),
        ("a.csv", "text,label,split\nFine.,1,dev\n", "line 2 'dev': no split"),
        ("a.csv", "text,label,block\nFine.,1,x\nPoor.,0,\n", "line 3: no block"),
        ("a.jsonl", '{"text": "Fine.", "label": 1}\n{"text": NaN, "label": 0}\n', "line 2: a text that is a number"),
        ("a.jsonl", '{"text": {"en": "Fine."}, "label": 1}\n', "line 1: a text that is a number"),
        ("a.jsonl", '{"text": "Fine.", "label": NaN}\n', "line 1: no label"),
        ("a.jsonl", '{"text": "Fine.", "label": ["pos"]}\n', "line 1: no label"),
        ("a.jsonl", f'{{"text": "A.", "label": {"9" * 400}}}\n{{"text": "B.", "label": 1}}\n', "has 2 texts; train gets 0 of"),
        ("a.jsonl", '{"text": "Fine.", "label": null}\n', "line 1: no label"),
        ("a.jsonl", '{"text": "A.", "label": 1, "split": "train"}\n{"text": "B.", "label": 0}', "line 2 '': no split"),
        ("a.jsonl", '{"text": "Fine."}\n', "there is no 'label'"),
        ("a.jsonl", "1\n", "line 1: no JSON object"),
        ("a.jsonl", '[\n{"text": "Fine.", "label": 1}\n]\n', "lines 1 (column 2), 3 (column 1): no JSON object"),
        ("a.jsonl", '{"text": \n', "line 1 (column 10): no JSON object"),
        ("a.jsonl", '{"text": "A.", "label": 1, "label": 0}\n', "line 1: a key that is there twice"),
        ("a.jsonl", '{"text": "A.", "label": 1, "label ": 0}\n', "line 1: a key that is there twice"),
        ("a.jsonl", '{"text": "A.", "label": 1, "of": {"a": 1, "a": 2}}\n', "line 1: a key that is there twice"),
        ("a.jsonl", f'{{"text": "A.", "label": {"[" * 99_999}1', "line 1: no JSON object"),
        ("a.jsonl", f'{{"text": "A.", "label": {"9" * 5_000}}}', "line 1: no JSON object"),
        ("a.jsonl", '{"text": "a \\ud800 b", "label": "yes"}', "line 1: no JSON object"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_told(tmp_path, name, text, told):
    assert told in error_of(write(tmp_path / name, text))


def test_columns_that_are_not_there_and_too_few_texts_are_told(tmp_path):
    path = write_csv(tmp_path / "a.csv")
    assert "there is no 'author'" in error_of(path, columns={"block": "author"})
    assert "there is no 'reviews'" in error_of(path, columns={"text": "reviews"})
    for columns in ({"txt": "text"}, {"text": "label"}, {"text": "caf\u00e9", "label": "cafe\u0301"}):
        with pytest.raises(TxrayError, match=r"no others|from one column"):
            load_labelled(path, "mine", SIZES, 1, columns)
    for delimiter in (";;", "", '"', "\n"):
        with pytest.raises(TxrayError, match="is not one character"):
            load_labelled(path, "mine", SIZES, 1, delimiter=delimiter)
    assert re.search("train gets 4 of 'no' and 4 of 'yes'.* 10 of each", error_of(path, SIZES | {"train": 20}))


def test_one_error_names_all_lines_and_all_faults(tmp_path):
    message = error_of(write_csv(tmp_path / "a.csv", [*ROWS, *[("<br />", "yes")] * 31]))
    assert "lines 14, 15, 16, 17, 18, 19, 20, 21, 22, 23 and 21 more: no text" in message
    lines = ["text,label,split,block", "Fine.,1,train,a", ",1,train,a", "Fine.,,test,a", "So,so,1,test,b", "<p>,0,dev,"]
    told = error_of(write(tmp_path / "b.csv", "\n".join(lines))).splitlines()
    lines = ["  line 5 (5)", "  lines 3, 6", "  line 4", "  line 6 'dev'", "  line 6"]
    assert [line.split(": no")[0] for line in told[1:]] == lines
    path = write(tmp_path / "words.txt", "the\nFilm\n\nthe\nRiver\n<unk>\n \n<eos>\n")
    with pytest.raises(TxrayError) as error:
        load_words(path, lowercase=True)
    told = str(error.value).splitlines()[1:]
    assert [line.split(": ")[0] for line in told] == ["  lines 2 'Film', 5 'River'", "  lines 3, 7", "  line 4 'the'"]
