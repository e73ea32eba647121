"""What the images say of a unit: maxima, tuning curves, facets, real images, trust.

The way from pictures to findings, each step a function of values that it does not change:

1. `finished_sweep` reads the pictures, `real_images` the real ones, whose
   colors (`palettes`) and those that go with a class (`class_colors`) can be changed.
2. `survey` shows the CNN what is at hand: `stimuli` (answers: `tuning`), real images (answers:
   `real_responses`; `behavior` of the CNN as a whole), pictures; it tells the `dead_units` apart.
3. `facet_search` plans an ascent from every start (`starts`, `ascents`); a sweep makes them.
4. `examination` searches the `maxima` of each unit, measures what was found (`found_facets`:
   `optima`, their `preferences`, `facets`, `kinds`), gathers the `evidence`, and draws the
   `verdict`.

What comes of it is written down in `finding`.
"""
