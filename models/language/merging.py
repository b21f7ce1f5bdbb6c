"""Base model and adapter as one ordinary model, for servers that are quickest without adapters."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from findings.errors import SettingsError, WeightsError
from models.language.adapter_card import CARD_FILE, read_adapter_card

_TOKENIZER: Final = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "generation_config.json",
)


def merge_adapter(base: Path, adapter: Path, out: Path) -> Path:
    """Write the model in `base` with the adapter worked into its weights, in bfloat16, to `out`.

    `base` is an ordinary model folder; its tokenizer and chat template go along, and so does the
    adapter's card. The sum is taken in single precision. Returns `out`.

    Raises:
        WeightsError: the adapter is damaged or does not fit the model.
        SettingsError: `out` exists already.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from models.language.loading import quiet_transformers

    if out.exists():
        raise SettingsError(f"The folder for the merged model, {out.name}, exists. Name a new one.")
    read_adapter_card(adapter)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=out.parent, prefix=".partial-"))
    models: Any = AutoModelForCausalLM
    try:
        with quiet_transformers():
            network = models.from_pretrained(
                base,
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
            )
            tuned: Any = PeftModel.from_pretrained(network, adapter)
            merged = tuned.merge_and_unload(safe_merge=True).to(torch.bfloat16)
            merged.save_pretrained(partial)
        for name in _TOKENIZER:
            if (base / name).is_file():
                shutil.copyfile(base / name, partial / name)
        shutil.copyfile(adapter / CARD_FILE, partial / CARD_FILE)
        partial.chmod(0o755)
        partial.rename(out)
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"The adapter cannot be merged ({type(error).__name__}): it does not fit this base "
            "model, or one of the two is damaged."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out
