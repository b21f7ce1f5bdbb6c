"""Tiny language models and text encoders, and shipped experts that look at a film only once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

_WORDS = (
    "the heart is normal large small left right pleural effusion pneumothorax no there of lung "
    "lungs clear nodule mass in size report chest seen upper lower zone edema atelectasis hernia "
    "consolidation infiltration emphysema fibrosis thickening pneumonia cardiomegaly evidence "
    "findings mild severe similar image side observe"
)


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Any:
    """Knows a few words by their letters' case, and every other letter by letter."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<s>", "</s>", "<unk>"]
    letters = [chr(number) for number in range(33, 127)]
    pieces = [f"▁{word}" for word in _WORDS.split()]
    pieces += [piece.replace("▁", "▁").title() for piece in pieces]
    vocabulary = list(dict.fromkeys([*special, *letters, "▁", *pieces]))
    tokenizer = Tokenizer(
        models.Unigram([(piece, -1.0 if len(piece) > 1 else -10.0) for piece in vocabulary], 3)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(),
            pre_tokenizers.Split(Regex(r"[.,:]"), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )


@pytest.fixture(scope="session")
def tiny_language_model(tiny_tokenizer: Any) -> Callable[..., Any]:
    """Makes a random Llama of two blocks and 32 channels, and its tokenizer."""

    def make(seed: int = 0, layers: int = 2) -> Any:
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=len(tiny_tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            initializer_range=0.2,
            tie_word_embeddings=True,
        )
        model = LlamaForCausalLM(config).eval().requires_grad_(False)
        return model, tiny_tokenizer

    return make


@pytest.fixture(scope="session")
def tiny_language_folder(
    tiny_language_model: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with the tiny language model, as save_pretrained leaves it."""
    model, tokenizer = tiny_language_model()
    folder = tmp_path_factory.mktemp("tiny-language-model")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_text_encoder() -> Callable[..., Path]:
    """Leaves a tiny random BERT with its word pieces in a folder."""

    def make(folder: Path, hidden: int = 32, words: tuple[str, ...] = (), seed: int = 0) -> Path:
        import torch
        from transformers import BertConfig, BertModel, BertTokenizerFast

        letters = "abcdefghijklmnopqrstuvwxyz"
        pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ":", *letters]
        pieces += [*(f"##{letter}" for letter in letters), *words]
        folder.mkdir(parents=True, exist_ok=True)
        vocabulary = folder / "vocab.txt"
        vocabulary.write_text("\n".join(pieces))
        torch.manual_seed(seed)
        config = BertConfig(
            vocab_size=len(pieces),
            hidden_size=hidden,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=4 * hidden,
        )
        BertModel(config).save_pretrained(folder)
        BertTokenizerFast(vocab=str(vocabulary)).save_pretrained(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def looked() -> dict[Any, Any]:
    """What the shipped experts gave so far in this session."""
    return {}


@pytest.fixture(scope="module")
def experts_look_once(looked: dict[Any, Any]) -> Iterator[None]:
    """The shipped experts, each loaded once, remember their answer to the same pixels.

    For tests of what is built on them: their networks run as they are, and not again.
    """
    from models.classifier.inference import FindingClassifier
    from models.segmenter.inference import AnatomySegmenter

    def remembering(kind: Any, name: str) -> Any:
        original = getattr(kind, name)

        def answer(expert: Any, display: Any, *more: Any, **named: Any) -> Any:
            asked = (display.shape, display.tobytes(), repr(more), repr(named))
            key = (kind, name, expert.config.model_dump_json(), asked)
            if key not in looked:
                looked[key] = original(expert, display, *more, **named)
            return looked[key]

        return answer

    def loaded_once(kind: Any) -> Any:
        original = kind.load.__func__

        def load(cls: Any, folder: Path | None = None) -> Any:
            if folder is not None:
                return original(cls, folder)
            if cls not in looked:
                looked[cls] = original(cls)
            return looked[cls]

        return classmethod(load)

    with pytest.MonkeyPatch.context() as patch:
        for kind, names in (
            (FindingClassifier, ("features", "classify")),
            (AnatomySegmenter, ("segment",)),
        ):
            patch.setattr(kind, "load", loaded_once(kind))
            for name in names:
                patch.setattr(kind, name, remembering(kind, name))
        yield
