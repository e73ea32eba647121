"""Objectives with their names and formulas."""

import torch

from prober.ascent.layer_objectives import DeepDream
from prober.ascent.objectives import (
    ChannelMean,
    ClassConditional,
    Negative,
    Neuron,
    TopKMean,
    Weighted,
    WeightedSum,
)
from tests import plain


def largest(activations, k):
    return activations.flatten().sort(descending=True).values[:k].mean()


# Each objective with its name and its score, written out on the layers of a plain forward pass.
CASES = [
    (ChannelMean("conv2", 3), "conv2_ch3", lambda a: a["conv2"][3].mean()),
    (ChannelMean("conv2", 31), "conv2_ch31", lambda a: a["conv2"][31].mean()),
    (ChannelMean("pool3", 63), "pool3_ch63", lambda a: a["pool3"][63].mean()),
    (ChannelMean("classifier", 7), "classifier_ch7", lambda a: a["classifier"][7]),
    (ChannelMean("logits", 4), "logits_ch4", lambda a: a["logits"][4]),
    (Neuron("conv2", 5), "conv2_ch5_h7_w7", lambda a: a["conv2"][5, 7, 7]),
    (Neuron("conv1", 0), "conv1_ch0_h14_w14", lambda a: a["conv1"][0, 14, 14]),
    (Neuron("conv3", 10), "conv3_ch10_h3_w3", lambda a: a["conv3"][10, 3, 3]),
    (Neuron("pool3", 1), "pool3_ch1_h1_w1", lambda a: a["pool3"][1, 1, 1]),
    (Neuron("conv2", 5, 0, 13), "conv2_ch5_h0_w13", lambda a: a["conv2"][5, 0, 13]),
    (Neuron("conv2", 8, h=2), "conv2_ch8_h2_w7", lambda a: a["conv2"][8, 2, 7]),
    (Neuron("conv2", 8, w=0), "conv2_ch8_h7_w0", lambda a: a["conv2"][8, 7, 0]),
    (Neuron("classifier", 2), "classifier_ch2_h0_w0", lambda a: a["classifier"][2]),
    (TopKMean("conv2", 3), "conv2_ch3_top20", lambda a: largest(a["conv2"][3], 20)),
    (TopKMean("conv2", 6), "conv2_ch6_top20", lambda a: largest(a["conv2"][6], 20)),
    (TopKMean("conv2", 3, k=5), "conv2_ch3_top5", lambda a: largest(a["conv2"][3], 5)),
    (TopKMean("conv3", 3, k=49), "conv3_ch3_top49", lambda a: a["conv3"][3].mean()),
    (TopKMean("relu1", 1, k=1), "relu1_ch1_top1", lambda a: a["relu1"][1].max()),
    (TopKMean("logits", 1, k=1), "logits_ch1_top1", lambda a: a["logits"][1]),
    (
        ClassConditional(ChannelMean("conv3", 10), 7),
        "conv3_ch10_class7",
        lambda a: a["conv3"][10].mean() + 0.1 * a["logits"][7],
    ),
    (
        ClassConditional(Neuron("conv2", 1), 0, weight=0.5),
        "conv2_ch1_h7_w7_class0",
        lambda a: a["conv2"][1, 7, 7] + 0.5 * a["logits"][0],
    ),
    (
        ClassConditional(TopKMean("conv1", 2, k=9), 9, weight=0),
        "conv1_ch2_top9_class9",
        lambda a: largest(a["conv1"][2], 9),
    ),
    (Negative(ChannelMean("conv2", 3)), "minus_conv2_ch3", lambda a: -a["conv2"][3].mean()),
    (
        Negative(TopKMean("conv3", 8, 3)),
        "minus_conv3_ch8_top3",
        lambda a: -largest(a["conv3"][8], 3),
    ),
    (
        WeightedSum([Weighted(ChannelMean("conv2", 3)), Weighted(ChannelMean("conv1", 0), -0.1)]),
        "conv2_ch3-0.1_conv1_ch0",
        lambda a: a["conv2"][3].mean() - 0.1 * a["conv1"][0].mean(),
    ),
    (
        # The same unit twice, and one layer from which several channels are needed.
        Neuron("conv2", 1, 0, 0) + 2 * Neuron("conv2", 4, 3, 1) + 0.5 * Neuron("conv2", 1, 0, 0),
        "conv2_ch1_h0_w0+2_conv2_ch4_h3_w1+0.5_conv2_ch1_h0_w0",
        lambda a: 1.5 * a["conv2"][1, 0, 0] + 2 * a["conv2"][4, 3, 1],
    ),
    (
        ClassConditional(ChannelMean("conv1", 1), 2, weight=0.3) - DeepDream("conv2") / 4,
        "conv1_ch1_class2-0.25_conv2_all",
        lambda a: a["conv1"][1].mean() + 0.3 * a["logits"][2] - a["conv2"].pow(2).mean() / 4,
    ),
    (
        Negative(
            WeightedSum(
                [
                    Weighted(Negative(ChannelMean("logits", 4)), 2.0),
                    Weighted(
                        WeightedSum(
                            [Weighted(TopKMean("conv2", 0, 2), 3.0), Weighted(DeepDream("conv1"))]
                        ),
                        -0.5,
                    ),
                ]
            )
        ),
        "minus_2_minus_logits_ch4-0.5_3_conv2_ch0_top2+conv1_all",
        lambda a: (
            2 * a["logits"][4] + 1.5 * largest(a["conv2"][0], 2) + 0.5 * a["conv1"].pow(2).mean()
        ),
    ),
]


SUBJECT = plain.subject().double()


IMAGES = torch.rand(len(CASES), 3, 28, 28, generator=torch.Generator().manual_seed(2)).double()


LAYERS = plain.outputs(IMAGES)


def layers_of(image):
    return {layer: output[image] for layer, output in LAYERS.items()}
