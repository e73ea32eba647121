"""CNNs that end in probabilities or numbers of classes: the scores behind them are the logits."""

import pytest
import torch
from torch import nn

from prober.cli.layer_table import layers_table
from prober.report.record import SubjectRecord
from prober.subject import Subject


class Classifier(nn.Module):
    """Four classes whose scores become whatever a function makes of them.

    Args:
        end: The function.
        named: Whether a layer gives the scores; else they are a sum of two.
        both: Whether it gives features beside them.
    """

    def __init__(self, end, named=True, both=False):
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
        self.squash = nn.Identity()  # of as many units as there are classes
        self.classifier = nn.Linear(4, 4)
        self.end, self.named, self.both = end, named, both

    def forward(self, x):
        pooled = self.squash(self.features(x).mean((2, 3)))
        scores = self.classifier(pooled)
        given = self.end(scores if self.named else scores + pooled.flip(1))
        return (pooled[:, :3], given) if self.both else given


ENDS = {
    "softmax": (nn.Softmax(1), lambda x: x.softmax(1)),
    "log-softmax": (nn.LogSoftmax(1), lambda x: torch.log_softmax(x, 1)),
    "sigmoid": (nn.Sigmoid(), torch.sigmoid),
}


def taken(subject, images):
    return subject(images, ["logits"])["logits"]


@pytest.mark.parametrize("way", [0, 1], ids=["module", "function"])
@pytest.mark.parametrize("function", ENDS)
def test_the_scores_behind_probabilities_are_the_logits(function, way):
    end = ENDS[function][way]
    cnn = Classifier(end)
    subject = Subject(cnn, input_shape=(1, 8, 8))
    images = torch.rand(2, 1, 8, 8)
    pooled = cnn.features(images).mean((2, 3))
    torch.testing.assert_close(taken(subject, images), cnn.classifier(pooled).detach())
    (said,) = subject.notes
    assert said.startswith(
        f"The layer logits is classifier [1, 4], of which the CNN gives the {function}"
    )
    assert subject.listing.gives_logits == "classifier"
    table = " ".join(layers_table(subject).split())
    assert said in table and "logits: what the whole CNN puts out" not in table
    assert SubjectRecord.of(subject, []).notes == (said,)
    # Who asks for the probabilities gets them.
    asked = Subject(cnn, input_shape=(1, 8, 8), classes_from="logits")
    torch.testing.assert_close(taken(asked, images), cnn(images).detach())
    assert asked.notes == []


def test_an_output_taken_for_its_number_of_classes_is_looked_through_too():
    cnn = Classifier(lambda x: x.softmax(1), both=True)
    subject = Subject(cnn, input_shape=(1, 8, 8))
    assert "logits" not in subject.layers
    subject.take_classes(4)
    images = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(
        taken(subject, images), subject(images, ["classifier"])["classifier"]
    )
    assert "of which the CNN gives the softmax" in subject.notes[-1]
    named = Subject(cnn, input_shape=(1, 8, 8), classes_from="1")
    torch.testing.assert_close(taken(named, images), cnn(images)[1].detach())


def test_probabilities_of_no_layer_are_told():
    subject = Subject(Classifier(lambda x: x.softmax(1), named=False), input_shape=(1, 8, 8))
    (said,) = subject.notes
    assert said.startswith("The units of logits are probabilities (softmax)")
    assert "no layer gives the scores" in said
    assert subject.layers["logits"].module == ""


class TwoHeads(nn.Module):
    """Gives probabilities of 5 classes that are no layer's, and 4 scores."""

    def __init__(self):
        super().__init__()
        self.features, self.head = nn.Conv2d(1, 5, 3), nn.Linear(5, 4)

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return {"logits": (2 * pooled).softmax(1), "scores": self.head(pooled)}


def test_what_was_said_of_an_output_is_not_said_of_the_one_that_takes_its_place():
    subject = Subject(TwoHeads(), input_shape=(1, 8, 8))
    assert "The units of logits are probabilities" in subject.notes[-1]
    subject.take_classes(4)
    (said,) = subject.notes
    assert said.startswith("The layer logits is logits.scores [1, 4], the only flat output of 4")


OTHERS = {
    "scores": lambda x: 1 * x,
    "between 0 and 1": lambda x: x.sigmoid() / 2,
    "of both signs": lambda x: x.tanh(),
    "positive": lambda x: x.exp(),
}


@pytest.mark.parametrize("end", OTHERS.values(), ids=OTHERS)
def test_what_are_no_probabilities_stay_the_logits(end):
    cnn = Classifier(end)
    subject = Subject(cnn, input_shape=(1, 8, 8))
    images = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(taken(subject, images), cnn(images).detach())
    assert subject.notes == []


class Numbering(nn.Module):
    """Gives the number of the channel that an image has most of, or of what is said of it.

    Args:
        end: What is made of the scores.
        moved: What is added to them, so that no layer gives them.
    """

    def __init__(self, end, moved=(0.0, 0.0, 0.0)):
        super().__init__()
        self.features = nn.Conv2d(3, 3, 1)
        self.classifier = nn.Linear(3, 3, bias=False)
        self.softmax = nn.Softmax(1)
        self.end, self.moved = end, moved
        with torch.no_grad():
            self.classifier.weight.copy_(torch.eye(3))

    def forward(self, x):
        scores = self.classifier(self.features(x).mean((2, 3)))
        return self.end(self, scores + torch.tensor(self.moved))


NUMBERS = {
    "argmax": lambda net, x: x.argmax(1),
    "with dimensions kept": lambda net, x: x.argmax(1, keepdim=True).int(),
    "beside its score": lambda net, x: x.max(1),
    "beside others": lambda net, x: {"label": x.argmax(1), "box": x[:, :2] * 4},
    "of probabilities": lambda net, x: net.softmax(x).argmax(1),
    "in NumPy": lambda net, x: torch.from_numpy(x.detach().numpy().argmax(1)),
}


@pytest.mark.parametrize("end", NUMBERS.values(), ids=NUMBERS)
def test_the_scores_behind_numbers_of_classes_are_the_logits(end):
    torch.manual_seed(0)
    cnn = Numbering(end)
    subject = Subject(cnn, input_shape=(3, 8, 8))
    images = torch.rand(4, 3, 8, 8)
    scores = cnn.classifier(cnn.features(images).mean((2, 3)))
    torch.testing.assert_close(taken(subject, images), scores.detach())
    (said,) = subject.notes
    assert said == (
        "The layer logits is classifier [1, 3], whose largest unit has the number that Numbering "
        "gives."
    )
    assert subject.listing.gives_logits == "classifier"


@pytest.mark.parametrize("moved", [(0.0, 0.0, 9.0), (0.0, 0.4, -0.3)], ids=["always", "often"])
def test_scores_that_no_layer_gives_are_asked_for(moved):
    torch.manual_seed(0)
    cnn = Numbering(NUMBERS["argmax"], moved)
    subject = Subject(cnn, input_shape=(3, 8, 8))
    assert "logits" not in subject.layers
    assert "name it (model.subject.classes_from)" in subject.notes[0]
    named = Subject(cnn, input_shape=(3, 8, 8), classes_from="classifier")
    assert named.notes == ["The layer logits is classifier [1, 3], as classes_from says."]


def test_whole_numbers_that_are_not_one_for_each_image_are_no_classes():
    for end in (lambda net, x: (x > 0).long(), lambda net, x: x.argmax(1)[:, None].repeat(1, 4)):
        assert Subject(Numbering(end), input_shape=(3, 8, 8)).notes == []
