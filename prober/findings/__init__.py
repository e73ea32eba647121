"""What the images say of a unit: maxima, tuning curves, facets, real images, trust.

The way from pictures to findings, each step a function of values that it does not change:

1. `finished_sweep` reads the pictures, `real_images` the real ones, whose
   colors (`palettes`) and those that go with a class (`class_colors`) can be changed.
2. `survey` shows the CNN what is at hand: `stimuli` (answers: `tuning`), real images (answers:
   `real_responses`; `behavior` of the CNN as a whole), pictures; it tells the `dead_units` apart.
3. `facet_search` plans an ascent from every start (`starts`, `ascents`); a sweep makes them.
4. The `maxima` of each unit are searched. `examination` measures what was found (`found_facets`:
   `optima`, their `preferences`, `facets`, `kinds`), gathers the `evidence`, and draws the
   `verdict`.
5. `styled_facets` shows what the other style makes of a unit's facets.

Where facets are not looked for, `plain_findings` says what there is. What comes of it is written
down in `finding`.
"""
