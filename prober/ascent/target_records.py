"""What a record says of a target: what it was, how it was optimized, and what came of it."""

from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from prober.ascent.losses import Measures
from prober.ascent.module import ActivationMaximization
from prober.common.typed_json import finite

FAINTEST = 1e-12
"""A gradient that is nowhere larger does not move a picture: Adam adds 1e-8 to what it divides it
by, so that in 500 steps of 0.05 no pixel comes farther than 0.0025."""


def target_records(
    module: ActivationMaximization, end: Measures, trainer: Trainer, seconds: float
) -> list[dict[str, Any]]:
    """Returns for each target what its record holds.

    Args:
        module: The module, after its steps.
        end: What its image gives now.
        trainer: The Trainer that made the steps.
        seconds: How long it took.
    """
    assert module.start is not None  # a step has been made
    won = _penalties_won(module.start, end).cpu()
    excited = _excited(module, end, won).tolist()
    figures = {  # of all targets at once: to ask a GPU for a number takes as long as for all
        f"{name}_{when}": getattr(measures, name).tolist()
        for name in ("score", "loss")
        for when, measures in (("start", module.start), ("end", end))
    }
    subject = {
        "name": module.subject.name,
        "checkpoint": module.subject.checkpoint,
        "sha256": module.subject.sha256,
        "input_shape": list(module.subject.input_shape),
        "mean": _decimals(module.subject.mean),
        "std": _decimals(module.subject.std),
        "value_range": list(module.subject.value_range),
    }
    records = []
    for i, target in enumerate(module.targets):
        failed_at, settled_at = (at[i].item() for at in (module.failed_at, module.settled_at))
        if failed_at >= 0:
            status = {"status": "failed", "failed_at_step": failed_at}
        else:
            finished = settled_at >= 0 or trainer.global_step >= trainer.max_steps
            status = {"status": "finished" if finished else "interrupted"}
        records.append(
            {
                **status,
                **target.record(),
                **_class_name(module, i),
                **module.methods[i].record(),
                "steps": settled_at if settled_at >= 0 else trainer.global_step,
                "leaky_steps": module.silent.leaky_steps[i].item(),
                "dead": status["status"] == "finished" and not excited[i],
                "penalties_won": won[i].item(),
                **{name: finite(values[i]) for name, values in figures.items()},
                "precision": str(trainer.precision),
                "seconds": round(seconds, 3),
                "subject": subject,
            }
        )
    return records


def _excited(module: ActivationMaximization, end: Measures, won: Tensor) -> Tensor:
    """Whether anything excites the unit of each target, `[N]`, on the CPU."""
    # After a single step only the end shows that the score has changed.
    changed = module.has_moved(end.score).cpu() & module.reached
    # Under transforms the score of each step is of another picture, and differs though nothing
    # excites the unit.
    plain = torch.tensor([not own.transforms for own in module.methods])
    # What the penalties do to the picture moves a score, too, which is no sign of life.
    pull = module.silent.pull
    return (changed | (plain & module.excited)) & (pull != 0) & ~(won & (pull < FAINTEST))


def _penalties_won(start: Measures, end: Measures) -> Tensor:
    """Whether more of what a loss has lost is the penalties' than the score's, `[N]`.

    The picture is then what the penalties want: of a unit whose score hardly moves, such as a
    probability that is 0 or 1 already.
    """
    gain = end.score - start.score
    lost = start.loss - end.loss
    return lost - gain > gain.clamp_min(0)


def _class_name(module: ActivationMaximization, i: int) -> dict[str, str]:
    """The name of the class whose logit is maximized, where it has one."""
    objective = module.targets[i].objective
    name = module.subject.class_name(objective.layer, objective.channel)
    return {} if name is None else {"class_name": name}


def _decimals(values: Tensor) -> list[float]:
    """The shortest numbers that are these in float32: 0.4, not 0.4000000059604645."""
    return [float(str(value)) for value in values.detach().flatten().float().cpu().numpy()]
