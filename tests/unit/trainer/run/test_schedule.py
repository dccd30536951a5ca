import pytest

from trainer.run.schedule import linear_schedule


def test_rises_to_the_full_rate_and_falls_to_nothing() -> None:
    shares = [linear_schedule(step, warmup_steps=4, steps=10) for step in range(11)]
    assert shares[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert shares[5:] == pytest.approx([5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0.0])


def test_without_warm_up_the_first_step_has_the_full_rate() -> None:
    assert linear_schedule(0, warmup_steps=0, steps=5) == 1.0


def test_falls_to_the_share_that_is_to_be_left() -> None:
    shares = [linear_schedule(step, warmup_steps=2, steps=10, final_share=0.1) for step in (0, 1, 2, 6, 10)]
    assert shares == pytest.approx([0.5, 1.0, 1.0, 0.55, 0.1])
