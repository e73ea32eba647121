"""Units: what they are called."""

from prober.findings.units import Unit
from prober.subject import Subject


def test_the_folder_of_a_neuron_names_its_position():
    subject = Subject()
    assert Unit("conv2", 3).folder(subject) == "conv2/ch003"
    assert Unit("conv2", 3, (7, 12)).folder(subject) == "conv2/ch003_h07_w12"
