from tests.ascent.runs import run


def test_single_step_that_raises_the_score_is_not_dead(tmp_path):
    _, _, record = run(tmp_path, 1, 50)
    assert record.record["score_end"] > record.record["score_start"]
    assert record.record["dead"] is False
