"""The subject: a trained CNN under study, frozen.

`Subject` holds a copy of the CNN and is all that most of the project knows of it. There are these
ways of looking into a CNN while it runs. Most put hooks on by `passes.watched`:

- `Subject.__call__`: a pass up to the deepest layer that is asked for, which gives the outputs.
- `Subject.entering`: a pass up to what would enter a layer.
- `layers.seen_at`: what some layers give in a pass, one after the other; `Subject.__call__`,
  `receptive_fields` and `logits` look through it.
- `layers.list_layers`: two passes of one and two images, which tell what layers there are.
- `cuts.find_cuts`: passes with a graph, which tell from which layers a gradient leads back.
- `batchnorm_folding.Folding`: passes before and after folding, which tell where it changes nothing.
- `receptive_fields`: a pass in which every operator hands on the pixels that were seen; done by
  `boxes.Boxes`, a `TorchDispatchMode`, and read at the layers.
- `input_shape.guessed_input_shape`: passes of usual shapes, before there is a subject.
- `passes.watched`: whatever else is to be seen, or put in the place of a module's output.
- `state_between_calls.StateBetweenCalls`: what the modules hold, before and after a pass.
"""

from prober.subject.layers import LOGITS, Layer
from prober.subject.subject import Subject

__all__ = ["LOGITS", "Layer", "Subject"]
