"""What is read from the folder of a finished sweep."""

from prober.findings.finished_sweep import SweepPicture


def test_a_picture_s_variant_stands_in_its_record():
    record = {"stem": "conv2/ch003/odd_seed_name_seed4", "variant": "h07_w07"}
    assert SweepPicture(record, 0, 0).variant == "h07_w07"


def test_in_older_sweeps_the_name_of_its_file_says_it():
    record = {"stem": "conv2/ch003/h07_w07_reg1_seed4"}
    assert SweepPicture(record, 0, 0).variant == "h07_w07_reg1"
