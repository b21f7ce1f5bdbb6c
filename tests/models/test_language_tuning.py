"""Tuning, merging and exporting an adapter of a tiny Llama with a tiny tokenizer."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from findings.errors import ReportError, SettingsError, WeightsError
from findings.vocabulary import Language
from models.language.adapter_card import AdapterMatch, Method, read_adapter_card
from models.language.adapters import LoraSettings
from models.language.pairs import (
    PAIRS_FILE,
    PREFERENCES_FILE,
    Form,
    Pair,
    Part,
    Preference,
    Turn,
    read_examples,
    write_examples,
)
from models.language.tuning import (
    RunSettings,
    TuningPreset,
    TuningRequest,
    count,
    read_tuning_preset,
    tuning_presets,
)

_MATCH = AdapterMatch(
    base_model="tiny",
    base_sha256="a" * 64,
    prompt="reword_tuned.toml",
    prompt_version="1",
    prompt_sha256="b" * 64,
    schema_version="rewording/1",
    schema_sha256="c" * 64,
)
_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj")
_TEMPLATE = (
    "{% for message in messages %}<s>{{ message['role'] }} {{ message['content'] }}</s>"
    "{% endfor %}{% if add_generation_prompt %}<s>assistant {% endif %}"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ordinary folder of a Llama with two layers, two query heads and one key head."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=128,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=128,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    letters = {chr(code): code for code in range(32, 127)}
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2, **letters}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    fast: Any = PreTrainedTokenizerFast
    wrapped = fast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="</s>",
    )
    wrapped.chat_template = _TEMPLATE
    wrapped.save_pretrained(folder)
    return folder


def _asked(number: int, part: Part) -> dict[str, Any]:
    return {
        "id": f"r{number}",
        "patient": f"p{number}",
        "part": part,
        "language": Language.ENGLISH,
        "form": Form.SENTENCE,
        "origin": "real",
        "prompt": (Turn(role="user", content=f"Say {number}"),),
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    parts = [*[Part.TRAIN] * 8, *[Part.VALIDATION] * 2]
    pairs = [Pair(**_asked(n, part), answer=f"It is {n}.") for n, part in enumerate(parts)]
    write_examples(folder / PAIRS_FILE, pairs)
    preferences = [
        Preference(**_asked(n, part), chosen=f"It is {n}.", rejected="No.")
        for n, part in enumerate(parts)
    ]
    write_examples(folder / PREFERENCES_FILE, preferences)
    return folder


def _request(method: Method, base: Path, data: Path, out: Path, **more: Any) -> TuningRequest:
    preset = TuningPreset(
        method=method,
        base=f"{base}/",
        architecture="smollm2-135m",
        form=Form.SENTENCE,
        languages=(Language.ENGLISH,),
        lora=LoraSettings(rank=2, alpha=4, targets=_TARGETS),
        run=RunSettings(
            epochs=1,
            batch_size=2,
            learning_rate=1e-2,
            warmup_share=0,
            max_tokens=128,
            packing=False,
            validate_every=2,
            precision="float32",
        ),
    )
    return TuningRequest(
        name="tiny",
        version="1",
        preset=preset,
        data=data,
        out=out,
        cache=out,
        match=_MATCH,
        command="readingroom tune",
        **more,
    )


def _weights(folder: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return dict(load_file(folder / "adapter_model.safetensors"))


@pytest.fixture(scope="module")
def tuned(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that the tests of resuming, merging and exporting go on from."""
    from models.language.sft import tune_sft

    home = tmp_path_factory.mktemp("run")
    folder = home / "data"
    folder.mkdir()
    parts = [*[Part.TRAIN] * 8, *[Part.VALIDATION] * 2]
    pairs = [Pair(**_asked(n, part), answer=f"It is {n}.") for n, part in enumerate(parts)]
    write_examples(folder / PAIRS_FILE, pairs)
    figures = tune_sft(_request(Method.SFT, base, folder, home / "out"))
    assert figures["steps"] == 4
    assert figures["validation_loss"] < figures["validation_loss_before"]
    return home


def test_a_run_taken_up_from_its_checkpoint_ends_with_the_same_weights(
    base: Path, tuned: Path, tmp_path: Path
) -> None:
    from models.language.sft import tune_sft

    out = tmp_path / "out"
    shutil.copytree(tuned / "out", out)
    whole = _weights(out / "adapter")
    shutil.rmtree(out / "checkpoints" / "checkpoint-4")
    shutil.rmtree(out / "adapter")
    tune_sft(_request(Method.SFT, base, tuned / "data", out, resume=True))
    resumed = _weights(out / "adapter")
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        np.testing.assert_allclose(value, resumed[name], atol=2e-3)


def test_a_new_run_does_not_fall_over_an_old_one(base: Path, tuned: Path) -> None:
    from models.language.sft import tune_sft

    with pytest.raises(SettingsError, match="--resume"):
        tune_sft(_request(Method.SFT, base, tuned / "data", tuned / "out"))


def test_the_adapter_is_in_half_precision_and_carries_its_card(tuned: Path) -> None:
    card = read_adapter_card(tuned / "out" / "adapter")
    assert card.match == _MATCH
    assert set(card.targets) == set(_TARGETS)
    assert card.metrics["examples"] == 8
    weights = _weights(tuned / "out" / "adapter")
    assert {str(value.dtype) for value in weights.values()} == {"float16"}
    assert card.parameters == sum(value.size for value in weights.values())


def test_preferences_widen_the_margin(base: Path, tuned: Path, data: Path, tmp_path: Path) -> None:
    from models.language.dpo import tune_dpo

    start = tuned / "out" / "adapter"
    figures = tune_dpo(_request(Method.DPO, base, data, tmp_path / "out", start=start))
    assert figures["margin"] > figures["margin_before"]
    assert read_adapter_card(tmp_path / "out" / "adapter").method is Method.DPO


def test_an_adapter_of_another_prompt_is_not_gone_on_from(
    base: Path, tuned: Path, data: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    from models.language.dpo import tune_dpo

    asked = _request(Method.DPO, base, data, tmp_path / "out", start=tuned / "out" / "adapter")
    other = _MATCH.model_copy(update={"prompt_sha256": "0" * 64})
    with pytest.raises(WeightsError, match="another prompt"):
        tune_dpo(replace(asked, match=other))


def test_the_merged_model_says_what_model_and_adapter_say(
    base: Path, tuned: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from models.language.merging import merge_adapter

    adapter = tuned / "out" / "adapter"
    out = merge_adapter(base, adapter, tmp_path / "merged")
    models: Any = AutoModelForCausalLM
    plain = models.from_pretrained(base, dtype=torch.float32)
    ids = torch.tensor([[1, 40, 50, 60, 70, 80]])
    with torch.inference_mode():
        before = plain(ids).logits
        wanted = PeftModel.from_pretrained(plain, adapter)(ids).logits
        merged = models.from_pretrained(out, dtype=torch.float32)(ids).logits
    assert float((merged - wanted).abs().max()) < 0.02  # the folder is in bfloat16
    assert float((before - wanted).abs().max()) > 0.05
    assert (out / "tokenizer.json").is_file()
    with pytest.raises(SettingsError, match="exists"):
        merge_adapter(base, adapter, out)


def _gguf_of(base: Path, file: Path) -> None:
    """The tiny Llama as GGUF at 8 bits, its query and key rows in GGUF's order."""
    import gguf
    from safetensors.numpy import load_file

    from models.language.gguf_export import interleaved

    writer = gguf.GGUFWriter(file, "llama")
    writer.add_uint32("llama.attention.head_count", 2)
    writer.add_uint32("llama.attention.head_count_kv", 1)
    writer.add_string("general.name", "tiny")
    names = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output"}
    for name, value in load_file(base / "model.safetensors").items():
        parts = name.split(".")
        if parts[-2] in names:
            heads = {"q_proj": 2, "k_proj": 1}.get(parts[-2])
            rows = value if heads is None else interleaved(value, heads)
            packed = gguf.quantize(rows, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(
                f"blk.{parts[2]}.{names[parts[-2]]}.weight",
                packed,
                raw_dtype=gguf.GGMLQuantizationType.Q8_0,
            )
        elif parts[-2] == "input_layernorm":
            writer.add_tensor(f"blk.{parts[2]}.attn_norm.weight", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_the_exported_model_holds_base_and_adapter(base: Path, tuned: Path, tmp_path: Path) -> None:
    import gguf

    from models.language.gguf_export import export_adapter, export_model

    plain = tmp_path / "base.gguf"
    _gguf_of(base, plain)
    adapter = tuned / "out" / "adapter"
    small = {t.name: t for t in gguf.GGUFReader(export_adapter(plain, adapter, tmp_path)).tensors}
    before = {t.name: t for t in gguf.GGUFReader(plain).tensors}
    after = {t.name: t for t in gguf.GGUFReader(export_model(plain, adapter, tmp_path)).tensors}
    assert after.keys() == before.keys()
    for name, tensor in before.items():
        if f"{name}.lora_a" not in small:
            np.testing.assert_array_equal(tensor.data, after[name].data)
            continue
        low_rank = (
            2.0
            * small[f"{name}.lora_b"].data.astype(np.float32)
            @ small[f"{name}.lora_a"].data.astype(np.float32)
        )
        wanted = gguf.dequantize(tensor.data, tensor.tensor_type) + low_rank
        got = gguf.dequantize(after[name].data, after[name].tensor_type)
        assert float(np.abs(got - wanted).max()) < 0.01 * float(np.abs(wanted).max()) + 1e-4
        assert float(np.abs(low_rank).max()) > 1e-3
    card = json.loads((tmp_path / "adapter_card.json").read_text())
    assert card["name"] == "tiny"


def test_an_adapter_of_another_size_is_not_exported(
    base: Path, tuned: Path, tmp_path: Path
) -> None:
    import gguf

    from models.language.gguf_export import export_adapter

    file = tmp_path / "other.gguf"
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_uint32("llama.attention.head_count", 2)
    writer.add_tensor("blk.0.attn_q.weight", np.zeros((64, 64), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(WeightsError, match="does not fit"):
        export_adapter(file, tuned / "out" / "adapter", tmp_path)


@given(heads=st.integers(1, 4), half=st.integers(1, 5), columns=st.integers(1, 3))
def test_interleaving_is_what_transformers_undoes(heads: int, half: int, columns: int) -> None:
    from transformers.modeling_gguf_pytorch_utils import LlamaTensorProcessor

    from models.language.gguf_export import interleaved

    rows = np.arange(heads * half * 2 * columns, dtype=np.float32).reshape(-1, columns)
    processor: Any = LlamaTensorProcessor({})
    undone = processor._reverse_permute_weights(interleaved(rows, heads), heads, heads)
    np.testing.assert_array_equal(undone, rows)


def test_every_preset_is_read_and_names_known_layers() -> None:
    assert {"sft-small", "sft-7b-qlora", "sft-11b-qlora", "dpo-small"} <= set(tuning_presets())
    for name in tuning_presets():
        method, _, rest = name.partition("-")
        preset = read_tuning_preset(Method(method), rest)
        assert preset.method == method


def test_the_small_preset_is_counted_without_weights() -> None:
    counted = count(read_tuning_preset(Method.SFT, "small"))
    assert counted.parameters == 134_515_008
    # 20 layers; q and o: 8 (576 + 576), k and v: 8 (576 + 192)
    assert counted.trained == 20 * 2 * 8 * (576 + 576 + 576 + 192)


def test_a_wrong_preset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="small"):
        read_tuning_preset(Method.SFT, "colossal")
    (tmp_path / "p.toml").write_text("method = 'sft'")
    with pytest.raises(SettingsError, match="cannot be used"):
        read_tuning_preset(Method.SFT, str(tmp_path / "p.toml"))


def test_damaged_pairs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="tune data"):
        read_examples(tmp_path / PAIRS_FILE, Pair)
    (tmp_path / PAIRS_FILE).write_text("{}\n")
    with pytest.raises(ReportError, match="Line 1"):
        read_examples(tmp_path / PAIRS_FILE, Pair)


def test_what_the_card_counts_is_what_was_trained_on(tuned: Path) -> None:
    card = read_adapter_card(tuned / "out" / "adapter")
    ids = sorted(f"r{number}" for number in range(8))
    assert card.data_sha256 == hashlib.sha256("\n".join(ids).encode()).hexdigest()
