"""The crude-report generator's network and searches against slow references."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.crude_report.decoding import (
    DecodingSettings,
    Speaker,
    closing_words,
    decode_reports,
)
from models.crude_report.memory import CrossModalMemory
from models.crude_report.network import Backbone, CrudeReportNetwork, GeneratorShape
from models.crude_report.tokens import END, START

TINY = GeneratorShape(
    backbone=Backbone.SHARED_TRUNK,
    width=16,
    heads=2,
    layers=2,
    feed_forward=16,
    slots=12,
    top_k=3,
    dropout=0.0,
    visual_dropout=0.0,
)
FREE = DecodingSettings(most_words=4, beams=1, block_repeated=0)


def tiny_network(words: int = 9, seed: int = 0, **changes: object) -> CrudeReportNetwork:
    """A network of random weights, spread enough for its choices to be clear."""
    torch.manual_seed(seed)
    network = CrudeReportNetwork(TINY.model_copy(update=changes), words)
    with torch.no_grad():
        network.classify.weight.mul_(4)
        network.memory.slots.mul_(40)
    return network.eval()


def image(number: int = 1, seed: int = 0) -> Tensor:
    """Random trunk features."""
    return torch.randn(number, 1280, 2, 2, generator=torch.Generator().manual_seed(seed))


def slow_response(memory: CrossModalMemory, features: Tensor) -> Tensor:
    """The memory's answer to one feature vector, thread by thread and slot by slot."""
    part = features.shape[-1] // memory.threads
    query, slots = memory.query(features), memory.slots
    answers = []
    for thread in range(memory.threads):
        own = slice(thread * part, (thread + 1) * part)
        found = []
        for slot in slots:
            distance = float(query[own] @ memory.key(slot)[own]) / math.sqrt(part)
            found.append((distance, memory.value(slot)[own]))
        found.sort(key=lambda pair: -pair[0])
        nearest = found[: memory.top_k]
        total = sum(math.exp(distance) for distance, _ in nearest)
        answers.append(sum(math.exp(d) / total * value for d, value in nearest))
    return memory.join(torch.cat(answers))


def test_memory_answers_as_a_loop_over_threads_and_slots_does() -> None:
    torch.manual_seed(3)
    memory = CrossModalMemory(width=12, slots=10, threads=3, top_k=4).eval()
    with torch.no_grad():
        memory.slots.mul_(30)
    features = torch.randn(2, 5, 12)
    with torch.inference_mode():
        answered = memory(features)
        for row, place in itertools.product(range(2), range(5)):
            torch.testing.assert_close(
                answered[row, place], slow_response(memory, features[row, place])
            )


def test_only_the_nearest_slots_learn_from_a_query() -> None:
    torch.manual_seed(3)
    memory = CrossModalMemory(width=12, slots=10, threads=1, top_k=4).eval()
    memory(torch.randn(1, 1, 12)).sum().backward()
    assert memory.slots.grad is not None
    assert int((memory.slots.grad.abs().sum(dim=1) > 0).sum()) == 4


def test_images_and_words_share_one_memory() -> None:
    network = tiny_network()
    asked: list[tuple[int, ...]] = []
    network.memory.register_forward_hook(lambda _m, given, _o: asked.append(given[0].shape))
    network(image(), torch.tensor([[START, 5, 6]]))
    assert asked == [(1, 4, 16), (1, 3, 16)]
    assert sum("slots" in name for name, _ in network.named_parameters()) == 1


def test_cached_decoding_equals_computing_everything_anew() -> None:
    network, words = tiny_network(), torch.tensor([[START, 5, 4, 8, 6], [START, 7, 7, 4, 5]])
    visual = image(2)
    with torch.inference_mode():
        whole = network(visual, words)
        state = network.begin(network.encode(visual))
        stepwise = [network.decode(words[:, t : t + 1], state)[:, 0] for t in range(5)]
        torch.testing.assert_close(torch.stack(stepwise, dim=1), whole)
        # In uneven pieces, and with the rows exchanged on the way.
        state = network.begin(network.encode(visual))
        network.decode(words[:, :2], state)
        exchanged = network.decode(words[[1, 0], 2:], state.select(torch.tensor([1, 0])))
        torch.testing.assert_close(exchanged, whole[[1, 0], 2:])


def test_a_word_does_not_depend_on_later_ones() -> None:
    network, visual = tiny_network(), image()
    one = network(visual, torch.tensor([[START, 5, 4, 8]]))
    other = network(visual, torch.tensor([[START, 5, 7, 6]]))
    torch.testing.assert_close(one[:, :2], other[:, :2])
    assert not torch.allclose(one[:, 2], other[:, 2])


def every_report(
    network: CrudeReportNetwork, visual: Tensor, most: int
) -> dict[tuple[int, ...], float]:
    """Score of every text of at most ``most`` words, the long ones cut there."""
    writable = range(4, network.embed.num_embeddings)
    texts = [t for n in range(most) for t in itertools.product(writable, repeat=n)]
    found = {}
    for text in [(*t, END) for t in texts] + list(itertools.product(writable, repeat=most)):
        words = torch.tensor([[START, *text[:-1]]])
        logits = network(visual, words)[0].log_softmax(dim=-1)
        allowed = torch.full_like(logits, -torch.inf)
        allowed[:, [END, *writable]] = logits[:, [END, *writable]]
        score = sum(float(allowed[place, word]) for place, word in enumerate(text))
        found[tuple(word for word in text if word != END)] = score
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_the_best_of_all_texts(seed: int) -> None:
    network, visual = tiny_network(words=6, seed=seed), image(seed=seed)
    with torch.inference_mode():
        scored = every_report(network, visual, most=3)
    best = max(scored, key=lambda text: scored[text])
    settings = DecodingSettings(most_words=3, beams=15, block_repeated=0)
    [found] = decode_reports(network, visual, settings)
    assert found.words == best
    assert found.score == pytest.approx(scored[best], abs=1e-4)


def test_greedy_takes_the_likeliest_word_each_time() -> None:
    network, visual = tiny_network(), image()
    words: list[int] = []
    with torch.inference_mode():
        for _ in range(FREE.most_words):
            logits = network(visual, torch.tensor([[START, *words]]))[0, -1]
            logits[[0, 1, 3]] = -torch.inf
            words.append(int(logits.argmax()))
            if words[-1] == END:
                break
    [found] = decode_reports(network, visual, FREE)
    assert found.words == tuple(word for word in words if word != END)


@pytest.mark.parametrize(
    "settings",
    [
        DecodingSettings(most_words=12),
        DecodingSettings(most_words=12, guidance=1.0),
        DecodingSettings(most_words=12, temperature=1.0),
    ],
    ids=["beam", "guided", "sampled"],
)
def test_a_batch_is_decoded_as_its_images_one_by_one_and_the_seed_fixes_it(
    settings: DecodingSettings,
) -> None:
    network, visual = tiny_network(words=12), image(3)
    together = decode_reports(network, visual, settings, seed=5)
    assert together == decode_reports(network, visual, settings, seed=5)
    if settings.temperature == 0:
        for row, report in enumerate(together):
            [alone] = decode_reports(network, visual[row : row + 1], settings)
            assert alone.words == report.words
            assert alone.score == pytest.approx(report.score, abs=1e-3)
    else:
        assert together != decode_reports(network, visual, settings, seed=6)


def test_guidance_prefers_what_the_image_makes_likelier() -> None:
    network, visual = tiny_network(words=12), image()
    with torch.inference_mode():
        encoded = network.encode(visual)
        blank = network.encode(visual, blank=torch.tensor([True]))
        start = torch.tensor([START])
        seen = network.decode(start[:, None], network.begin(encoded))[0, 0].log_softmax(-1)
        anyway = network.decode(start[:, None], network.begin(blank))[0, 0].log_softmax(-1)
        settings = FREE.model_copy(update={"guidance": 2.0, "plausible": 1e-9})
        guided = Speaker(network, encoded, blank, settings).scores(start, [()])[0]
    expected = (3 * seen - 2 * anyway).log_softmax(-1)
    kept = torch.isfinite(guided)
    torch.testing.assert_close(guided[kept], expected[kept])
    assert not kept[[0, 1, 3]].any()


def test_nothing_of_a_blank_image_is_seen() -> None:
    network = tiny_network()
    hidden = torch.tensor([True, False])
    one = network.encode(image(2, seed=1), blank=hidden)
    other = network.encode(image(2, seed=2), blank=hidden)
    torch.testing.assert_close(one[0], other[0])
    assert not torch.allclose(one[1], other[1])


def test_hints_are_further_parts_and_must_be_given() -> None:
    network = tiny_network(hinted_findings=3)
    assert network.encode(image(), torch.zeros(1, 3)).shape == (1, 7, 16)
    with pytest.raises(ValueError, match="log odds"):
        network.encode(image())


@given(st.lists(st.integers(4, 6), max_size=14), st.integers(1, 4))
def test_a_closing_word_is_one_that_would_repeat_a_run(words: list[int], run: int) -> None:
    def repeats(text: list[int]) -> bool:
        last = text[-run:]
        return any(text[i : i + run] == last for i in range(len(text) - run))

    expected = {word for word in (4, 5, 6) if repeats([*words, word])}
    assert closing_words(tuple(words), run) == expected


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("block", [0, 3])
def test_a_generator_that_babbles_is_cut(beams: int, block: int) -> None:
    network = tiny_network(words=7)
    with torch.no_grad():
        network.classify.weight.zero_()
        network.classify.bias.copy_(torch.tensor([9.0, 9.0, -30.0, 9.0, 3.0, 0.0, 0.0]))
    settings = DecodingSettings(most_words=20, beams=beams, block_repeated=block)
    [found] = decode_reports(network, image(), settings)
    assert len(found.words) <= 20
    assert set(found.words) <= {4, 5, 6}
    runs = [found.words[i : i + 3] for i in range(len(found.words) - 2)]
    if block:
        assert len(runs) == len(set(runs))
    else:
        assert found.words == (4,) * 20


def test_a_generator_with_nothing_left_to_say_ends() -> None:
    network = tiny_network(words=5)
    with torch.no_grad():
        network.classify.weight.zero_()
        network.classify.bias.copy_(torch.tensor([0.0, 0.0, -torch.inf, 0.0, 5.0]))
    settings = DecodingSettings(most_words=20, beams=1, block_repeated=1)
    [found] = decode_reports(network, image(), settings)
    assert found.words == (4,)
