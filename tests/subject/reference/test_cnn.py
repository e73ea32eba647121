import torch
from torch.nn import functional as F

from prober.subject.reference import ReferenceCNN

SHAPES = {
    "conv1": (16, 28, 28),
    "relu1": (16, 28, 28),
    "pool1": (16, 14, 14),
    "conv2": (32, 14, 14),
    "relu2": (32, 14, 14),
    "pool2": (32, 7, 7),
    "conv3": (64, 7, 7),
    "relu3": (64, 7, 7),
    "pool3": (64, 3, 3),
    "classifier": (10,),
}


def test_layers_run_in_the_order_and_with_the_shapes_of_the_docstring():
    cnn = ReferenceCNN()
    seen = {}
    for name, layer in cnn.named_children():
        layer.register_forward_hook(
            lambda _module, _input, output, name=name: seen.update({name: tuple(output.shape)})
        )
    cnn(torch.rand(5, 3, 28, 28))
    assert list(seen.items()) == [(name, (5, *shape)) for name, shape in SHAPES.items()]
    assert list(dict(cnn.named_children())) == list(SHAPES)


def test_logits_are_those_of_the_formula():
    torch.manual_seed(0)
    cnn = ReferenceCNN().double()
    weights = cnn.state_dict()
    images = torch.rand(3, 3, 28, 28, dtype=torch.float64)

    x = images
    for conv in ("conv1", "conv2", "conv3"):
        x = F.conv2d(x, weights[f"{conv}.weight"], weights[f"{conv}.bias"], padding=1)
        side = x.shape[-1] // 2
        # Maximum over 2x2 and ReLU, by slicing; an odd last row and column is left out.
        corners = [x[:, :, i : 2 * side : 2, j : 2 * side : 2] for i in (0, 1) for j in (0, 1)]
        x = torch.stack(corners).amax(dim=0).clamp(min=0)
    expected = x.reshape(3, -1) @ weights["classifier.weight"].T + weights["classifier.bias"]

    torch.testing.assert_close(cnn(images), expected, rtol=0, atol=1e-12)
