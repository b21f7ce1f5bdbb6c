"""Language models with cross-attention layers, at any size, by transformers' Mllama.

Llama 3.2 Vision is Llama 3.1 with cross-attention layers between its blocks, whose gates began at
zero. The same can be done to any small Llama: its blocks are put into an Mllama beside new
cross-attention layers, and what it writes does not change until those are trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import MllamaForCausalLM, MllamaTextConfig

from findings.errors import WeightsError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class CrossAttendingLanguageModel(MllamaForCausalLM):  # type: ignore[no-untyped-call]
    """Mllama's language half; generation remembers what is attended to across."""

    def get_decoder(self) -> nn.Module:
        """The blocks without the output layer."""
        blocks: nn.Module = self.model
        return blocks

    def prepare_inputs_for_generation(  # type: ignore[override]
        self,
        input_ids: torch.LongTensor,
        inputs_embeds: Tensor | None = None,
        is_first_iteration: bool | None = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """As transformers', but the image is given once; its keys and values are kept."""
        above: Any = super()
        inputs: dict[str, Any] = above.prepare_inputs_for_generation(
            input_ids,
            inputs_embeds=inputs_embeds,
            is_first_iteration=is_first_iteration,
            **kwargs,
        )
        if not is_first_iteration:
            inputs["cross_attention_states"] = None
        return inputs


def crossed_layers(language: CrossAttendingLanguageModel) -> tuple[int, ...]:
    """The numbers of its cross-attention layers."""
    return tuple(language.config.cross_attention_layers or ())


def crossed_places(blocks: int, crossings: int) -> tuple[int, ...]:
    """Where ``crossings`` layers go among ``blocks``, spread as in Llama 3.2 Vision.

    Every group of blocks is followed by its crossing's share: 32 blocks and 8 crossings give
    3, 8, …, 38.
    """
    if not 0 < crossings <= blocks:
        raise ValueError("there must be a cross-attention layer, and no more than blocks")
    group = blocks / crossings
    return tuple(round(group * number + group - 1) + number for number in range(crossings))


def with_cross_attention(model: PreTrainedModel, crossings: int) -> CrossAttendingLanguageModel:
    """The same Llama with new cross-attention layers between its blocks.

    Raises:
        WeightsError: the model is no Llama.
    """
    old: Any = model.config
    if old.model_type != "llama":
        raise WeightsError(
            "cross-attention layers can be put into models of Llama's kind only; name another "
            "language model in the preset"
        )
    places = crossed_places(old.num_hidden_layers, crossings)
    config = MllamaTextConfig(
        vocab_size=old.vocab_size,
        hidden_size=old.hidden_size,
        intermediate_size=old.intermediate_size,
        num_hidden_layers=old.num_hidden_layers + crossings,
        num_attention_heads=old.num_attention_heads,
        num_key_value_heads=old.num_key_value_heads,
        cross_attention_layers=list(places),
        rms_norm_eps=old.rms_norm_eps,
        rope_parameters=old.rope_parameters,
        max_position_embeddings=old.max_position_embeddings,
        hidden_act=old.hidden_act,
        initializer_range=old.initializer_range,
        bos_token_id=old.bos_token_id,
        eos_token_id=old.eos_token_id,
        pad_token_id=old.pad_token_id,
        tie_word_embeddings=False,
    )
    crossed: Any = CrossAttendingLanguageModel(config)
    blocks = [place for place in range(config.num_hidden_layers) if place not in places]
    state = model.state_dict()
    renamed = {
        _renamed(name, blocks): value for name, value in state.items() if name != "lm_head.weight"
    }
    words = renamed["model.embed_tokens.weight"]
    # Mllama keeps eight more vectors, for image tokens, which are never written.
    spare = words.new_zeros(8, words.shape[1])
    renamed["model.embed_tokens.weight"] = torch.cat([words, spare])
    renamed["lm_head.weight"] = state.get("lm_head.weight", words).clone()
    crossed.to(next(model.parameters()).dtype)
    missing, foreign = crossed.load_state_dict(renamed, strict=False)
    new = {f"model.layers.{place}." for place in places}
    if foreign or any(not name.startswith(tuple(new)) for name in missing):
        raise WeightsError("the language model's weights do not fit its config")
    crossed.eval().requires_grad_(False)
    made: CrossAttendingLanguageModel = crossed
    return made


def _renamed(name: str, blocks: Sequence[int]) -> str:
    begin, layers, rest = name.partition("model.layers.")
    if not layers:
        return name
    number, _, own = rest.partition(".")
    return f"{begin}{layers}{blocks[int(number)]}.{own}"


def language_half(model: nn.Module) -> CrossAttendingLanguageModel:
    """The language half of an `MllamaForConditionalGeneration`; its parameters are shared."""
    whole: Any = model
    with torch.device("meta"):
        half: Any = CrossAttendingLanguageModel(whole.config.text_config)
    half.model = whole.model.language_model
    half.lm_head = whole.lm_head
    half.generation_config = whole.generation_config
    half.eval().requires_grad_(False)
    made: CrossAttendingLanguageModel = half
    return made


class MllamaEncoder:
    """Llama 3.2 Vision's own image encoder with its projector; one tile, as 224 pixels need."""

    def __init__(self, model: nn.Module, processor: Any, sha256: str) -> None:
        """``processor`` is the model's image processor."""
        self._model: Any = model
        self._processor = processor
        self.sha256 = sha256
        config: Any = model.config
        vision = config.vision_config
        self.rows = self.columns = int(vision.image_size // vision.patch_size)
        self.width = int(config.text_config.hidden_size)

    def encode(self, displays: Sequence[NDArray[np.float32]]) -> Tensor:
        """See `models.reports.vision.ImageEncoder`."""
        import PIL.Image

        pictures = [
            [PIL.Image.fromarray(np.rint(np.clip(own, 0, 1) * 255).astype(np.uint8)).convert("RGB")]
            for own in displays
        ]
        shown = self._processor(images=pictures, return_tensors="pt")
        with torch.inference_mode():
            seen = self._model.model.vision_model(
                pixel_values=shown["pixel_values"],
                aspect_ratio_ids=shown["aspect_ratio_ids"],
                aspect_ratio_mask=shown["aspect_ratio_mask"],
            ).last_hidden_state
            vectors: Tensor = self._model.model.multi_modal_projector(seen)
        # (batch, images, tiles, 1 + patches, width): the first tile, without the class token.
        return vectors[:, 0, 0, 1:].float().clone()
