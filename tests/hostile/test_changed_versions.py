"""A published version that was changed on the disk is served to nobody, whatever in it was changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lora_marketing.common.errors import AdapterRefused
from lora_marketing.engine.base import LoadedBase, load_base
from lora_marketing.engine.engine import Engine
from lora_marketing.engine.request import Progress, Request
from lora_marketing.engine.sampling import Sampling
from lora_marketing.engine.writer import Writer
from lora_marketing.model_eval.scoring import Scorer
from lora_marketing.registry import AdapterName, Registry, Version
from tests.engine.making import KINDS, base_folder, prompts, save_adapter, section
from tests.registry.making import manifest

NAME = AdapterName("ember", "espresso")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LoadedBase:
    return load_base(section(base_folder("llama", tmp_path_factory.mktemp("base"))))


@pytest.fixture
def version(base: LoadedBase, tmp_path: Path) -> Version:
    made = save_adapter(base, KINDS["plain"], tmp_path / "made")
    (made / "README.md").write_text("# made\n")
    return Registry(tmp_path / "adapters").publish(NAME, made, manifest(NAME, base=base.pin))


def written(engine: Engine, request: Request) -> Progress:
    """The last that a row's listener hears."""
    heard: list[Progress] = []
    engine.submit(request, heard.append)
    while engine.step():
        pass
    return heard[-1]


def alpha_times_eight(folder: Path) -> Path:
    return changed(folder, lambda config: {**config, "lora_alpha": 8 * config["lora_alpha"]})


def same_in_another_spelling(folder: Path) -> Path:
    return changed(folder, lambda config: dict(reversed(config.items())))


def one_bit_of_the_weights(folder: Path) -> Path:
    path = folder / "adapter_model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-4] ^= 1
    path.chmod(0o644)
    path.write_bytes(raw)
    return path


def changed(folder: Path, change: Callable[[dict[str, object]], dict[str, object]]) -> Path:
    path = folder / "adapter_config.json"
    path.chmod(0o644)
    path.write_text(json.dumps(change(json.loads(path.read_bytes()))))
    return path


@pytest.mark.parametrize("change", [alpha_times_eight, same_in_another_spelling, one_bit_of_the_weights])
def test_a_changed_file_is_refused_everywhere(
    base: LoadedBase, version: Version, change: Callable[[Path], Path]
) -> None:
    request = Request(prompts(base, [6])[0], version.digest, Sampling(1, 0.0, 1.0, 4))
    engine, scorer = Engine(base), Scorer(base, 1)
    engine.register(version)
    scorer.register(version)
    path = change(version.folder)
    said = [written(engine, request).error]
    with pytest.raises(AdapterRefused) as caught:
        Writer(base).load(version)
    said.append(caught.value)
    with pytest.raises(AdapterRefused) as caught:
        scorer.score([], version.digest)
    said.append(caught.value)
    for error in said:
        assert isinstance(error, AdapterRefused)
        assert error.problems[0].where == str(path)
        assert "lora-marketing adapters verify" in str(error)


def test_a_manifest_without_a_hash_is_no_licence(base: LoadedBase, version: Version) -> None:
    files = {"adapter_model.safetensors": version.manifest.files["adapter_model.safetensors"]}
    bare = Version(
        version.name, version.digest, version.folder, version.manifest.model_copy(update={"files": files})
    )
    with pytest.raises(AdapterRefused, match=r"manifest lists no adapter_config\.json"):
        Engine(base).register(bare)
