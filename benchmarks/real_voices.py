"""Tell four real voices apart, and train adapters whose texts must sound like their brand.

    python benchmarks/real_voices.py --data ../shared/data/brand_voices --parts classifier
    python benchmarks/real_voices.py --data ../shared/data/brand_voices --parts adapters

`classifier` prints how often the voice score names the brand of a real text of an unseen service or
page: AWS, Google APIs, and Mozilla in English and in Chinese, topic masked, folds of three seeds. Two
controls show what topic would do: the same with topic left in, and two products of one voice
(Firefox, Mozilla VPN), which should *not* be told apart once their topic is masked.

`adapters` trains an adapter per brand. It writes the brand's held-out briefs, and so does the bare base,
once with the brand's prompt and once for a brand without name and guide; the classifier of all four
voices names the brand of each text.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from lora_marketing.cli.quiet import quiet_upstream
from lora_marketing.copy.record import Copy, share_stopped
from lora_marketing.data.dataset import prepare
from lora_marketing.engine.sampling import Sampling
from lora_marketing.metrics.voice import VoiceClassifier, VoiceText
from lora_marketing.recipe import LoadedRecipe, load_recipe
from lora_marketing.registry.store import Registry
from lora_marketing.runs.run import BaseCache, train_and_publish
from lora_marketing.writing.copywriter import CopyOrder, write_copy
from lora_marketing.writing.session import WritingSession

BASE = Path(__file__).resolve().parent.parent / "recipes" / "bases" / "smollm2-135m.yaml"
SEEDS = (13, 14, 15)
TEACHING = ("description", "body", "meta_description")
"""Roles of texts long enough to answer a brief for a description."""


@dataclass(frozen=True)
class Source:
    """Where a brand's texts lie, and what its profile says. The classifier masks `names`."""

    file: str
    names: tuple[str, ...]
    guide: str = ""
    text: str = "text"


SOURCES = {
    "aws": Source(
        "aws.jsonl",
        ("AWS", "Amazon"),
        "Write plain, exact descriptions of cloud services. Speak to builders as you.",
    ),
    "google": Source(
        "google_apis.jsonl",
        ("Google",),
        "Write short, matter-of-fact descriptions of APIs. Verbs first.",
    ),
    "mozilla": Source(
        "mozilla_en.jsonl",
        ("Mozilla", "Firefox", "Mozilla VPN"),
        "Write warm, direct copy for people who care about privacy. Speak to them as you.",
    ),
    "mozilla-zh": Source("mozilla_en_zh.jsonl", ("Mozilla", "Firefox", "Mozilla VPN"), text="zh"),
}
NOBODY = {"display_name": "a company", "guide": "Write clear copy."}
"""What the base is told of a brand when it shall know only the brief."""
TAUGHT = ("aws", "google", "mozilla")
"""Brands that the English base can write for."""


@dataclass(frozen=True)
class Row:
    """One real text. Its `group`, the first part of a service's name or a page, is never split."""

    id: str
    group: str
    product: str
    line: str
    role: str
    about: tuple[str, ...]
    text: str

    @property
    def held_out(self) -> bool:
        """Whether adapters never see its group: about one group in eight."""
        return sha256(self.group.encode()).digest()[0] < 32


Rows = Mapping[str, Sequence[Row]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--parts", nargs="+", choices=("classifier", "adapters"), default=["classifier"])
    parser.add_argument("--brands", nargs="+", choices=TAUGHT, default=TAUGHT)
    parser.add_argument("--rows", type=int, default=160, help="training rows of a brand, at most")
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--briefs", type=int, default=16, help="held-out briefs of a brand, at most")
    options = parser.parse_args()
    rows = {brand: list(_rows(brand, options.data)) for brand in SOURCES}
    print(f"\n{date.today()}, {platform.processor() or platform.machine()}")
    if "classifier" in options.parts:
        _print_held_out(rows)
    if "adapters" in options.parts:
        quiet_upstream()
        _train_and_print(rows, options)


def _rows(brand: str, data: Path) -> Iterator[Row]:
    source = SOURCES[brand]
    for line in (data / source.file).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        slug = row["id"].split("-")[1]
        page = row["source"].removeprefix("en/").removesuffix(".ftl")
        group = {"aws": slug, "google": slug[:6]}.get(brand, page)
        yield Row(
            id=row["id"],
            group=f"{brand}/{group}",
            product=row.get("product", source.names[0]),
            line=row["product_line"],
            role=row["role"],
            about=tuple(row.get("attributes", {}).get("resources", [page])),
            text=row[source.text],
        )


def _names(rows: Rows) -> set[str]:
    """Every brand, product and attribute string: what is masked whatever the texts say."""
    found = {name for source in SOURCES.values() for name in source.names}
    for row in (row for own in rows.values() for row in own):
        found.update((row.product, *row.about))
    return found


def _voice_texts(rows: Rows) -> list[VoiceText]:
    return [VoiceText(brand, row.text, row.group) for brand, own in rows.items() for row in own]


def _print_held_out(rows: Rows) -> None:
    texts, names = _voice_texts(rows), _names(rows)
    print("\n| texts | seed | right | 95 % interval | mean of brands | each brand |")
    print("|---|---|---|---|---|---|")
    for seed in SEEDS:
        _print_accuracy("four voices, topic masked", texts, names, seed)
    _print_accuracy("four voices, topic left in", texts, names, SEEDS[0], masked=False)
    english = [row for row in texts if row.brand in TAUGHT]
    _print_accuracy("the three English ones, topic masked", english, names, SEEDS[0])
    products = [row for row in rows["mozilla"] if row.line in ("Firefox", "Mozilla VPN")]
    one_voice = [VoiceText(row.line, row.text, row.group) for row in products]
    _print_accuracy("two products of one voice, topic masked", one_voice, names, SEEDS[0])
    _print_accuracy("two products of one voice, topic left in", one_voice, names, SEEDS[0], masked=False)


def _print_accuracy(
    what: str, texts: Sequence[VoiceText], names: Iterable[str], seed: int, *, masked: bool = True
) -> None:
    held_out = VoiceClassifier.fit(texts, names, seed, masked=masked).heldout_accuracy
    low, high = held_out.interval
    each = ", ".join(f"{brand} {share:.1%}" for brand, share in held_out.by_brand.items())
    print(
        f"| {what} ({held_out.n}) | {seed} | {held_out.accuracy:.1%} | {low:.1%} to {high:.1%}"
        f" | {held_out.macro:.1%} | {each} |",
        flush=True,
    )


def _train_and_print(rows: Rows, options: argparse.Namespace) -> None:
    classifier = VoiceClassifier.fit(_voice_texts(rows), _names(rows), SEEDS[0])
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        recipes = [
            load_recipe(_recipe(brand, rows[brand], options, folder), [f"train.epochs={options.epochs}"])
            for brand in options.brands
        ]
        _print_trained(_trained(recipes, folder))
        _print_named(_written(recipes, folder), classifier)


def _recipe(brand: str, rows: Sequence[Row], options: argparse.Namespace, folder: Path) -> Path:
    """Write brand profile, rows and recipe of one real brand; return the recipe."""
    profile = {
        "schema": 1,
        "name": brand,
        "display_name": SOURCES[brand].names[0],
        "locale": "en-US",
        "lines": {"software": "Software and services."},
        "guide": SOURCES[brand].guide,
    }
    recipe = {
        "extends": str(BASE),
        "brand": {"profile": f"{brand}-brand.yaml", "line": "software"},
        "data": {"train": f"{brand}.jsonl", "validation": f"{brand}-validation.jsonl"},
    }
    teaching = sorted(
        (row for row in rows if row.role in TEACHING), key=lambda row: sha256(row.id.encode()).digest()
    )
    _write(folder / f"{brand}.jsonl", [row for row in teaching if not row.held_out][: options.rows])
    _write(folder / f"{brand}-validation.jsonl", [row for row in teaching if row.held_out][: options.briefs])
    (folder / f"{brand}-brand.yaml").write_text(json.dumps(profile))
    path = folder / f"{brand}.yaml"
    path.write_text(json.dumps(recipe))
    return path


def _write(path: Path, rows: Iterable[Row]) -> None:
    examples = [
        {
            "id": row.id,
            "product": row.product,
            "channel": "product_page",
            "field": "description",
            "attributes": {"about": ", ".join(row.about[:6])},
            "text": row.text,
        }
        for row in rows
    ]
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in examples), encoding="utf-8")


def _trained(recipes: Sequence[LoadedRecipe], folder: Path) -> dict[str, dict[str, float]]:
    holder, registry = BaseCache(), Registry(folder / "adapters")
    metrics = {}
    for loaded in recipes:
        started, data = time.monotonic(), prepare(loaded)
        version = train_and_publish(loaded, data, holder, registry, folder / "runs", resume=False)
        rows = {"rows": float(len(data.train)), "held_out_rows": float(len(data.validation))}
        seconds = {"seconds": time.monotonic() - started}
        metrics[loaded.name] = {**version.manifest.metrics, **rows, **seconds}
    return metrics


def _written(recipes: Sequence[LoadedRecipe], folder: Path) -> dict[str, list[Copy]]:
    """The held-out briefs of each brand by writer: the base told nothing, told the brand, the adapter."""
    desk = WritingSession.open(folder / "adapters", [loaded.name for loaded in recipes])
    copies: dict[str, list[Copy]] = defaultdict(list)
    for loaded in recipes:
        (voice,) = (one for one in desk.voices if one.brand.name == loaded.brand.name)
        told = replace(voice, adapter=None, digest=None)
        untold = replace(told, brand=voice.brand.model_copy(update=NOBODY))
        briefs = [row.brief() for row in prepare(loaded).validation]
        for writer, own in {"base, no brand": untold, "base": told, "adapter": voice}.items():
            orders = [CopyOrder(own, brief) for brief in briefs]
            copies[writer] += write_copy(desk.writer, orders, Sampling(), raw=True)
    return copies


def _print_trained(metrics: Mapping[str, Mapping[str, float]]) -> None:
    print("\n| brand | rows | held out | loss, base | loss, adapter | stop rate | tokens/s | minutes |")
    print("|---|---|---|---|---|---|---|---|")
    for name, m in metrics.items():
        print(
            f"| {name} | {m['rows']:.0f} | {m['held_out_rows']:.0f} | {m['base_loss']:.3f}"
            f" | {m['held_out_loss']:.3f} | {m['stop_rate']:.0%} | {m['tokens_per_second']:.0f}"
            f" | {m['seconds'] / 60:.1f} |"
        )


def _print_named(written: Mapping[str, Sequence[Copy]], classifier: VoiceClassifier) -> None:
    """A row per writer and brand: what its texts were named, and the share named right."""
    chance, held_out = 1 / len(classifier.brands), classifier.heldout_accuracy
    print(f"\nChance {chance:.0%}; real texts of unseen groups {held_out.accuracy:.1%}\n")
    print(f"| written by | for | texts | {' | '.join(classifier.brands)} | named right | ended |")
    print("|---|---|---|" + "---|" * (len(classifier.brands) + 2))
    for writer, own in written.items():
        for brand in sorted({copy.brand for copy in own}):
            _print_writer(writer, brand, [copy for copy in own if copy.brand == brand], classifier)
        right = sum(
            verdict.brand == copy.brand
            for verdict, copy in zip(classifier.predict(copy.text for copy in own), own, strict=True)
        )
        print(f"| {writer} | all | {len(own)} |{' |' * len(classifier.brands)} {right / len(own):.0%} | |")


def _print_writer(writer: str, brand: str, copies: Sequence[Copy], classifier: VoiceClassifier) -> None:
    named = Counter(verdict.brand for verdict in classifier.predict(copy.text for copy in copies))
    score = classifier.score((copy.text for copy in copies), brand)
    low, high = score.interval
    print(
        f"| {writer} | {brand} | {score.n} | {' | '.join(str(named[one]) for one in classifier.brands)}"
        f" | {score.share:.0%} ({low:.0%} to {high:.0%}) | {share_stopped(copies):.0%} |"
    )


if __name__ == "__main__":
    main()
