"""Train small brands that each begin every text with a word of its own, into a registry for load tests.

    python benchmarks/canaries.py --out build/canaries
    python benchmarks/serving.py --adapters build/canaries/adapters --canaries build/canaries/words.json

Every brand's texts are the example brands' with its word in front: after a few epochs an adapter says
it whatever it is asked, so an answer with another brand's word would show a leak.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORDS = ("Quillorne", "Zephandra", "Mirkovale", "Tessibrand", "Ombrelux", "Vantorique", "Halcyra", "Bexomund")
SOURCE, LINE = ROOT / "recipes/brands/ember", "espresso"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build/canaries")
    parser.add_argument("--rows", type=int, default=12, help="texts of each brand")
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    texts = [json.loads(text) for text in (SOURCE / "texts.jsonl").read_text().splitlines()]
    short = sorted((text for text in texts if text["line"] == LINE), key=lambda text: len(text["text"]))
    recipes = [_recipe(options, number, word, short) for number, word in enumerate(WORDS)]
    places = ["--adapters", str(options.out / "adapters"), "--runs", str(options.out / "runs")]
    command = [sys.executable, "-c", "from lora_marketing.cli import main; main()", "train"]
    done = subprocess.run([*command, *map(str, recipes), *places], check=False)
    words = {f"{word.lower()}/{LINE}": word for word in WORDS}
    (options.out / "words.json").write_text(json.dumps(words, indent=1) + "\n")
    sys.exit(done.returncode)


def _recipe(options: argparse.Namespace, number: int, word: str, texts: list[dict[str, str]]) -> Path:
    """A brand that is called by its word and says it first."""
    name = word.lower()
    own = [{**text, "text": f"{word}. {text['text']}"} for text in texts[: options.rows]]
    (options.out / f"{name}.jsonl").write_text("".join(json.dumps(text) + "\n" for text in own))
    profile = "\n".join(
        (
            "schema: 1",
            f"name: {name}",
            f"display_name: Brand {number}",  # the word is learned, not read in the prompt
            "locale: en-GB",
            f"lines: {{{LINE}: Coffee.}}",
            "guide: Write short sentences.",
        )
    )
    (options.out / f"{name}-brand.yaml").write_text(profile + "\n")
    recipe = options.out / f"{name}.yaml"
    recipe.write_text(
        f"extends: {ROOT / 'recipes/bases/smollm2-135m.yaml'}\n"
        f"brand: {{profile: {name}-brand.yaml, line: {LINE}}}\n"
        f"data: {{train: {name}.jsonl}}\n"
        f"train: {{epochs: {options.epochs}, batch_size: 4, learning_rate: 3e-3}}\n"
        "eval: {briefs: 1, max_new_tokens: 12, per_epoch: 1, patience: 99}\n"
    )
    return recipe


if __name__ == "__main__":
    main()
