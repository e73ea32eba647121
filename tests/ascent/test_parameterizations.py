import math
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

import prober
from prober.ascent.given_images import shipped_digits
from prober.ascent.parameterizations import Fourier, MagnitudeBasis, MagnitudeConstrained, Pixels
from prober.ascent.starts import PinkNoise
from prober.common.errors import InputError
from tests import plain

SHAPES = [(3, 28, 28), (1, 7, 5), (3, 8, 9), (5, 1, 6), (2, 1, 1)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)
LUCID = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])


def pictures(number, shape, dtype=torch.float64, low=0.02, high=0.98, seed=0):
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand((number, *shape), generator=generator, dtype=torch.float64)
    return (low + (high - low) * values).to(dtype)


def numbers(number, shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return 4 * torch.randn((number, *shape), generator=generator, dtype=torch.float64)


def bases(shape):
    """A basis of each kind, in float64."""
    given = pictures(6, shape, seed=5)
    return [Pixels().basis(shape), Fourier().basis(shape).double(), MagnitudeBasis(given).double()]


def logit(x):
    x = np.clip(np.asarray(x, np.float64), 0.01, 0.99)
    return np.log(x / (1 - x))


def frequencies(height, width):
    """Of each coefficient, cycles per pixel, counted out."""
    rows = np.array([min(i, height - i) / height for i in range(height)])
    columns = np.array([min(i, width - i) / width for i in range(width)])
    return np.sqrt(rows[:, None] ** 2 + columns**2)


def fourier_by_sums(image, decay):
    """The picture of Fourier as a sum of waves, pixel by pixel."""
    channels, height, width = image.shape
    scale = 1 / np.maximum(frequencies(height, width), 1 / max(height, width)) ** decay
    y, x = np.mgrid[:height, :width]
    latent = np.zeros(image.shape)
    for u in range(height):
        for v in range(width):
            angle = 2 * math.pi * (u * y / height + v * x / width)
            wave = np.cos(angle) + np.sin(angle)
            latent += image[:, u, v, None, None] * scale[u, v] * wave
    latent /= math.sqrt(height * width) * 4
    if channels == 3:
        longest = max(math.hypot(*column) for column in LUCID.T)
        latent = np.einsum("ij,jhw->ihw", LUCID / longest, latent)
    return 1 / (1 + np.exp(-latent))


@pytest.mark.parametrize("shape", [(3, 6, 6), (3, 5, 8), (1, 7, 4), (4, 1, 3)], ids=str)
@pytest.mark.parametrize("decay", [0.0, 1.0, 1.7])
def test_fourier_is_a_sum_of_waves_that_fall_with_frequency(shape, decay):
    image = numbers(2, shape)
    decoded = Fourier(decay).basis(shape).double().decode(image).numpy()
    expected = np.stack([fourier_by_sums(one.numpy(), decay) for one in image])
    np.testing.assert_allclose(decoded, expected, atol=1e-6)


def test_the_gradient_leads_back_at_no_less_than_the_least_slope():
    shape = (3, 3, 4)
    image = 8 * numbers(1, shape)
    with_way_back, without = (Fourier(least_slope=s).basis(shape).double() for s in (0.1, 0.0))
    pictures = with_way_back.decode(image)
    assert torch.equal(pictures, without.decode(image))
    upstream = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(1)).double()
    # d latent / d image, by the other basis, whose slope is known.
    jacobian = torch.autograd.functional.jacobian(lambda i: without.decode(i).logit(), image)
    jacobian = jacobian.reshape(pictures.numel(), image.numel()).numpy()
    p, g = pictures.flatten().numpy(), upstream.flatten().numpy()
    slope = p * (1 - p)
    back = (p > 0.5) == (g > 0)  # a descent makes what is light darker, what is dark lighter
    assert 0 < (back & (slope < 0.1)).sum() < len(p) and (~back & (slope < 0.1)).any()
    expected = (g * np.where(back, np.maximum(slope, 0.1), slope)) @ jacobian
    variable = image.clone().requires_grad_()
    with_way_back.decode(variable).backward(upstream)
    np.testing.assert_allclose(variable.grad.flatten().numpy(), expected, rtol=1e-5, atol=1e-9)


def test_the_gradient_of_each_image_can_be_had_by_torch_func():
    basis = Fourier(least_slope=0.1).basis((3, 6, 5)).double()
    images = (10 * torch.randn(4, 3, 6, 5, dtype=torch.float64)).requires_grad_()
    (expected,) = torch.autograd.grad(basis.decode(images).square().sum(), images)
    of_each = torch.func.vmap(
        torch.func.grad(lambda image: basis.decode(image[None]).square().sum())
    )
    torch.testing.assert_close(of_each(images.detach()), expected)


def test_pixels_that_went_the_wrong_way_come_back():
    """A channel that wants yellow all over; without, the corners stay black or white."""
    scores = [
        prober.visualize(
            plain.subject(),
            "conv1:3",
            steps=150,
            parameterization=Fourier(1.5, least_slope),
            lr=0.4,
            regularizers=[],
        ).record["score_end"]
        for least_slope in (0.0, 0.1)
    ]
    # Of the mean over the map each pixel adds to what it is in each of the nine places.
    weights = plain.weights()
    most = weights["conv1.weight"][3].sum((1, 2)).clamp_min(0).sum() + weights["conv1.bias"][3]
    assert scores[1] > 0.93 * most > 1.1 * scores[0]  # the border sees less


def test_fourier_of_an_image_of_zeros_is_mid_gray():
    decoded = Fourier().basis((3, 8, 8)).decode(torch.zeros(1, 3, 8, 8))
    assert torch.equal(decoded, torch.full_like(decoded, 0.5))


@shapes
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 2e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("recipe", [Pixels(), Fourier(), Fourier(decay=2.0)], ids=repr)
def test_decoding_gives_back_what_was_encoded(recipe, shape, dtype, error):
    given = pictures(3, shape, dtype)
    basis = recipe.basis(shape).to(dtype)
    encoded = basis.encode(given)
    decoded = basis.decode(encoded)
    assert encoded.shape == decoded.shape == given.shape
    assert encoded.dtype == decoded.dtype == dtype
    torch.testing.assert_close(decoded, given, rtol=0, atol=error)


def test_pictures_at_the_limits_are_encoded_as_near_as_a_sigmoid_goes():
    given = torch.tensor([0.0, 0.004, 0.5, 0.996, 1.0], dtype=torch.float64).repeat(1, 3, 5, 1)
    basis = Fourier().basis((3, 5, 5)).double()
    expected = torch.tensor([0.01, 0.01, 0.5, 0.99, 0.99], dtype=torch.float64).expand_as(given)
    torch.testing.assert_close(basis.decode(basis.encode(given)), expected)


@shapes
def test_magnitude_is_that_of_the_images_whatever_the_phase(shape):
    images = pictures(7, shape, seed=3).numpy()
    latent = logit(images)
    mean = latent.mean((0, 2, 3))
    centered = (latent - mean[:, None, None]).transpose(1, 0, 2, 3).reshape(shape[0], -1)
    variances, directions = np.linalg.eigh(np.cov(centered, bias=True).reshape(shape[0], -1))
    inverse = directions.T / np.sqrt(variances)[:, None]  # up to the signs: for magnitudes enough

    def spectrum(latent):
        decorrelated = np.einsum("ij,njhw->nihw", inverse, latent - mean[:, None, None])
        spectra = np.fft.fft2(decorrelated)
        spectra[..., 0, 0] = 0
        return np.abs(spectra)

    measured = spectrum(latent).mean(0)
    basis = MagnitudeBasis(torch.from_numpy(images)).double()
    decoded = basis.decode(numbers(2, shape)).numpy()
    found = spectrum(np.log(decoded / (1 - decoded)))
    np.testing.assert_allclose(found, np.stack([measured] * 2), atol=1e-4)
    # Its mean color is the images'.
    np.testing.assert_allclose(
        np.log(decoded / (1 - decoded)).mean((2, 3)), np.stack([mean] * 2), atol=1e-5
    )


@shapes
def test_phase_of_a_picture_of_the_magnitude_is_found_again(shape):
    basis = MagnitudeBasis(pictures(4, shape, seed=3, low=0.3, high=0.7)).double()
    decoded = basis.decode(numbers(2, shape))
    assert decoded.min() > 0.01, "else the squeeze would change it"
    torch.testing.assert_close(basis.decode(basis.encode(decoded)), decoded, rtol=0, atol=1e-5)


def test_phases_are_those_of_the_start():
    # A picture moved by one pixel has its phases turned by 2 pi f.
    basis = MagnitudeBasis(pictures(4, (3, 8, 12), seed=3)).double()
    start = pictures(1, (3, 8, 12))
    turned = basis.encode(start.roll(1, 3)) - basis.encode(start)
    expected = -2 * math.pi * torch.fft.fftfreq(12, dtype=torch.float64)
    counted = turned[..., 1:, :]  # where no phase is free by symmetry
    torch.testing.assert_close(
        torch.exp(1j * counted), torch.exp(1j * expected).expand_as(counted), rtol=0, atol=1e-4
    )


def test_frequencies_that_a_start_does_not_hold_get_no_phase():
    basis = MagnitudeBasis(pictures(4, (3, 8, 9)))
    flat = torch.tensor([0.2, 0.5, 0.9])[:, None, None].expand(1, 3, 8, 9)
    almost = flat + 1e-6 * pictures(1, (3, 8, 9), torch.float32)  # as much as rounding does
    for start in (flat, almost):
        assert torch.equal(basis.encode(start), torch.zeros(1, 3, 8, 9))


def test_gray_images_keep_pictures_gray():
    gray = pictures(5, (1, 8, 8)).expand(5, 3, 8, 8)
    decoded = MagnitudeBasis(gray).double().decode(numbers(2, (3, 8, 8)))
    assert decoded.std() > 0.1
    torch.testing.assert_close(decoded, decoded[:, :1].expand_as(decoded), rtol=0, atol=1e-5)


def test_constant_channel_stays_constant():
    images = pictures(5, (3, 8, 8))
    images[:, 1] = 0.3
    decoded = MagnitudeBasis(images).double().decode(numbers(2, (3, 8, 8)))
    torch.testing.assert_close(
        decoded[:, 1], torch.full_like(decoded[:, 1], 0.3), atol=1e-5, rtol=0
    )
    assert decoded[:, 0].std() > 0.1


def test_blocks_of_images_are_measured_as_all_at_once():
    images = pictures(70, (3, 4, 5), seed=2)
    latent = logit(images.numpy())
    basis = MagnitudeBasis(images)
    flat = latent.transpose(1, 0, 2, 3).reshape(3, -1)
    np.testing.assert_allclose(basis.mean.numpy(), flat.mean(1), atol=1e-6)
    colors = basis.colors.double().numpy()
    np.testing.assert_allclose(colors @ colors.T, np.cov(flat, bias=True), atol=1e-5)


@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31))
def test_any_image_stands_for_pictures_in_range(channels, height, width, seed):
    shape = (channels, height, width)
    for basis in bases(shape):
        image = numbers(2, shape, seed)
        basis.keep_valid(image)
        decoded = basis.decode(image)
        assert decoded.shape == image.shape
        assert decoded.isfinite().all()
        assert decoded.min() >= 0
        assert decoded.max() <= 1


def test_pixels_are_clamped_and_spectra_left_alone():
    image = nn.Parameter(torch.tensor([-0.5, 0.25, 1.5]).repeat(1, 3, 3, 1))
    before = image.detach().clone()
    Fourier().basis((3, 3, 3)).keep_valid(image)
    MagnitudeBasis(pictures(2, (3, 3, 3))).keep_valid(image)
    assert torch.equal(image, before)
    Pixels().basis((3, 3, 3)).keep_valid(image)
    assert torch.equal(image, torch.tensor([0.0, 0.25, 1.0]).expand(1, 3, 3, 3))


def test_encoded_pixels_are_a_copy():
    given = pictures(1, (3, 4, 4))
    Pixels().basis((3, 4, 4)).encode(given).zero_()
    assert given.min() > 0


@pytest.mark.parametrize("shape", [(3, 5, 6), (1, 4, 3)], ids=str)
def test_gradients_are_right(shape):
    for basis in bases(shape)[1:]:
        image = numbers(1, shape).mul_(0.3).requires_grad_()
        assert torch.autograd.gradcheck(basis.decode, image)


@shapes
def test_pictures_of_a_batch_do_not_mix(shape):
    for basis in bases(shape):
        image = numbers(5, shape).requires_grad_()
        decoded = basis.decode(image)
        alone = torch.cat([basis.decode(one.clone()) for one in image.split(1)])
        torch.testing.assert_close(decoded, alone, rtol=0, atol=1e-13)
        gradient = torch.autograd.grad(decoded[2].square().sum(), image)[0]
        # The phase of the single frequency of a single pixel is fixed.
        expected = [] if isinstance(basis, MagnitudeBasis) and shape[1:] == (1, 1) else [2]
        assert gradient.flatten(1).any(1).nonzero().flatten().tolist() == expected


def test_precision_of_the_run_does_not_matter_within_autocast():
    shape = (3, 8, 9)
    for basis in (Fourier().basis(shape), MagnitudeBasis(pictures(3, shape))):
        image = numbers(2, shape).float()
        expected = basis.decode(image)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = basis.decode(image)
        assert found.dtype == torch.float32
        assert torch.equal(found, expected)


def test_basis_has_no_parameters_and_nothing_to_save():
    for basis in bases((3, 6, 6)):
        assert list(basis.parameters()) == []
        assert basis.state_dict() == {}
        assert all(b.dtype == torch.float64 for b in basis.buffers())


@pytest.mark.parametrize("recipe", [Fourier(), MagnitudeConstrained("digits")], ids=repr)
def test_ascent_excites_a_class_at_the_rate_that_suits_pixels(recipe):
    subject = plain.subject()
    basis = recipe.basis((3, 28, 28))
    image = nn.Parameter(basis.encode(PinkNoise().make((3, 28, 28), 0)[None]))
    optimizer = torch.optim.Adam([image], lr=0.05)

    def score():
        return subject(basis.decode(image), ["logits"])["logits"][0, 7]

    start = score().item()
    for _ in range(100):
        optimizer.zero_grad()
        (-score()).backward()
        optimizer.step()
    assert start < 1
    # The best of a thousand real images: what is reached must be of that size at least.
    best = subject(shipped_digits().images, ["logits"])["logits"][:, 7].max().item()
    assert score().item() > (1 if isinstance(recipe, Fourier) else 0.5) * best


def write_folder(folder, images):
    folder.mkdir()
    for i, image in enumerate(images):
        pixels = (image.movedim(0, -1).numpy() * 255).round().astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")


def test_images_are_read_from_a_folder_and_from_an_array(tmp_path):
    images = pictures(4, (3, 12, 12), torch.float32)
    write_folder(tmp_path / "images", images)
    np.save(tmp_path / "images.npy", images.numpy())
    with suppress(OSError):  # a system may ask for a right to make links
        (tmp_path / "images" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    expected = MagnitudeBasis(images)
    for name, error in (("images.npy", 1e-6), ("images", 0.05)):
        basis = MagnitudeConstrained(str(tmp_path / name)).basis((3, 12, 12))
        torch.testing.assert_close(basis.magnitude, expected.magnitude, rtol=error, atol=error * 20)


def test_images_that_cannot_be_used_are_told(tmp_path):
    with pytest.raises(InputError, match="images of MagnitudeConstrained: there is no folder"):
        MagnitudeConstrained(str(tmp_path / "none")).basis((3, 12, 12))
    with pytest.raises(InputError, match="the shipped digits are"):
        MagnitudeConstrained("digits").basis((3, 32, 32))
    flat = torch.linspace(0.1, 0.9, 4)[:, None, None, None].expand(4, 3, 12, 12)
    np.save(tmp_path / "flat.npy", flat.numpy())
    with pytest.raises(InputError, match=r"flat\.npy', are all of one flat color"):
        MagnitudeConstrained(str(tmp_path / "flat.npy")).basis((3, 12, 12))


@pytest.mark.parametrize("decay", [-0.1, math.nan, math.inf])
def test_decay_out_of_range_is_told(decay):
    with pytest.raises(InputError, match=f"decay of Fourier is {decay}; it must be 0 or more"):
        Fourier(decay)


def test_record_has_name_and_settings():
    assert Pixels().record() == {"name": "Pixels"}
    assert Fourier().record() == {"name": "Fourier", "decay": 1.0, "least_slope": 0.0}
    assert MagnitudeConstrained("digits").record() == {
        "name": "MagnitudeConstrained",
        "images": "digits",
    }
