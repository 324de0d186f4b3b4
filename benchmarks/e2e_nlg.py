"""E2E NLG, the LoRA paper's own task: train on its meanings, write those of its dev set, score the texts.

    python benchmarks/e2e_nlg.py prepare train write score --data ../shared/data/e2e_nlg

Every part keeps what it made in `--work` and is passed over if that is there; `score` is always done
anew and writes `--out`. Names of restaurants and of their neighbours are delexicalised (X, Y) before the
model sees them and put back afterwards. Training rows are references that the slot aligner
(`e2e_slots.py`) finds nothing wrong with. BLEU is sacrebleu's, with all references of a meaning,
tokenizer 13a, case kept. The official test set is not used.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e2e_slots import (
    PLACEHOLDERS,
    Meaning,
    delexicalised,
    parse_meaning,
    read_meanings,
    relexicalised,
    slot_error_rate,
    slot_errors,
    template,
)

from lora_marketing.brands.brand import Brief
from lora_marketing.copy.record import Copy, read_copies, share_stopped, write_copies

if TYPE_CHECKING:
    from lora_marketing.writing.session import WritingSession

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "recipes/e2e/restaurants/recipe.yaml"
KEYS = {
    "eatType": "type",
    "food": "food",
    "priceRange": "price",
    "customer rating": "rating",
    "area": "area",
    "familyFriendly": "family",
    "near": "near",
}
"""What the prompt calls a slot, in the order in which it stands there."""
VALIDATION_MEANINGS = 30
SEED = "13"
SAMPLES, TEMPERATURE, TOP_P = "samples.jsonl", 0.3, 0.9
GREEDY = "greedy.jsonl"
ADAPTER = "e2e/restaurants"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parts = {"prepare": prepare, "train": train, "write": write, "score": score}
    parser.add_argument("parts", nargs="+", choices=parts)
    parser.add_argument("--data", type=Path, required=True, help="folder of train_sample.csv and dev.csv")
    parser.add_argument("--work", type=Path, default=ROOT / "runs/e2e")
    parser.add_argument("--rows", type=int, default=10_000, help="training rows at most")
    parser.add_argument(
        "--samples", type=int, default=8, help="texts drawn where the greedy one has slot errors"
    )
    parser.add_argument("--max-rows", type=int, default=96, help="rows that are written together")
    parser.add_argument("--set", action="append", default=[], help="overrides of the recipe")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks/e2e_nlg.json")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    for part in options.parts:
        parts[part](options)


# -- prepare -----------------------------------------------------------------------------------


def prepare(options: argparse.Namespace) -> None:
    """Rows for training and validation: first one reference of every meaning, then a second, and so on."""
    if _done(options.work / "rows.json"):
        return
    meanings = read_meanings(options.data / "train_sample.csv")
    places = _places(meanings)
    kept = {text: _usable(parse_meaning(text), refs, places) for text, refs in meanings.items()}
    order = sorted(filter(kept.get, kept), key=lambda text: sha256(f"{SEED}|{text}".encode()).digest())
    held_out, trained = order[:VALIDATION_MEANINGS], order[VALIDATION_MEANINGS:]
    validation = [row for text in held_out for row in _rows(text, kept[text])]
    train_rows = _chosen(trained, kept, {row["text"] for row in validation}, options.rows)
    _write_lines(options.work / "validation.jsonl", validation)
    _write_lines(options.work / "train.jsonl", train_rows)
    counts = {
        "meanings": len(meanings),
        "references": sum(map(len, meanings.values())),
        "usable_references": sum(map(len, kept.values())),
        "train_rows": len(train_rows),
        "train_meanings": len({json.dumps(row["attributes"]) for row in train_rows}),
        "validation_rows": len(validation),
    }
    (options.work / "rows.json").write_text(json.dumps(counts, indent=2) + "\n")
    print(counts)


def _usable(meaning: Meaning, references: Sequence[str], places: set[str]) -> list[str]:
    """References without a slot error, delexicalised."""
    right = [text for text in references if not slot_errors(meaning, text, places).count]
    return list(dict.fromkeys(filter(None, (delexicalised(meaning, text) for text in right))))


def _chosen(
    order: Sequence[str], kept: Mapping[str, Sequence[str]], taken: set[str], limit: int
) -> list[dict[str, Any]]:
    """`limit` rows; those of a meaning stand together, so that a step computes its prompt once."""
    left = {text: [ref for ref in kept[text] if ref not in taken] for text in order}
    ranks = [(rank, place) for place, text in enumerate(order) for rank in range(len(left[text]))]
    places = sorted((place, rank) for rank, place in sorted(ranks)[:limit])
    return [_row(order[place], left[order[place]][rank], rank) for place, rank in places]


def _rows(text: str, references: Sequence[str]) -> list[dict[str, Any]]:
    return [_row(text, reference, rank) for rank, reference in enumerate(references)]


def _row(text: str, reference: str, rank: int) -> dict[str, Any]:
    name = sha256(text.encode()).hexdigest()[:10]
    asked = brief_of(parse_meaning(text)).model_dump(exclude_defaults=True)
    return {"id": f"{name}-{rank}", **asked, "text": reference}


def brief_of(meaning: Meaning) -> Brief:
    """The request for a meaning, delexicalised."""
    hidden = {**meaning, **{slot: sign for slot, sign in PLACEHOLDERS.items() if slot in meaning}}
    return Brief(
        task="data_to_text",
        product=hidden["name"],
        channel="product_page",
        field="description",
        attributes={key: hidden[slot] for slot, key in KEYS.items() if slot in meaning},
    )


def _places(meanings: Mapping[str, Any]) -> set[str]:
    """All neighbours of a file, and the placeholder for one: what a text could invent."""
    parsed = map(parse_meaning, meanings)
    return {meaning["near"] for meaning in parsed if "near" in meaning} | {PLACEHOLDERS["near"]}


# -- train -------------------------------------------------------------------------------------


def train(options: argparse.Namespace) -> None:
    """Train the recipe on the prepared rows, and publish in a registry of its own."""
    if _done(options.work / "training.json"):
        return
    from lora_marketing.cli.quiet import quiet_upstream
    from lora_marketing.data.dataset import prepare as read_rows
    from lora_marketing.recipe import load_recipe

    quiet_upstream()
    from lora_marketing.registry.store import Registry
    from lora_marketing.runs.run import BaseCache, train_and_publish

    files = [f"data.{split}={options.work / split}.jsonl" for split in ("train", "validation")]
    loaded = load_recipe(RECIPE, [*files, *options.set])
    begin = time.monotonic()
    version = train_and_publish(
        loaded,
        read_rows(loaded),
        BaseCache(),
        Registry(options.work / "adapters"),
        options.work / "runs",
        resume=True,
    )
    minutes = (time.monotonic() - begin) / 60
    told = {"minutes": round(minutes, 1), "digest": version.digest, "recipe": loaded.portable()["train"]}
    told |= {"lora": loaded.portable()["lora"], "metrics": version.manifest.metrics}
    (options.work / "training.json").write_text(json.dumps(told, indent=2) + "\n")


# -- write -------------------------------------------------------------------------------------


def write(options: argparse.Namespace) -> None:
    """A greedy text for every meaning of the dev set; where it has slot errors, `--samples` drawn ones."""
    greedy, samples = options.work / GREEDY, options.work / SAMPLES
    if greedy.is_file() and _done(samples):
        return
    from lora_marketing.cli.quiet import quiet_upstream

    quiet_upstream()
    dev = Dev.read(options.data)
    desk = _desk(options.work / "adapters", options.max_rows)
    if not _done(greedy):
        _write_texts(desk, greedy, dev.meanings, 1, 0.0)
    first = [texts[0] for texts in texts_of(dev.meanings, read_copies(greedy))]
    pairs = zip(dev.meanings, first, strict=True)
    flawed = [meaning for meaning, text in pairs if slot_errors(meaning, text, dev.places).count]
    if flawed and options.samples:
        _write_texts(desk, samples, flawed, options.samples, TEMPERATURE)


def _desk(adapters: Path, max_rows: int) -> WritingSession:
    """The trained adapter's desk, with room for `max_rows` rows."""
    from lora_marketing.engine.writer import Writer
    from lora_marketing.registry.names import AdapterRef
    from lora_marketing.registry.store import Registry
    from lora_marketing.writing.session import WritingSession

    desk = WritingSession.open(adapters, [ADAPTER])
    writer = Writer(desk.writer.base, max_rows)
    writer.load(Registry(adapters).resolve(AdapterRef.parse(ADAPTER)))
    return WritingSession(writer, desk.voices)


def _write_texts(
    desk: WritingSession, path: Path, meanings: Sequence[Meaning], variants: int, temperature: float
) -> None:
    from lora_marketing.engine.sampling import Sampling

    begin = time.monotonic()
    sampling = Sampling(int(SEED), temperature, TOP_P, max_new_tokens=100)
    briefs = [brief_of(meaning) for meaning in meanings]
    copies = desk.write(briefs, variants, sampling, with_base=False, with_adapters=True, raw=True)
    seconds = time.monotonic() - begin
    write_copies(path, copies)
    told = {
        "texts": len(copies),
        "meanings": len(meanings),
        "seconds": round(seconds, 1),
        "tokens_per_second": round(sum(copy.tokens for copy in copies) / seconds),
        "stopped": share_stopped(copies),
    }
    path.with_suffix(".json").write_text(json.dumps(told, indent=2) + "\n")
    print(path.name, told)


# -- score -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dev:
    """The dev set: meanings, all references of each, and the neighbours that a text could invent."""

    meanings: Sequence[Meaning]
    references: Sequence[Sequence[str]]
    places: set[str]

    @classmethod
    def read(cls, data: Path) -> Dev:
        found = read_meanings(data / "dev.csv")
        return cls([parse_meaning(text) for text in found], list(found.values()), _places(found))

    def figures(self, texts: Sequence[str]) -> dict[str, float]:
        """BLEU and slot errors of one text per meaning."""
        errors = slot_error_rate(self.meanings, texts, self.places)
        return {**bleu(texts, self.references), **{name: round(share, 4) for name, share in errors.items()}}


def score(options: argparse.Namespace) -> None:
    """Score people, a template, and what was written; print a table and write `--out`."""
    dev = Dev.read(options.data)
    rows = {
        "people, one against the others": people(dev),
        "template": dev.figures([template(meaning) for meaning in dev.meanings]),
    }
    work = options.work
    if (work / GREEDY).is_file():
        pools = texts_of(dev.meanings, read_copies(work / GREEDY))
        rows["adapter, greedy"] = dev.figures([pool[0] for pool in pools])
        if (work / SAMPLES).is_file():
            drawn = texts_of(dev.meanings, read_copies(work / SAMPLES))
            pools = [[*first, *more] for first, more in zip(pools, drawn, strict=True)]
            texts = [chosen(*pair, dev.places) for pair in zip(dev.meanings, pools, strict=True)]
            rows["adapter, drawn again where slots were wrong"] = dev.figures(texts)
    print(
        "| texts | BLEU | lower case | slot errors | missing | wrong | added |\n|---|---|---|---|---|---|---|"
    )
    for name, row in rows.items():
        shares = " | ".join(f"{row[key]:.2%}" for key in ("ser", "missing", "wrong", "hallucinated"))
        print(f"| {name} | {row['bleu']:.1f} | {row['bleu_lower_case']:.1f} | {shares} |")
    made = {path.stem: json.loads(path.read_text()) for path in sorted(work.glob("*.json"))}
    whole = {"date": str(date.today()), "dev_meanings": len(dev.meanings), "rows": rows, "made": made}
    options.out.write_text(json.dumps(whole, indent=2) + "\n")


def bleu(texts: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Corpus BLEU (0 to 100) with all references, as many as each text has."""
    import sacrebleu

    most = max(map(len, references))
    streams: list[Any] = [
        [own[place] if place < len(own) else None for own in references] for place in range(most)
    ]
    cased = sacrebleu.corpus_bleu(texts, streams, tokenize="13a")
    lower = sacrebleu.corpus_bleu(texts, streams, tokenize="13a", lowercase=True)
    return {"bleu": round(cased.score, 2), "bleu_lower_case": round(lower.score, 2)}


def people(dev: Dev, draws: int = 5) -> dict[str, float]:
    """A reference drawn from each meaning against its others, mean of `draws`; slot errors of all."""
    random_numbers = random.Random(SEED)
    several = [own for own in dev.references if len(own) > 1]
    found = []
    for _ in range(draws):
        places = [random_numbers.randrange(len(own)) for own in several]
        others = [[*own[:at], *own[at + 1 :]] for own, at in zip(several, places, strict=True)]
        found.append(bleu([own[at] for own, at in zip(several, places, strict=True)], others))
    mean = {key: round(sum(one[key] for one in found) / draws, 2) for key in found[0]}
    pairs = [
        (meaning, text) for meaning, own in zip(dev.meanings, dev.references, strict=True) for text in own
    ]
    errors = slot_error_rate([meaning for meaning, _ in pairs], [text for _, text in pairs], dev.places)
    return {**mean, **{name: round(share, 4) for name, share in errors.items()}}


def texts_of(meanings: Sequence[Meaning], copies: Sequence[Copy]) -> list[list[str]]:
    """The texts written for each meaning, with its names put back."""
    written: dict[str, list[str]] = {}
    for copy in copies:
        written.setdefault(copy.brief.model_dump_json(), []).append(copy.text)
    asked = [brief_of(meaning).model_dump_json() for meaning in meanings]
    return [
        [relexicalised(meaning, text) for text in written.get(key, [])]
        for meaning, key in zip(meanings, asked, strict=True)
    ]


def chosen(meaning: Meaning, pool: Sequence[str], places: set[str]) -> str:
    """The text with fewest slot errors; among equals the first (greedy) one, then the one most like
    the others (minimum Bayes risk with sentence BLEU, Kumar and Byrne 2004)."""
    counts = [slot_errors(meaning, text, places).count for text in pool]
    if counts[0] == min(counts):
        return pool[0]
    from sacrebleu import sentence_bleu

    def agreement(at: int) -> float:
        others = [text for place, text in enumerate(pool) if place != at]
        return sum(sentence_bleu(pool[at], [other]).score for other in others)

    return pool[max((at for at, count in enumerate(counts) if count == min(counts)), key=agreement)]


def _done(path: Path) -> bool:
    if path.is_file():
        print(f"{path.name} is there: passed over")
    return path.is_file()


def _write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
