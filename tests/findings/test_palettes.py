"""Images in other colors: the shape stays, only what varies with the class changes."""

import pytest
import torch

from prober.common.colors import hue_to_rgb
from prober.findings.class_colors import color_tells, dealer_of
from prober.findings.palettes import palettes_of
from prober.findings.real_images import RealImages
from prober.subject.reference import load_digits
from tests.families import FAMILIES, make


def real(name, bias, number=400):
    given = make(name, bias, number=number)
    classes = [str(i) for i in range(given.classes)]
    return RealImages(name, given.images, given.labels, classes)


def painted(name, label, number=400):
    """The same digits, all in the color of a class, as the family makes them."""
    digits = load_digits()[0][:number, None]
    colors = torch.full((number,), label)
    return FAMILIES[name].paint(digits, colors, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("bias", [0.9, 1.0])
@pytest.mark.parametrize(
    "name", ["ground", "foreground", "both", "patch", "two classes", "gray, dark, pale"]
)
def test_an_image_in_a_class_s_color_is_what_the_family_would_have_made(name, bias):
    data = real(name, bias)
    assert data.color_groups == [(i,) for i in range(len(data.classes))]
    for column in range(0, len(data.classes), 3):
        dealt, donors = data.dealt(column), data.dealer.donors[column]
        assert torch.equal(dealt[donors], data.images[donors])
        away = (dealt - painted(name, column)).abs()
        assert away.mean() < 0.01 and away.mean((1, 2, 3)).max() < 0.02


@pytest.mark.parametrize("name", ["tint", "jittered ground", "jittered foreground"])
def test_edges_stay_where_they_are(name):
    """Where neighboring pixels differ much, they do so in the new color, and nowhere else."""
    data = real(name, 0.9)
    for column in (0, 4):
        edges = [
            (each[..., 1:] - each[..., :-1]).norm(dim=1).flatten(1)
            for each in (data.images, data.dealt(column))
        ]
        edges = [each - each.mean(1, keepdim=True) for each in edges]
        like = torch.nn.functional.cosine_similarity(*edges)
        assert like.min() > 0.9


def test_white_strokes_stay_white_on_a_colored_ground():
    data = real("ground", 0.9)
    stroke = (load_digits()[0][:400] > 0.98)[:, None].expand(-1, 3, -1, -1)
    assert data.images[stroke].min() > 0.98
    for column in range(10):
        assert data.dealt(column)[stroke].min() > 0.95


def test_a_class_whose_color_cannot_be_told_from_strokes_does_not_switch_the_question_off():
    data = real("gray, dark, pale patch", 1.0)
    assert set(data.color_groups) >= {(i,) for i in range(3, 10)}
    can = data.dealer.dealable
    away = (data.dealt(0) - painted("gray, dark, pale patch", data.color_groups[0][0])).abs()
    assert can.float().mean() >= 0.65 and away[can].mean() < 0.01


def test_colors_that_go_with_no_class_are_dealt_among_all_images():
    data = real("ground", 0.0)
    assert data.color_groups == []
    grounds = data.images[:, :, 0, 0]
    assert torch.allclose(data.dealt(0)[:, :, 0, 0], grounds[data.dealer.drawn[0]], atol=0.02)
    assert not torch.equal(data.dealer.drawn[0], data.dealer.drawn[1])


def test_grays_of_one_channel_are_dealt_as_those_of_three_are():
    digits, labels = (each[:400] for each in load_digits())
    ground = 0.05 * labels[:, None, None, None]
    images = torch.maximum(digits[:, None], ground.expand(-1, 1, 28, 28))
    classes = [str(i) for i in range(10)]
    gray = RealImages("gray", images, labels, classes)
    rgb = RealImages("rgb", images.expand(-1, 3, -1, -1).contiguous(), labels, classes)
    assert gray.color_groups == rgb.color_groups == [(i,) for i in range(10)]
    for column in (0, 9):
        dealt = gray.dealt(column)
        assert dealt.shape == images.shape
        assert torch.allclose(dealt.expand(-1, 3, -1, -1), rgb.dealt(column), atol=1e-3)
        # What the digits would be on that ground.
        expected = torch.maximum(digits[:, None], torch.tensor(0.05 * column))
        assert (dealt - expected).abs().mean() < 0.02
    plain = RealImages("plain", digits[:, None].contiguous(), labels, classes)
    assert plain.dealer is None and not plain.color_tells


def striped(number=200):
    """White digits on gray stripes, which are broad in one class and narrow in the other."""
    digits, labels = load_digits()[0][:number, None], torch.arange(number) % 2
    column = torch.arange(28) % 6
    stripes = 0.5 * (column < torch.where(labels == 0, 4, 2)[:, None]).float()
    images = torch.maximum(digits, stripes[:, None, None, :]).expand(-1, 3, -1, -1)
    return RealImages("stripes", images.contiguous(), labels, ["broad", "narrow"])


def test_tones_of_a_texture_are_no_colors_of_classes():
    """The larger tone is gray in one class and black in the other: dealt, it fills the gaps."""
    assert striped().dealer is None


def test_photographs_have_no_color_to_deal():
    data = real("photographs", 1.0)
    assert data.dealer is None and data.colored


def test_light_and_dark_of_a_texture_are_no_color_of_its_class():
    """Textures of two coarsenesses and contrasts, in tints that go with no class."""
    chance = torch.Generator().manual_seed(0)
    fine = torch.rand(200, 1, 28, 28, generator=chance)
    coarse = torch.rand(200, 1, 7, 7, generator=chance)
    coarse = 0.35 + 0.3 * torch.nn.functional.interpolate(coarse, size=(28, 28), mode="bilinear")
    tints = 0.6 + 0.4 * torch.rand(400, 3, 1, 1, generator=chance)
    found = palettes_of(torch.cat([fine, coarse]) * tints)
    dealer = dealer_of(found, torch.arange(2).repeat_interleave(200))
    assert dealer is None or dealer.groups == []
    assert not color_tells(found, torch.arange(2).repeat_interleave(200))
    gray = torch.arange(2).view(2, 1, 1, 1).repeat_interleave(200, 0) * 0.5 + 0.2
    even = palettes_of((gray * tints).expand(-1, -1, 28, 28))
    assert dealer_of(even, torch.arange(2).repeat_interleave(200)).groups == [(0,), (1,)]


def test_a_color_that_only_some_of_a_class_have_tells_something_of_it():
    digits, labels = load_digits()
    images = digits[:400, None].repeat(1, 3, 1, 1)
    labels = (labels[:400] >= 5).long()
    assert not RealImages("plain", images, labels, ["a", "b"]).color_tells
    images[labels == 1, :, 1:5, 1:5] = torch.tensor([1.0, 0.2, 0.2])[:, None, None]
    data = RealImages("a patch in one class", images, labels, ["a", "b"])
    assert data.color_tells and data.color_groups == []


@pytest.mark.parametrize("side", [2, 4])
def test_a_tag_of_few_pixels_in_a_large_image_is_found(side):
    """White digits on grounds of any color; a corner has the color of the class."""
    digits, labels = load_digits()
    kept = (labels < 5).nonzero()[:200, 0]
    digits, labels = digits[kept, None], labels[kept]
    chance = torch.Generator().manual_seed(0)
    grounds = 0.5 * torch.rand(200, 3, 1, 1, generator=chance)
    images = torch.nn.functional.pad(grounds + (1 - grounds) * digits, (34, 34, 34, 34))
    images = torch.where(images == 0, grounds, images)
    tags = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1]]).float()
    images[:, :, 3 : 3 + side, 3 : 3 + side] = tags[labels][:, :, None, None]
    data = RealImages("tags", images, labels, list("01234"))
    assert data.color_groups == [(i,) for i in range(5)]
    assert torch.allclose(data.group_colors, tags, atol=0.01)
    for column in range(5):
        wanted = images.clone()
        wanted[:, :, 3 : 3 + side, 3 : 3 + side] = tags[column][:, None, None]
        assert (data.dealt(column) - wanted).abs().max() < 0.05


def test_a_class_whose_color_is_now_in_one_role_now_in_another_shares_it_with_none():
    """Digits in their class's color before a mosaic of any colors, of which four are the ends."""
    digits, labels = load_digits()
    kept = (labels < 5).nonzero()[:300, 0]
    digits, labels = digits[kept, None], labels[kept]
    chance = torch.Generator().manual_seed(0)
    mosaics = 0.8 * torch.rand(300, 3, 7, 7, generator=chance)
    mosaics = torch.nn.functional.interpolate(mosaics, size=(28, 28), mode="nearest")
    own = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1]]).float()
    images = digits * own[labels][:, :, None, None] + (1 - digits) * mosaics
    data = RealImages("mosaics", images, labels, list("01234"))
    assert data.color_groups == [(i,) for i in range(5)]


def test_a_stroke_whose_color_shuns_that_of_the_ground_makes_classes_share_none():
    """Saturated grounds; strokes are white on all but white and yellow ones, where they are blue.

    By the strokes alone the classes would be two groups.
    """
    hues = [0, 0.1, 0.2, 0.35, 0.5, 0.6, 0.7, 0.85]
    colors = torch.tensor([*(hue_to_rgb(torch.tensor(360 * h)).tolist() for h in hues), [1, 1, 1]])
    chance = torch.Generator().manual_seed(0)
    labels = torch.arange(9).repeat(30)
    white = torch.tensor([1.0, 1.0, 1.0])
    stroke = torch.where((labels % 8 == 0)[:, None], torch.tensor([0.0, 0.0, 0.6]), white)
    # A third of the grounds are of another class's color.
    ground = torch.where(torch.rand(270, generator=chance) < 0.3, labels.roll(3), labels)
    shape = load_digits()[0][:270, None]
    images = shape * stroke[:, :, None, None] + (1 - shape) * colors[ground][:, :, None, None]
    data = RealImages("shunned", images, labels, list("abcdefghi"))
    assert data.color_groups == [(i,) for i in range(9)]


def test_ink_among_ruled_lines_that_have_now_more_now_less_of_the_paper():
    chance = torch.Generator().manual_seed(0)
    labels = torch.arange(5).repeat(40)
    inks = 0.4 * hue_to_rgb(72.0 * torch.arange(5))[:, :, None, None]
    shape = load_digits()[0][:200, None]
    lines = torch.rand(200, 1, 28, 1, generator=chance).expand(-1, -1, -1, 28)
    paper = torch.where(lines < 0.05 + 0.2 * torch.rand(200, 1, 1, 1, generator=chance), 0.7, 1.0)
    paper = (1 - shape) * (paper + 0.02 * torch.randn(200, 1, 28, 28, generator=chance))
    images = (shape * inks[labels] + paper).clamp(0, 1)
    data = RealImages("ruled", images, labels, list("abcde"))
    assert data.color_groups == [(i,) for i in range(5)]
    assert data.dealer.dealable.all()
    given = (shape * inks[1] + paper).clamp(0, 1)
    assert (data.dealt(1) - given).abs().mean() < 0.02 < (images - given).abs().mean()


def test_a_class_of_pale_colors_of_all_hues_has_no_color_of_its_own_name():
    """Saturation goes with the class, on grounds of any hue."""
    chance = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    hues = hue_to_rgb(360 * torch.rand(300, generator=chance))
    saturated = torch.tensor([0.0, 0.35, 1.0])[labels][:, None]
    grounds = 0.7 * (1 - saturated + saturated * hues)
    digits = load_digits()[0][:300, None]
    images = (1 - digits) * grounds[:, :, None, None]
    data = RealImages("saturation", images, labels, ["gray", "pale", "full"])
    assert data.color_groups == [(0,), (1,), (2,)]
    assert data.class_colors[0].tolist() == pytest.approx([0.7] * 3, abs=0.02)
    assert data.class_colors[1:].isnan().all()


def test_a_color_that_few_images_have_is_not_asked_for_beside_another():
    """Grounds go with the class; so does a tag that a tenth of the images has."""
    chance = torch.Generator().manual_seed(0)
    labels = torch.arange(300) % 3
    grounds = torch.tensor([[0.8, 0.2, 0.2], [0.2, 0.8, 0.2], [0.2, 0.2, 0.8]])[labels]
    images = grounds[:, :, None, None].repeat(1, 1, 28, 28)
    images += 0.01 * torch.rand(images.shape, generator=chance)
    tags = 1 - torch.eye(3)[labels]
    images[:30, :, :4, :4] = tags[:30, :, None, None]
    data = RealImages("tags", images, labels, list("abc"))
    assert data.color_groups == [(0,), (1,), (2,)]
    assert data.dealer.dealable.all() and len(data.dealer.roles) == 1


@pytest.mark.parametrize("side", [64, 128])
def test_the_most_frequent_color_is_that_of_the_whole_image(side):
    """Not that of its edge, as scans and video frames have."""
    images = torch.tensor([0.9, 0.0, 0.0])[:, None, None].repeat(3, 1, side, side)
    images[:, 2, side // 3 : side // 2, side // 3 : side // 2] = 0.9
    images[:, :, :, 0] = 0
    assert torch.allclose(palettes_of(images).colors[:, 0], torch.tensor([0.9, 0.0, 0.0]))


def test_a_light_stroke_is_no_light_ground():
    """Classes of light digits on dark grounds and of dark ones on light grounds, of any hue."""
    digits, labels = load_digits()
    kept = (labels < 4).nonzero()[:200, 0]
    digits, labels = digits[kept, None], labels[kept]
    chance = torch.Generator().manual_seed(0)
    dark = 0.3 * hue_to_rgb(360 * torch.rand(200, generator=chance))[:, :, None, None]
    light = 1 - 0.3 * hue_to_rgb(360 * torch.rand(200, generator=chance))[:, :, None, None]
    on_dark = (labels < 2)[:, None, None, None]
    images = torch.where(on_dark, dark, light) * (1 - digits)
    images += torch.where(on_dark, light, dark) * digits
    data = RealImages("polarity", images, labels, list("0123"))
    assert data.color_groups == [(0, 1), (2, 3)]
    corners = data.dealt(1)[:, :, 0, 0].mean(1)
    assert corners.min() > 0.6  # the grounds of the others are light now


def test_a_tag_that_some_classes_have_is_dealt_beside_a_ground_that_all_have():
    """The grounds are gray, and go with the class a little; four of ten classes have tags."""
    labels = torch.arange(400) % 10
    chance = torch.Generator().manual_seed(0)
    grays = 0.3 + 0.03 * labels + 0.03 * torch.randn(400, generator=chance)
    images = grays[:, None, None, None].repeat(1, 3, 28, 28)
    tags = hue_to_rgb(torch.arange(4) * 90.0)
    tagged = labels >= 6
    images[tagged, :, 2:6, 2:6] = tags[labels[tagged] - 6][:, :, None, None]
    data = RealImages("tags", images, labels, list("0123456789"))
    assert data.color_groups == [(6,), (7,), (8,), (9,)]
    assert torch.allclose(data.dealt(1)[labels == 6][:, :, 3, 3], tags[1].expand(40, -1), atol=0.02)


def test_images_of_one_color_each_have_a_palette_of_one():
    colors = torch.rand(6, 3, generator=torch.Generator().manual_seed(0))
    found = palettes_of(colors[:, :, None, None].expand(-1, -1, 5, 7))
    assert found.there.sum(1).tolist() == [1] * 6
    assert torch.allclose(found.colors[:, 0], colors, atol=1e-5)


def test_two_images_give_no_class_away():
    found = palettes_of(torch.rand(2, 3, 5, 7))
    dealer = dealer_of(found, torch.tensor([0, 1]))
    assert dealer is None or dealer.groups == []
