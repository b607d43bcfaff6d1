"""A user's own text and labels: how a file becomes documents, and what is said of every way in which it can be wrong."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txray_lib.corpora.documents import content_hash
from txray_lib.corpora.own import load_labelled, load_text, load_words, shared_blocks
from txray_lib.corpora.sampling import shared_texts
from txray_lib.errors import TxrayError

SIZES = {"train": 4, "valid": 2, "test": 2}
ROWS = [(f"Text {number} is {'fine' if number % 2 else 'poor'}.", ("no", "yes")[number % 2]) for number in range(12)]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def write_csv(path: Path, rows: list[tuple[str, ...]] = ROWS, header: tuple[str, ...] = ("text", "label")) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerows([header, *rows])
    return path


def error_of(path: Path, sizes: dict[str, int] = SIZES) -> str:
    with pytest.raises(TxrayError) as error:
        load_labelled(path, "mine", sizes, 1)
    return str(error.value)


def test_a_line_is_a_document_and_a_blank_line_begins_a_block(tmp_path):
    text = "\nOne well-made line.  It goes on!\r\nAnother one.\n\n  \nA second block.\n\nA third, last.\n\n"
    corpus = load_text(write(tmp_path / "text.txt", text), "wiki", 1)
    assert [d.name for d in corpus] == ["line-0000002", "line-0000003", "line-0000006", "line-0000008"]
    assert [d.block for d in corpus] == ["block-000000", "block-000000", "block-000001", "block-000002"]
    assert corpus.documents[0].tokens == ("One", "well", "@-@", "made", "line", ".", "It", "goes", "on", "!")
    assert corpus.documents[0].sentences == (0, 6)
    assert {d.label for d in corpus} == {None}
    splits = {d.block: d.split for d in corpus}
    assert Counter(splits.values()) == {"valid": 1, "train": 2}
    assert all(splits[d.block] == d.split for d in corpus)


def test_without_blank_lines_every_line_is_a_block(tmp_path):
    corpus = load_text(write(tmp_path / "text.txt", "".join(f"Line {i}.\n" for i in range(40)) + "\n"), "wiki", 1)
    assert len({d.block for d in corpus}) == len(corpus) == 40
    assert Counter(d.split for d in corpus) == {"valid": 2, "train": 38}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b" \n\n ", "is empty"),
        (b"one line only", "holds 1 block"),
        (b"fine\n\xff\n", "byte 5 (0xff) is not UTF-8"),
    ],
)
def test_what_is_wrong_with_a_text_is_told(tmp_path, content, told):
    with pytest.raises(TxrayError, match=re.escape(told)) as error:
        load_text(write(tmp_path / "text.txt", content), "wiki", 1)
    assert str(tmp_path / "text.txt") in str(error.value)


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    with pytest.raises(TxrayError, match=r"none\.txt cannot be read \(No such file.*TXRAY_DATA"):
        load_text(tmp_path / "none.txt", "wiki", 1)
    (tmp_path / "folder.csv").mkdir()
    assert "cannot be read (Is a directory)" in error_of(tmp_path / "folder.csv")


def test_three_kinds_of_table_give_the_same_documents(tmp_path):
    rows = [('He said, "Fine\t – no."\nSo be it.', "yes"), *ROWS]
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    files = [
        write_csv(tmp_path / "a.csv", rows),
        write_csv(tmp_path / "a.tsv", rows),
        write(tmp_path / "a.jsonl", "\ufeff" + "\n".join(lines) + "\n\n"),
    ]
    read = [load_labelled(path, "mine", SIZES, 1) for path in files]
    assert len({content_hash(each.corpus) for each in read}) == 1
    assert {each.labels for each in read} == {("no", "yes")}
    first = read[0].corpus.documents[0]
    assert first.tokens == ("He", "said", ",", '"', "Fine", "–", "no", ".", '"', "So", "be", "it", ".")
    assert first.sentences == (0, 9)
    assert [d.label for d in read[0].corpus] == [1, *(number % 2 for number in range(12))]


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        (("neg", "pos"), ("neg", "pos")),
        ((1, -1), ("-1", "1")),
        (("10", "9"), ("9", "10")),
        ((True, False), ("False", "True")),
    ],
)
def test_the_first_of_the_labels_is_0(tmp_path, given, labels):
    lines = [json.dumps({"text": text, "label": given[number % 2]}) for number, (text, _) in enumerate(ROWS)]
    read = load_labelled(write(tmp_path / "a.jsonl", "\n".join(lines)), "mine", SIZES, 1)
    assert read.labels == labels
    assert [read.labels[d.label] for d in read.corpus] == [str(given[number % 2]) for number in range(12)]


def test_texts_are_dealt_by_the_seed_into_splits_that_have_what_is_asked(tmp_path):
    path = write_csv(tmp_path / "a.csv")
    for seed in range(5):
        corpus = load_labelled(path, "mine", SIZES, seed).corpus
        assert corpus == load_labelled(path, "mine", SIZES, seed).corpus
        counts = Counter((d.split, d.label) for d in corpus)
        assert counts == {("train", 0): 4, ("train", 1): 4, **{(s, y): 1 for s in ("valid", "test") for y in (0, 1)}}
    assert len({tuple(d.split for d in load_labelled(path, "mine", SIZES, s).corpus) for s in range(9)}) > 1


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=40, max_size=60), st.integers(0, 99))
def test_a_block_is_never_divided(tmp_path_factory, rows, seed):
    path = tmp_path_factory.mktemp("blocks") / "a.csv"
    write_csv(
        path, [(f"Text {n}.", str(y), f"author {b}") for n, (b, y) in enumerate(rows)], ("text", "label", "block")
    )
    try:
        corpus = load_labelled(path, "mine", SIZES, seed).corpus
    except TxrayError as error:
        assert "gets" in str(error) or "labels" in str(error)  # noqa: PT017
        return
    assert len(corpus) == len(rows)
    assert shared_blocks(corpus) == 0
    counts = Counter((d.split, d.label) for d in corpus)
    assert all(counts[split, y] >= size // 2 for split, size in SIZES.items() for y in (0, 1))


def test_given_splits_are_kept_and_validation_is_taken_from_train(tmp_path):
    splits = ["test", "test", "train", "train"] * 3
    rows = [(text, label, split) for (text, label), split in zip(ROWS, splits, strict=True)]
    header = ("text", "label", "split")
    corpus = load_labelled(write_csv(tmp_path / "a.csv", rows, header), "mine", SIZES, 1).corpus
    assert [d.split == "test" for d in corpus] == [split == "test" for split in splits]
    assert Counter(d.split for d in corpus) == {"test": 6, "valid": 2, "train": 4}
    rows = [(*row[:2], "valid" if number in (2, 3) else row[2]) for number, row in enumerate(rows)]
    corpus = load_labelled(write_csv(tmp_path / "a.csv", rows, header), "mine", SIZES, 1).corpus
    assert [d.split for d in corpus] == [row[2] for row in rows]


def test_what_splits_share_is_counted(tmp_path):
    rows = [
        (text, label, "test" if number < 4 else "train", "one" if number in (3, 4) else str(number))
        for number, (text, label) in enumerate(ROWS)
    ]
    rows[11] = (rows[1][0], *rows[11][1:])
    path = write_csv(tmp_path / "a.csv", rows, ("text", "label", "split", "block"))
    corpus = load_labelled(path, "mine", {**SIZES, "train": 2}, 1).corpus
    assert shared_texts(corpus) == [frozenset(("row-0000002", "row-0000012"))]
    assert shared_blocks(corpus) == 1


def test_other_columns_are_left_alone_and_told(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("7", *row) for row in ROWS], ("id", "text", "label"))
    assert load_labelled(path, "mine", SIZES, 1).unread == ("id",)
    path = write_csv(tmp_path / "b.csv", [("train", *row) for row in ROWS], ("Splits", "text", "label"))
    assert "'Splits' is not read. Did you mean 'split'?" in error_of(path)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.txt", "text,label\n", "its name must end in .csv, .tsv or .jsonl"),
        ("a.csv", "", "is empty"),
        ("a.csv", "text,label\n", "has 0 labels: none. Two are needed"),
        ("a.csv", "txt,label\nFine.,1\n", "the header 'txt,label': text missing"),
        ("a.csv", "a;b\n", "text and label missing"),
        ("a.csv", "text,text,label\nA.,B.,1\n", "one is there twice"),
        ("a.csv", "text,label\nFine.,1\n,0\n", "line 3 has no text"),
        ("a.csv", "text,label\nFine.,1\n<br />,0\n", "line 3 has a text without a token"),
        ("a.csv", "text,label\nFine.,1\nPoor.,\n", "line 3 has no label"),
        ("a.csv", "text,label\nFine, really.,1\n", "line 2 has 3 columns, the header 2"),
        ("a.csv", 'text,label\n"Fine" it is.,1\n', "line 2: "),
        ("a.csv", 'text,label\n"Fine.,1\nPoor.,0\n', "unexpected end of data"),
        ("a.csv", "text,label\nFine.,1\nGood.,1\n", "has 1 labels: '1' (2)"),
        (
            "a.csv",
            "text,label\nFine.,1\nPoor.,0\nSo so.,2\n",
            "has 3 labels: '1' (1), '0' (1), '2' (1). Two are needed",
        ),
        ("a.csv", "text,label,split\nFine.,1,dev\n", "line 2 'dev' has a split that is not known"),
        ("a.csv", "text,label,split\nFine.,1,\n", "line 2 has no split"),
        ("a.csv", "text,label,block\nFine.,1,x\nPoor.,0,\n", "line 3 has no block"),
        ("a.jsonl", '{"text": "Fine.", "label": 1}\n{"text": NaN, "label": 0}\n', "line 2 has no text"),
        ("a.jsonl", '{"text": "Fine.", "label": 0.5}\n', "line 1 has no label"),
        ("a.jsonl", '{"text": "Fine.", "label": null}\n', "line 1 has no label"),
        ("a.jsonl", '{"text": "Fine."}\n', "line 1 (text) has keys that do not fit: label missing"),
        ("a.jsonl", "[1]\n", "line 1 has no JSON object"),
        ("a.jsonl", '{"text": \n', "line 1 (Expecting value: line 1 column 10 (char 9)) has no JSON object"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(tmp_path, name, text, told):
    message = error_of(write(tmp_path / name, text))
    assert str(tmp_path / name) in message
    assert told in message


def test_a_table_that_is_not_utf8_is_told(tmp_path):
    assert "(0xe9) is not UTF-8" in error_of(write(tmp_path / "a.csv", "text,label\nCafé.,1\n".encode("latin-1")))


def test_too_few_texts_are_told_with_their_numbers(tmp_path):
    message = error_of(write_csv(tmp_path / "a.csv"), {"train": 20, "valid": 2, "test": 2})
    assert "has 12 texts. Of them train gets 4 of 'no' and 4 of 'yes'" in message
    assert "lower finetuning.reviews.train (now 20)" in message
    assert "test gets" not in message
    both = error_of(
        write_csv(tmp_path / "b.csv", [(t, y, "train") for t, y in ROWS], ("text", "label", "split")),
        {"train": 20, "valid": 2, "test": 2},
    )
    assert "train gets 5 of 'no'" in both
    assert "test gets 0 of 'no'" in both


def test_a_long_text_and_a_line_separator_stay_in_their_row(tmp_path):
    rows = [("word " * 60_000 + "\u2028 end\x0b\x85", "yes"), *ROWS]
    corpus = load_labelled(write_csv(tmp_path / "a.csv", rows), "mine", SIZES, 1).corpus
    assert len(corpus) == 13
    assert len(corpus.documents[0]) > 60_000
    assert csv.field_size_limit() == 131_072


def test_half_a_character_is_an_error_with_its_line(tmp_path):
    lines = [json.dumps({"text": text, "label": label}) for text, label in ROWS]
    lines[3] = '{"text": "a \\ud800 b", "label": "yes"}'
    assert "line 4 has half a character" in error_of(write(tmp_path / "mine.jsonl", "\n".join(lines)))


def test_a_split_that_some_rows_lack_is_an_error(tmp_path):
    rows = [{"text": text, "label": label, "split": "train"} for text, label in ROWS]
    del rows[5]["split"]
    path = write(tmp_path / "mine.jsonl", "\n".join(json.dumps(row) for row in rows))
    assert "line 6 has no split" in error_of(path)


def test_a_capital_in_a_vocabulary_of_lower_case_is_an_error(tmp_path):
    path = write(tmp_path / "words.txt", "the\nFilm\n<unk>\n<eos>\n")
    assert "Film" in load_words(path, lowercase=False)[0].words
    with pytest.raises(TxrayError, match=r"line 2 'Film' has a capital.*lowercase to false"):
        load_words(path, lowercase=True)


def test_columns_and_delimiter_are_those_of_the_profile(tmp_path):
    plain = load_labelled(
        write_csv(tmp_path / "a.csv", [(*row, "x") for row in ROWS], ("text", "label", "id")), "m", SIZES, 1
    )
    lines = ["text;sentiment;review", *(f"x;{label};{text}" for text, label in ROWS)]
    path = write(tmp_path / "b.csv", "\n".join(lines))
    named = load_labelled(path, "m", SIZES, 1, {"text": "review", "label": "sentiment"}, ";")
    assert named.corpus == plain.corpus
    assert (named.labels, named.unread) == (("no", "yes"), ("text",))
    rows = [json.dumps({"review": t, "split": y, "author": f"a{i // 4}"}) for i, (t, y) in enumerate(ROWS)]
    path = write(tmp_path / "c.jsonl", "\n".join(rows))
    named = load_labelled(path, "m", SIZES, 1, {"text": "review", "label": "split", "block": "author"})
    assert named.labels == ("no", "yes"), "the column split holds labels here, and no splits"
    assert {d.block for d in named.corpus} == {"block a0", "block a1", "block a2"}


def test_a_run_reads_the_columns_that_its_profile_names(workplace, tmp_path):
    from txray_lib.engine.run import Run
    from txray_lib.profiles import load_profile
    from txray_lib.tables import read_table

    lines = ["review;stars", *(f"{text};{label}" for text, label in ROWS * 20)]
    write(tmp_path / "films.csv", "\n".join(lines))
    target = "source: file, path: films.csv, columns: {text: review, label: stars}, delimiter: ;"
    sizes = "finetuning: {reviews: {train: 40, valid: 8, test: 8}}\npruning: {reviews: 4}\n"
    text = f"base: tiny\ncorpora: {{target: {{{target}}}}}\n{sizes}collection: {{tokens: 500}}\ncontrols: {{probe_tokens: 100}}\n"
    write(tmp_path / "mine.yaml", text)
    run = Run(load_profile(str(tmp_path / "mine.yaml")))
    run.make("corpora")
    measures = read_table(run.file("corpora", "measures.parquet")).set_index(["corpus", "measure"])["value"]
    assert measures["reviews", "documents"] == 240
    assert measures["reviews", "finetuning_train_reviews"] == 40


@pytest.mark.parametrize(
    ("text", "columns", "told"),
    [
        ("review,label\nFine.,1\n", {"text": "reviews"}, "reviews missing"),
        ("text,label\nFine.,1\n", {"block": "author"}, "author missing"),
        ("text;label\nFine.;1\n", {}, "the header 'text;label': text and label missing"),
    ],
)
def test_a_column_that_is_not_there_is_told_by_its_name(tmp_path, text, columns, told):
    with pytest.raises(TxrayError, match=re.escape(told)) as error:
        load_labelled(write(tmp_path / "a.csv", text), "m", SIZES, 1, columns)
    assert "columns: {" in str(error.value)
    assert "delimiter" in str(error.value)


def test_one_error_names_all_lines_and_all_faults(tmp_path):
    rows = [*ROWS, *[("<br />", "yes")] * 31]
    message = error_of(write_csv(tmp_path / "a.csv", rows))
    assert "31 lines (14, 15, 16, 17, 18, 19, 20, 21, 22, 23 and 21 more) have a text without a token" in message
    assert message.count("\n") == 0
    lines = ["text,label,split,block", "Fine.,1,train,a", ",1,train,a", "Fine.,,test,a", "So,so,1,test,b", "<p>,0,dev,"]
    told = error_of(write(tmp_path / "b.csv", "\n".join(lines))).splitlines()
    assert [line.split(" has ")[0] for line in told[1:]] == [
        "  line 5",
        "  line 3",
        "  line 4",
        "  line 6 'dev'",
        *["  line 6"] * 2,
    ]


def test_one_error_names_all_rows_of_json_that_are_none(tmp_path):
    lines = [json.dumps({"text": text, "label": label}) for text, label in ROWS]
    lines[2], lines[5], lines[7] = "{", "[1]", '{"text": "Fine."}'
    told = error_of(write(tmp_path / "a.jsonl", "\n".join(lines))).splitlines()
    assert len(told) == 3
    assert told[1].startswith("  2 lines (3 (Expecting")
    assert ", 6) have no JSON object" in told[1]
    assert told[2].startswith("  line 8 (text) has keys that do not fit: label missing")


def test_one_error_names_at_most_ten_faults(tmp_path):
    lines = ["text,label", *(",".join("x" * columns) for columns in range(3, 16))]
    told = error_of(write(tmp_path / "a.csv", "\n".join(lines))).splitlines()
    assert len(told) == 12
    assert told[1].startswith("  line 2 has 3 columns")
    assert told[-1] == "  and 3 other faults"


def test_all_lines_of_a_vocabulary_that_are_wrong_are_told(tmp_path):
    path = write(tmp_path / "words.txt", "the\nFilm\n\nthe\nRiver\n<unk>\n \n<eos>\n")
    with pytest.raises(TxrayError) as error:
        load_words(path, lowercase=True)
    told = str(error.value).splitlines()[1:]
    assert [line.split(" ha")[0] for line in told] == [
        "  2 lines (2 'Film', 5 'River')",
        "  2 lines (3, 7)",
        "  line 4 'the'",
    ]
