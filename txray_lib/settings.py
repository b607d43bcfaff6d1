"""Groups of parameters of a profile: how they are written, what they have in common, and those that name a user's own files.
Below every room.

May touch: errors, places.
"""

import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import yaml
from annotated_types import Ge, Gt, Le, MultipleOf
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from txray_lib import places
from txray_lib.errors import TxrayError


def check_delimiter(delimiter: str) -> str:
    """The mark between columns, of which "\\t" may stand for a tab. Raises ValueError for anything but one character."""
    delimiter = "\t" if delimiter == "\\t" else delimiter
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ValueError(f'{delimiter!r} is not one character, as ";" or "\\t" for a tab')
    return delimiter


def _word(label: object) -> object:
    if isinstance(label, bool):
        raise ValueError('YAML reads true and false as no words; put them between quotes, as "true"')
    return str(label) if isinstance(label, int | float) else label


Count = Annotated[int, Ge(1)]
Even = Annotated[int, Ge(2), MultipleOf(2)]
Share = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


def _relative(path: str) -> str:
    ways = PurePosixPath(path), PureWindowsPath(path)
    if not path.strip() or any(way.is_absolute() or ".." in way.parts for way in ways):
        raise ValueError(
            "a path below the profile's folder or TXRAY_DATA is wanted: an absolute one, or one that leads out by .., holds on no"
            " other machine, and it would be published with the tables"
        )
    return path


OwnFile = Annotated[str, AfterValidator(_relative)]
"""A file of the user's own, relative to the folder of the profile that is loaded, or to TXRAY_DATA."""
_GIVEN = Field(default=None, exclude_if=lambda value: value is None)
"""Plain values hold this one only where it was given: a parameter that was added later changes no older profile."""


class Settings(BaseModel):
    """A group of parameters: unknown keys, wrong types and impossible values are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class _Yaml(yaml.SafeLoader):
    """Reads YAML as people write it: 1e-3 is a number; 012, 1:30, no and dates are text, which a setting takes for what it is
    or refuses. A key that stands twice in a group is an error."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """A group of keys and values, as they are written."""
        node, seen = super().compose_mapping_node(anchor), set()
        for key, _ in node.value:
            if (written := (key.tag, str(key.value))) in seen:
                raise yaml.composer.ComposerError(None, None, f"the key {key.value} is there twice", key.start_mark)
            seen.add(written)
        return node


for _tag, _written in {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?(0|[1-9][0-9_]*)|0x[0-9a-fA-F]+",
    "float": r"[-+]?((0|[1-9][0-9_]*)(\.[0-9_]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    "merge": "<<",
}.items():
    _Yaml.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^({_written})$"), None)


def read_keys(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file. Raises TxrayError where it is not UTF-8, not YAML, or holds something else."""
    places.require_fetched(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Yaml)
    except UnicodeDecodeError as error:
        raise TxrayError(
            f"the profile {path} is not UTF-8: its byte {error.start + 1} belongs to no letter. Save it as UTF-8."
        ) from None
    except yaml.YAMLError as error:
        raise TxrayError(f"the profile {path} is not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise TxrayError(f"the profile {path} must hold keys and values, as seed: 1, and it does not")
    return content


def check_columns(columns: dict[str, str]) -> dict[str, str]:
    """What columns are called. Raises ValueError where two things are read from one."""
    named = {"text": "text", "label": "label", **columns}
    if len(set(named.values())) < len(named):
        raise ValueError(f"two are read from one column: {', '.join(f'{k} from {v!r}' for k, v in named.items())}")
    return columns


Columns = Annotated[dict[Literal["text", "label", "split", "block"], str], AfterValidator(check_columns)]
"""What the columns of a labelled file are called, where it is otherwise (`corpora.own`)."""


class Credit(NamedTuple):
    """Whose text is quoted, under which licence, and where both are: what must stand beside it."""

    text: str
    address: str
    licence: str
    terms: str


QUOTABLE: dict[str, Credit | None] = {
    "world": None,
    "wikitext-2": Credit(
        "WikiText-2 (articles of Wikipedia)",
        "https://wikitext.smerity.com",
        "CC BY-SA 4.0",
        "https://creativecommons.org/licenses/by-sa/4.0/",
    ),
}
"""The sources of corpora (`CorpusSettings`) of which a few words may be published, with what must then be said. Reviews of IMDB
and files of one's own are not among them."""


class CorpusSettings(Settings):
    """One corpus. `name` is the first half of its stages' names; `source` says where its text comes from; `path` is the
    file of the source "file": plain text to pretrain on, a table with labels as the target (`corpora.own`), of which
    `columns` says what its columns are called, `delimiter` what stands between them where the header does not tell it, and
    `positive` which label is 1 where it is not the second by number or alphabet."""

    name: Name
    source: Literal["world", "wikitext-2", "imdb", "file"]
    path: OwnFile | None = _GIVEN
    columns: Columns | None = _GIVEN
    delimiter: Annotated[str, AfterValidator(check_delimiter)] | None = _GIVEN
    positive: Annotated[str, BeforeValidator(_word)] | None = _GIVEN

    @property
    def says_how(self) -> bool:
        """Whether it says how a table is to be read."""
        return (self.columns, self.delimiter, self.positive) != (None, None, None)

    @model_validator(mode="after")
    def _has_its_path(self) -> "CorpusSettings":
        if (self.path is None) == (self.source == "file"):
            wrong = "needs the path of a file" if self.path is None else f"reads no path, and {self.path!r} is given"
            raise ValueError(f"the source {self.source!r} {wrong}")
        if self.path is None and self.says_how:
            raise ValueError(f"the source {self.source!r} reads no file: columns, delimiter and positive are of files")
        if self.delimiter and str(self.path).lower().endswith(".jsonl"):
            raise ValueError("a .jsonl file has no delimiter")
        return self


class Corpora(Settings):
    """The corpus to pretrain on (the paper's WikiText-2) and the new domain with labels (its IMDB)."""

    pretraining: CorpusSettings
    target: CorpusSettings

    @model_validator(mode="after")
    def _roles(self) -> "Corpora":
        if self.pretraining.source == "imdb" or self.target.source == "wikitext-2":
            raise ValueError(
                "pretraining reads 'world', 'wikitext-2' or 'file', the target needs labels: 'world', 'imdb' or 'file'"
            )
        if self.pretraining.says_how:
            raise ValueError("pretraining reads plain text: columns, delimiter and positive are the target's")
        if self.pretraining.name == self.target.name:
            raise ValueError(f"both corpora are named {self.target.name!r}; stages could not be told apart")
        return self


def _numbered(layers: object) -> object:
    numbers = isinstance(layers, list) and layers and all(type(n) is int and 0 <= n <= 127 for n in layers)
    if layers not in (None, "all") and not numbers:
        raise ValueError("all is wanted, or the numbers of some layers, from 0 to 127, as [0, 1]")
    return layers


def _chosen(layers: object) -> object:
    return None if _numbered(layers) == "all" else layers


class OwnEncoder(Settings):
    """Weights of the user's own in place of pretraining (`encoders.snapshots`).

    files       snapshots by epoch, as {1: early.safetensors, 9: late.safetensors, 10: last.safetensors}; RQ1 needs three or more
                that are trained. Without an epoch 0 the untrained encoder is drawn from the seed
    vocabulary  a text file, the word of each row of the embedding in turn, `<unk>` and `<eos>` among them
    embedding   what the embedding is called in the files: the tensor `embedding.weight`
    lstm        what the LSTM or the GRU is called there: the tensors `lstm.weight_ih_l0` …
    layers      numbers from 0, or all: LSTMs and GRUs of any number of layers and directions, read in layers as a Transformer is
                (`encoders.recurrent`). Where nothing is said the encoder is the paper's, an LSTM of one layer and direction
    """

    files: Annotated[dict[Annotated[int, Ge(0)], OwnFile], Field(min_length=1)]
    vocabulary: OwnFile
    embedding: str = "embedding"
    lstm: str = "lstm"
    layers: Annotated[list[int] | Literal["all"] | None, BeforeValidator(_numbered)] = _GIVEN

    @property
    def chosen(self) -> list[int] | None:
        """The layers that are read; None for all."""
        return None if self.layers == "all" else self.layers

    @model_validator(mode="after")
    def _is_trained(self) -> "OwnEncoder":
        if max(self.files) == 0:
            raise ValueError("files: epoch 0 is the untrained encoder; give a trained one under a later epoch")
        return self


def _by_epoch(given: object) -> object:
    return {1: given} if isinstance(given, str) else given


class Reading(Settings):
    """How a Transformer's layers are read (`encoders.transformers`).

    layers     numbers from 0, or all, which is also what is read where nothing is said
    site       "feed-forward": a layer's neurons after the activation function; "residual": what the layer leaves
    pieces     the value of a word that was cut in pieces: of its last piece, or the mean or max over all of them
    module     where the down projection of a layer is, its number as {}; needed for families that are not known
    window     how many pieces go through at once: as many as the model allows, 512 at most, where nothing is said
    context    how many pieces a recorded word has before and after it where a text is longer than a window: an eighth of that
    precision  bfloat16 rounds products; records then differ from those of float32
    """

    layers: Annotated[list[int] | None, BeforeValidator(_chosen)] = _GIVEN
    site: Literal["feed-forward", "residual"] = "feed-forward"
    pieces: Literal["last", "mean", "max"] = "last"
    module: Annotated[str, StringConstraints(pattern=r"^[^{}]+\{\}\.[^{}]+$")] | None = _GIVEN
    window: Annotated[int, Ge(8)] | None = _GIVEN
    context: Annotated[int, Ge(0)] | None = _GIVEN
    precision: Literal["float32", "bfloat16"] = "float32"


class TransformerEncoder(Reading):
    """A pretrained Transformer in place of the LSTM and its pretraining.

    transformer  a folder as `save_pretrained` writes it, relative to that of the profile or to TXRAY_DATA; an installed package that
                 holds one; or a name on the hub, as org/model or org/model@revision. Of several checkpoints each by its epoch,
                 as {1: early, 9: late, 10: last}: the tokenizer is the last one's
    """

    transformer: Annotated[dict[Annotated[int, Ge(1)], OwnFile], Field(min_length=1), BeforeValidator(_by_epoch)]

    @property
    def files(self) -> dict[int, str]:
        """The name of each checkpoint, by epoch."""
        return self.transformer
