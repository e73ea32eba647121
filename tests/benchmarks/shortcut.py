"""How often a report is right about shortcuts by color, on CNNs trained on families of images.

    python -m tests.benchmarks.shortcut [--family NAME ...] [--bias B ...] [--seed S]

A small CNN is trained on each family with the bias at 0, 0.9, 0.99, 0.995 and 1. The verdict on
the images it was trained on is set beside what it does with images of its own family whose colors
are dealt anew, which the verdict does not know: `color` is asked for where its accuracy falls by 20
points or more and the answers follow the color, `none` where it falls by 5 or less, and neither
`color` where it falls by less than 15 nor `none` where it falls by more than 10. It is a report:
its exit code is always 0.
"""

import argparse
import time

from prober.findings.behavior import Behavior, Shortcut, behavior
from prober.findings.real_images import RealImages
from prober.findings.real_responses import respond_to_real
from prober.subject import LOGITS, Subject
from tests.families import FAMILIES, Images, make, train

BIASES = (0.0, 0.9, 0.99, 0.995, 1.0)


def judged(subject: Subject, given: Images) -> Behavior:
    """What a report concludes from a CNN's answers to images."""
    classes = [str(i) for i in range(given.classes)]
    real = RealImages("a family", given.images, given.labels, classes)
    found = behavior(respond_to_real(subject, real, {}))
    assert found is not None
    return found


def truth(subject: Subject, given: Images) -> tuple[float, float]:
    """How far the accuracy falls with colors dealt anew, and how often their class is named."""
    right, changed = (
        subject(images, [LOGITS])[LOGITS].argmax(1) for images in (given.images, given.changed)
    )
    lost = (right == given.labels).float().mean() - (changed == given.labels).float().mean()
    return lost.item(), (changed == given.color).float().mean().item()


def is_right(verdict: Shortcut, lost: float, colored: bool = True) -> bool:
    """Whether a verdict is one that the truth allows."""
    if not colored:
        return verdict not in (Shortcut.COLOR, Shortcut.PARTLY)
    if lost >= 0.2:
        return verdict == Shortcut.COLOR
    if lost <= 0.05:
        return verdict == Shortcut.NONE
    if lost <= 0.1:
        return verdict != Shortcut.COLOR
    return verdict != Shortcut.NONE and (verdict != Shortcut.COLOR or lost >= 0.15)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--family", nargs="*", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--bias", nargs="*", type=float, default=list(BIASES))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    right = total = 0
    print("family                  bias  right  truly lost, to the color  said lost, to the color")
    for name in options.family:
        for bias in options.bias:
            began = time.perf_counter()
            given = make(name, bias, options.seed)
            subject = train(given.images, given.labels, given.classes, seed=options.seed)
            trained = time.perf_counter()
            found = judged(subject, given)
            lost, named = truth(subject, given)
            fits = is_right(found.shortcut, lost, FAMILIES[name].colored)
            right, total = right + fits, total + 1
            said = found.accuracy - (found.accuracy_color_changed or 0)
            follows = -1 if found.names_color is None else found.names_color
            print(
                f"{name:22} {bias:5} {found.accuracy:6.1%} {lost:10.1%} {named:10.1%} {said:14.1%} "
                f"{follows:10.1%}  {found.shortcut:10} {'' if fits else 'WRONG':5} "
                f"{trained - began:3.0f} + {time.perf_counter() - trained:.0f} s",
                flush=True,
            )
    print(f"\n{right} of {total} verdicts right")


if __name__ == "__main__":
    main()
