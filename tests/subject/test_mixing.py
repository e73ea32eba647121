"""CNNs whose answer to an image depends on those beside it: each image goes through alone."""

import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from prober.subject import Subject
from prober.subject.crops import crop_of
from tests.subject.nets import Net, conv

IMAGES = torch.rand(5, 3, 12, 12, generator=torch.Generator().manual_seed(1))
NOTE = (
    "What Net gives for an image depends on those beside it, as with batch normalization that has "
    "no running statistics: so images go through it one at a time."
)


def of(prepare, **parts):
    """A CNN that prepares its images, then has a convolution and a mean."""

    def forward(net, x):
        return net.conv(prepare(net, x)).relu().mean((2, 3))

    return Net(forward, conv=conv(outputs=6), **parts).eval()


def batch_statistics():
    return nn.BatchNorm2d(3, track_running_stats=False)


MIXING = {
    "batch statistics": of(lambda net, x: net.norm(x), norm=batch_statistics),
    "the mean of all": of(lambda net, x: x - x.mean()),
    "the largest of all": of(lambda net, x: x / x.max()),
    "the least of all": of(lambda net, x: x - x.min()),
    "attention over the batch": of(lambda net, x: x + x.flatten(1).softmax(0).view_as(x)),
    "Python": of(lambda net, x: 2 * x if x.mean() > 0.4 else x),
    "Python, bright": of(lambda net, x: 2 * x if x.mean() > 0.6 else x),
    "a part left out": of(lambda net, x: net.more(x) if x.max() > 0.9 else x, more=nn.ReLU),
}
APART = {
    "layer normalization": of(lambda net, x: F.layer_norm(x, x.shape[1:])),
    "group normalization": of(lambda net, x: F.group_norm(x, 1)),
    "instance normalization": of(lambda net, x: F.instance_norm(x)),
    "the mean of each": of(lambda net, x: x - x.mean((1, 2, 3), keepdim=True)),
    "running statistics": of(lambda net, x: net.norm(x), norm=lambda: nn.BatchNorm2d(3)),
    "half precision": of(lambda net, x: x.bfloat16().float()),
    "nothing": of(lambda net, x: 0 * x),
    "not a number": of(lambda net, x: x * float("nan")),
}


@pytest.mark.parametrize("cnn", MIXING.values(), ids=MIXING)
def test_images_that_mix_go_through_alone(cnn):
    subject = Subject(cnn, input_shape=(3, 12, 12))
    assert subject.notes == [NOTE]
    found = subject(IMAGES, ["conv", "logits"])
    for place, image in enumerate(IMAGES):
        with torch.no_grad():
            assert torch.equal(found["logits"][place], cnn(image[None])[0])
    assert crop_of(subject, "conv", (4, 4), [0]) is None


@pytest.mark.parametrize("cnn", APART.values(), ids=APART)
def test_images_that_do_not_mix_go_through_together(cnn):
    subject = Subject(cnn, input_shape=(3, 12, 12))
    assert subject.listing.batch is None and not subject.listing.mixes
    assert NOTE not in subject.notes


BATCH_STATISTICS = """
import torch
from torch import nn


class Own(nn.Sequential):
    def __init__(self):
        torch.manual_seed(3)
        super().__init__(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8, track_running_stats=False),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, stride=2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
"""


def test_the_scores_of_a_sweep_are_those_of_its_pictures(prober, tmp_path, monkeypatch):
    (tmp_path / "own_cnn.py").write_text(BATCH_STATISTICS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    own = ["--model.subject.cnn", "own_cnn.Own", "--model.subject.input_shape", "[3, 14, 14]"]
    grid = ["--grid.layers", "['3']", "--grid.objectives", "[ChannelMean, Neuron]"]
    result = prober("sweep", *own, *grid, "--model.style", "plain", "--trainer.max_steps", "20")
    assert "one at a time" in result.out
    namespace: dict = {}
    exec(BATCH_STATISTICS, namespace)
    cnn = namespace["Own"]().eval()
    [folder] = tmp_path.glob("lightning_logs/*/version_0")
    records = [json.loads(line) for line in (folder / "records.jsonl").open(encoding="utf-8")]
    assert len(records) == 8 * 4
    for record in records:
        image = torch.from_numpy(np.load(folder / f"{record['stem']}.npy"))[None]
        with torch.no_grad():
            channel = nn.Sequential(*list(cnn)[:4])(image)[0, record["channel"]]
        where = record["position"]
        score = channel[tuple(where)] if where else channel.mean()
        assert record["score_end"] == pytest.approx(score.item(), rel=1e-4, abs=1e-6)
