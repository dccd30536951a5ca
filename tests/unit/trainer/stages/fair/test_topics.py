"""Batches on a few topics: which pairs come together, and which passages are no negatives."""

import numpy as np
import torch

from trainer.builtin.corpus import Pairs
from trainer.stages.fair.topics import TopicSampler, topics_of


def test_vectors_that_point_one_way_are_one_topic() -> None:
    generator = torch.Generator().manual_seed(1)
    centres = torch.nn.functional.normalize(torch.randn(4, 16, generator=generator), dim=1)
    which = torch.arange(400) % 4
    noise = torch.randn(400, 16, generator=generator) * 0.05
    topics = topics_of(torch.nn.functional.normalize(centres[which] + noise, dim=1), 25, seed=3)
    for topic in np.unique(topics):
        assert len(set(which[topics == topic].tolist())) == 1
    assert 4 <= len(np.unique(topics)) <= 16


def sampler(seed: int = 5) -> TopicSampler:
    """Topic t holds sections 10 t to 10 t + 9; each is there in two languages, with two sentences of its own."""
    pairs, topics = Pairs(), []
    for section in range(60):
        for version in range(2):
            for sentence in range(2):
                pairs.add(10 * section + sentence, 10_000 + 10 * section + version, f"language-{version}")
                topics.append(section // 10)
    return TopicSampler(pairs.arrays(), np.array(topics), 8, exponent=0.5, seed=seed)


def test_a_batch_is_on_as_many_topics_as_it_has_room_for() -> None:
    batch = sampler().draw(32)
    topics = (batch.right - 10_000) // 100
    assert len(topics) == 32
    assert all(len(set(topics[start : start + 8])) == 1 for start in range(0, 32, 8))
    assert len(set(topics)) > 1
    assert len(set(batch.right[:8])) > 4
    assert (batch.left // 10 == (batch.right - 10_000) // 10).all()


def test_versions_of_one_section_are_no_negatives() -> None:
    batch = sampler().draw(64)
    ignored = torch.zeros(64, 64, dtype=torch.bool)
    ignored[tuple(batch.ignored().T)] = True
    section = torch.from_numpy((batch.right - 10_000) // 10)
    assert torch.equal(ignored, section[:, None] == section[None, :])


def test_every_pair_is_drawn_and_a_restored_sampler_goes_on() -> None:
    whole = sampler()
    seen = {(int(left), int(right)) for _ in range(40) for left, right in zip(*pair(whole), strict=True)}
    assert len(seen) == 240
    other = sampler(seed=6)
    other.restore(whole.state())
    assert (other.draw(16).left == whole.draw(16).left).all()


def pair(drawn: TopicSampler) -> tuple[list[int], list[int]]:
    batch = drawn.draw(64)
    return batch.left.tolist(), batch.right.tolist()
