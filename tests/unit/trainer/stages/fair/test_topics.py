"""Batches on a few topics: which pairs come together, and which passages are no negatives."""

import numpy as np
import torch

from trainer.data.multilingual.corpus import Pairs
from trainer.data.multilingual.sampling import Translations
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


def test_queries_are_asked_in_the_language_of_another_passage_of_their_topic() -> None:
    """Sentence s of section k is text 10 k + s in English, and 1000 + 20 k + 2 s + l in language l."""
    pairs, sections, topics = Pairs(), Pairs(), []
    languages = np.zeros(20_000, np.int32)
    for section in range(30):
        for language in range(2):
            for sentence in range(2):
                text, passage = (
                    1_000 + 20 * section + 2 * sentence + language,
                    10_000 + 10 * section + language,
                )
                pairs.add(10 * section + sentence, text, f"en-{language}")
                sections.add(10 * section + sentence, passage, f"{language}")
                languages[[text, passage]] = language + 1
                topics.append(section // 10)
    table = sections.arrays()
    translations = Translations(pairs.arrays(), languages)
    options = {"exponent": 0.5, "seed": 5, "translations": translations, "pivot_share": 0.0}
    topic_of = np.array(topics)
    batch = TopicSampler(table, topic_of, 8, languages=languages, own_share=1.0, **options).draw(64)
    section = (batch.right - 10_000) // 10
    asked = np.flatnonzero(
        batch.left >= 1_000
    )  # the others had a passage of their answer's language beside them
    assert len(asked) > 16
    assert ((batch.left[asked] - 1_000) // 20 == section[asked]).all()  # a translation of its own sentence
    assert (languages[batch.left[asked]] != languages[batch.right[asked]]).all()
    for row in asked:
        others = [other for other in range(row // 8 * 8, row // 8 * 8 + 8) if other != row]
        assert languages[batch.left[row]] in languages[batch.right[others]]
    plain = TopicSampler(table, topic_of, 8, languages=languages, own_share=0.0, **options).draw(64)
    assert (plain.left < 1_000).all()
