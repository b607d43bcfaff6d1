"""The named sets of parameters of whole runs, checked on load. Below every room; may touch: errors, places."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from annotated_types import Ge, Gt, Le
from pydantic import (
    BaseModel,
    Discriminator,
    Field,
    PrivateAttr,
    Strict,
    StringConstraints,
    Tag,
    ValidationError,
    model_validator,
)

from txray_lib import places
from txray_lib.errors import TxrayError, nearest
from txray_lib.settings import (
    Corpora,
    Count,
    Even,
    Name,
    OwnEncoder,
    Positive,
    Settings,
    Share,
    TransformerEncoder,
    read_keys,
)

_ENDINGS = (".yaml", ".yml")
Precision = Literal["float32", "bfloat16"]

Flag = Annotated[bool, Strict(False)]
"""True or false, written as YAML's, or as yes or no, on or off."""
Seed = Annotated[int, Ge(0), Le(2**32 - 1)]
Way = Annotated[str, StringConstraints(pattern=r"^(argmax|positive|top-[1-9][0-9]*)$")]
_ENCODERS = {"own files": OwnEncoder, "a transformer": TransformerEncoder}


def _kind_of_encoder(given: object) -> str:
    named = isinstance(given, dict) and "transformer" in given
    return "a transformer" if named or isinstance(given, TransformerEncoder) else "own files"


EncoderSettings = Annotated[
    Annotated[OwnEncoder, Tag("own files")] | Annotated[TransformerEncoder, Tag("a transformer")],
    Discriminator(_kind_of_encoder),
]


class Reviews(Settings):
    """How many reviews each split gives, half of each label."""

    train: Even
    valid: Even
    test: Even


class World(Settings):
    """Size and difficulty of the generated worlds."""

    encyclopedia_tokens: Annotated[int, Ge(1000)]
    words: Annotated[int, Ge(700)]
    noise: Annotated[float, Ge(0), Le(0.5)]


class VocabularySettings(Settings):
    size: Annotated[int, Ge(2)]
    lowercase: Flag


class Pretraining(Settings):
    """The language model (§3.1). `units` is the paper's 1500; `snapshots` are epochs, 0 for the untrained encoder; with an
    encoder of the user's own they and `epochs` are those of its files. With `precision` bfloat16 products are rounded to it
    in training; weights, and the records of what an encoder prefers, stay float32."""

    embedding_size: Count
    units: Annotated[int, Ge(2)]
    dropout: Annotated[float, Ge(0), Le(0.9)]
    epochs: Count
    snapshots: list[Annotated[int, Ge(0)]]
    batch_size: Count
    window: Count
    learning_rate: Positive
    weight_decay: Annotated[float, Ge(0)]
    schedule: Literal["one-cycle", "constant"]
    precision: Precision = "float32"


class Finetuning(Settings):
    """The supervised classifier (§3.3). Stops once F1 on the validation part reaches `target_f1`; `precision` is that
    of its training, its scores, and those of what is left when neurons are cut out of it."""

    reviews: Reviews
    max_tokens: Count
    epochs: Count
    evaluations_per_epoch: Count
    batch_size: Count
    learning_rate: Positive
    target_f1: Share
    precision: Precision = "float32"


class Features(Settings):
    """What a neuron can prefer (§2.1): n `tokens`, or `tags`, in a row. The record of the last one has the n-gram."""

    of: Literal["tokens", "tags"] = "tokens"
    n: Literal[1, 2, 3] = 1


class Collection(Settings):
    """How much text a stage reads: the paper's 400,000 tokens. `exclude_unknown` leaves `<unk>` out of preferences;
    `shards` is into how many steps, each for some of the documents, the reading of a stage is divided."""

    tokens: Annotated[int, Ge(2)]
    batch_size: Count
    exclude_unknown: Flag
    shards: Count = 1


class Pruning(Settings):
    """§3.3.2: `set_size` neurons in B and C. Out of the encoder is scored on `reviews` of each split; as a null
    `random_sets` random sets are cut before the classifier and `recurrent_random_sets` out of the encoder."""

    set_size: Count
    reviews: Even
    random_sets: Annotated[int, Ge(0)]
    recurrent_random_sets: Annotated[int, Ge(0)]


class Controls(Settings):
    """What stands beside the paper's models: `finetuning_seeds` fine-tunings of the same pretrained encoder from other
    seeds, `shuffled_labels` on shuffled labels; with `constant_rate` a second pretraining whose learning rate stays at the
    mean of the schedule's; a linear probe for tags trained on `probe_tokens` tokens and tested on as many."""

    finetuning_seeds: Annotated[int, Ge(0)]
    shuffled_labels: Annotated[int, Ge(0)]
    constant_rate: Flag
    probe_tokens: Annotated[int, Ge(2)]


class Nulls(Settings):
    """How often blocks are permuted as a null of each comparison; neurons whose p is small get more. `measures` beside the
    paper's distance get a null too, each as long as the paper's takes."""

    permutations: Count
    measures: list[Literal["mass_hellinger", "jensen_shannon", "ochiai"]]


class TruthNoise(Settings):
    """What stands between a planted assignment and the activations seen, as in `planted.Planted`; all 0 is none."""

    jitter: Annotated[float, Ge(0), Le(0.17)]
    flips: Share
    strays: Share


class TruthPlan(Settings):
    """How many neurons there are and which shares of them change how, as in `planted.list_kinds`; the rest are unchanged."""

    units: Annotated[int, Ge(4)]
    replaced: Share
    lost: Share
    silenced: Share
    unused: Share
    sizes: Annotated[list[Annotated[float, Gt(0), Le(1)]], Field(min_length=1)]
    depth: Annotated[int, Ge(2)]

    @model_validator(mode="after")
    def _leaves_some(self) -> "TruthPlan":
        if self.replaced + 2 * (self.lost + self.silenced) + self.unused >= 1:
            raise ValueError("replaced + 2 · (lost + silenced) + unused must be below 1: some neurons stay unchanged")
        if min(self.sizes) == 1 or 2 * self.depth > self.units:
            raise ValueError("one of the sizes must be below 1, and depth at most half of the units")
        return self


class TruthStudy(Settings):
    """The study of what the method recovers of planted changes, as in `planted.study_tables`: texts of `tokens` tokens out of a
    generated encyclopedia of `population`, `seeds` times with seeds from the profile's on. A profile with this group is the
    study and nothing else: its encoders are planted, so nothing is trained and none of the other groups is read."""

    tokens: Annotated[list[Count], Field(min_length=1)]
    seeds: Count
    noises: Annotated[dict[Name, TruthNoise], Field(min_length=1)]
    ways: Annotated[list[Way], Field(min_length=1)]
    texts: Annotated[list[Literal["one", "two"]], Field(min_length=1)]
    plan: TruthPlan
    permutations: Count
    cap: Count
    population: Annotated[int, Ge(1000)]
    words: Annotated[int, Ge(700)]

    @model_validator(mode="after")
    def _possible(self) -> "TruthStudy":
        if 2 * max(self.tokens) > self.population:
            raise ValueError("population: two texts of the most tokens are more than it holds")
        if self.cap < self.permutations:
            raise ValueError("cap: a neuron can get no fewer permutations than all get")
        for name in ("tokens", "ways", "texts"):
            if len(set(values := getattr(self, name))) < len(values):
                raise ValueError(f"{name}: one is there twice in {values}")
        return self


class Profile(Settings):
    """Everything a run depends on, and its only source of randomness: `seed`. With the group `truth` it is that study."""

    name: str
    about: str
    seed: Seed
    corpora: Corpora
    world: World | None = None
    vocabulary: VocabularySettings
    tagger: Literal["own"]
    encoder: EncoderSettings | None = None
    features: Features | None = None
    pretraining: Pretraining
    finetuning: Finetuning
    collection: Collection
    pruning: Pruning
    controls: Controls
    nulls: Nulls
    truth: TruthStudy | None = None
    _folder: Path | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _consistent(self) -> "Profile":
        if not self.encoder:
            _check_snapshots(self.pretraining.snapshots, self.pretraining.epochs)
        sources = {self.corpora.pretraining.source, self.corpora.target.source}
        if "world" in sources and self.world is None:
            raise ValueError("a corpus from the world needs the group 'world'")
        if self.pruning.reviews > min(self.finetuning.reviews.train, self.finetuning.reviews.test):
            raise ValueError("pruning.reviews: more than finetuning.reviews gives for train or test")
        if 2 * self.controls.probe_tokens > self.collection.tokens:
            raise ValueError("controls.probe_tokens: training and test together are more than collection.tokens")
        if 2 * self.pruning.set_size > self.pretraining.units:
            raise ValueError(
                f"pruning.set_size {self.pruning.set_size}: B and C together need more than the {self.pretraining.units} units"
            )
        return self

    def part(self, key: str) -> Any:
        """The plain value under a dotted key, as `pretraining.units`."""
        value: Any = self.model_dump()
        for name in key.split("."):
            value = value[name]
        return value

    @property
    def in_layers(self) -> bool:
        """Whether the encoder is read in layers: a Transformer, or recurrent layers of the user's own."""
        own = self.encoder
        return isinstance(own, TransformerEncoder) or (own is not None and own.layers is not None)

    @property
    def own_files(self) -> tuple[str, ...]:
        """The user's own files that the run reads, as the profile names them."""
        corpora = [c.path for c in (self.corpora.pretraining, self.corpora.target) if c.path]
        return (*corpora, *self.encoder_files)

    @property
    def encoder_files(self) -> tuple[str, ...]:
        """Those of them that make the encoder: of a Transformer all that lie in its folders."""
        if self.encoder is None:
            return ()
        given = tuple(self.encoder.files.values())
        if isinstance(self.encoder, OwnEncoder):
            return (self.encoder.vocabulary, *given)
        folders = {name: self.own_file(name) for name in given}
        return tuple(
            f"{name}/{p.name}" for name, place in folders.items() for p in sorted(place.glob("*")) if p.is_file()
        )

    def own_file(self, name: str) -> Path:
        """Where a file of the user's own lies, or would lie: in the folder of the profile's file, else in TXRAY_DATA."""
        beside = (self._folder or places.profiles_folder()) / name
        data = os.environ.get(places.DATA_VARIABLE)
        kept = Path(data) / name if data else beside
        return kept if kept.exists() and not beside.exists() else beside

    @property
    def parameters(self) -> dict[str, Any]:
        """The plain values of all groups that the run reads: what stands beside its tables."""
        read = self.model_dump(include={"name", "about", "seed", "truth"} if self.truth else None)
        return {name: value for name, value in read.items() if value is not None}


def _check_snapshots(given: list[int], last: int) -> None:
    """Whether the snapshots of a pretraining give the stages of RQ1."""
    if last < 3:
        raise ValueError(
            f"pretraining: epochs: RQ1 compares an early, the last but one and the last of at least 3 epochs, not of {last}"
        )
    if missing := sorted({0, last - 1, last} - set(given)):
        raise ValueError(f"pretraining: snapshots must hold 0 and the last two epochs; missing: {missing}")
    if max(given) > last or len(set(given)) < len(given) or not any(0 < epoch < last - 1 for epoch in given):
        raise ValueError(f"pretraining: snapshots must be distinct epochs up to {last}, one between 0 and {last - 1}")


def load_profile(name: str) -> Profile:
    """A profile by name (`demo`) or by the path of a YAML file. Raises TxrayError naming the key that is wrong."""
    path = _file_of(name)
    try:
        profile = Profile.model_validate(_merged(path))
    except ValidationError as error:
        problems = "\n".join(f"  {_problem(each)}" for each in error.errors())
        raise TxrayError(f"the profile {path.name} has {error.error_count()} problem(s):\n{problems}") from None
    if own := profile.encoder:
        given = {"epochs": max(own.files), "snapshots": sorted({0, *own.files})}
        profile = profile.model_copy(update={"pretraining": profile.pretraining.model_copy(update=given)})
    if profile.encoder or profile.own_files:
        profile._folder = path.absolute().parent
    return profile


def profile_name(given: str) -> str:
    """The name of a profile from its name (`demo`) or from the path of its YAML file. Raises TxrayError where that is not there."""
    return _file_of(given).stem if given.endswith(_ENDINGS) else given


def _file_of(name: str) -> Path:
    path = Path(name) if name.endswith(_ENDINGS) else places.profiles_folder() / f"{name}.yaml"
    if not path.is_file():
        own = Path(name) / f"{Path(name).name}.yaml"
        hint = f"Did you mean {str(own)!r}?" if own.is_file() else nearest(name, list_profiles())
        raise TxrayError(f"there is no profile {name!r} ({path} does not exist). {hint}")
    return path


def list_profiles() -> list[str]:
    """Names of the profiles in the repository."""
    places.note_opened(places.profiles_folder() / "*.yaml")
    return sorted(p.stem for p in places.profiles_folder().glob("*.yaml"))


def _merged(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The file's keys laid over those of the profile that its `base` names: one beside it, else one of the repository."""
    if path in seen:
        raise TxrayError(f"the profile {path.name} is its own base, by way of {', '.join(p.name for p in seen)}")
    places.note_opened(path.absolute())
    content = read_keys(path)
    if content.get("name", path.stem) != path.stem:
        told = f"the profile {path} names itself {content['name']!r}, and is called what its file is called"
        raise TxrayError(f"{told}: rename the file, or leave out the name.")
    base = content.pop("base", None)
    if base is not None:
        beside, shipped = (folder / f"{base}.yaml" for folder in (path.parent, places.profiles_folder()))
        below = beside if beside.is_file() else shipped
        if not below.is_file():
            hint = nearest(str(base), list_profiles())
            raise TxrayError(f"the profile {path.name} builds on {base!r}, which does not exist. {hint}")
        content = _overlay(_merged(below, (*seen, path)), content)
    return {**content, "name": path.stem}


def _overlay(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """One profile over another, group by group; snapshots are taken whole: epochs of other snapshots are not to be mixed in."""
    result = {**below, **above}
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict) and key not in ("files", "transformer"):
            result[key] = _overlay(below[key], value)
    return result


def _problem(error: Any) -> str:
    """A problem that pydantic found, by its key and in a sentence."""
    location = [str(part) for part in error["loc"]]
    key, given = ".".join(part for part in location if part not in (*_ENCODERS, "[key]")), repr(error["input"])
    if error["type"] == "extra_forbidden":
        return f"{key}: no such key. {nearest(location[-1], _keys(location[:-1]))}"
    if error["type"] == "missing":
        return f"{key}: missing"
    if error["type"] == "value_error":
        return f"{key}: {error['ctx']['error']}".removeprefix(": ")
    wanted = re.sub(r"valid dictionary( or instance of \w+)?", "group of keys", error["msg"]).removeprefix("Input ")
    hint = "; between quotes it is text" if isinstance(error["input"], int | float) and "string" in wanted else ""
    return f"{key}: {wanted}, not {given if len(given) < 60 else 'what it is'}{hint}"


def _keys(location: list[str]) -> list[str]:
    """The keys of a group; a name of one's own choice on the way, as that of a noise, is passed over."""
    group: type[BaseModel] = Profile
    for name in location:
        if name in _ENCODERS:
            group = _ENCODERS[name]
        elif name in group.model_fields:
            annotation = group.model_fields[name].annotation
            kinds = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
            group = next((kind for kind in kinds if issubclass(kind, BaseModel)), group)
    return [*group.model_fields, "base"] if group is Profile else list(group.model_fields)
